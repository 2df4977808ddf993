/** The socket side: node's HTTP server with its limits, and a stop that loses no request. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, Server as TcpServer } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import { getLogger } from "@logtape/logtape";
import { TrtdError } from "../../errors.ts";
import { ConnectionGate } from "./connection_gate.ts";
import { connectionLimitHere } from "./connection_limit.ts";
import type { EarlyRefusal } from "../early_refusal.ts";
import { problemFrom } from "../problem.ts";
import { discardRest, endSocket, LINGER_MS, plainHeaders, rawAnswer, refuse } from "./refusal.ts";
import { requestIdFrom } from "../request/request_id.ts";
import { brokenRule, MAX_HEADER_BYTES } from "../request/request_rules.ts";
import type { AppEnv } from "../service.ts";

const log = getLogger(["trtd", "http"]);

/** How long requests are still taken after the call to stop, so that those on their way are served. */
const GRACE_MS = 100;
/** Descriptors of one connection behind a gate: the client's, and both ends of its twin. */
const BEHIND_GATE = 3;
/** Longer than any answer takes, so that only what is stuck is ended. */
const ANSWER_MARGIN_MS = 2000;

export interface ServerSettings {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly max_connections: number;
  readonly request_timeout_ms: number;
  readonly header_timeout_ms: number;
  readonly body_timeout_ms: number;
  readonly idle_timeout_ms: number;
}

export type Fetch = (request: Request, env: AppEnv["Bindings"]) => Response | Promise<Response>;

export interface ListenOptions {
  readonly onRefused?: (error: TrtdError) => void;
  readonly early?: EarlyRefusal;
}

/** A listening server. */
export class HttpServer {
  readonly host: string;
  readonly port: number;
  /**
   * Whether this runtime's `node:http` enforces header, request and idle timeouts and the cap on connections, and
   * parses strictly. Deno 2.9 does; in Deno 2.6 a {@link ConnectionGate} caps connections and times them out as far as
   * that goes without reading HTTP: the first head, idle connections, and ones that get no answer.
   */
  readonly enforcesTimeouts: boolean;
  readonly #server: Server;
  readonly #settings: ServerSettings;
  readonly #maxConnections: number;
  readonly #backlog: number;
  readonly #onRefused: (error: TrtdError) => void;
  readonly #open = new Set<ServerResponse>();
  /** Connections that are closed after the answer they have; what else comes on them is no request. */
  readonly #ending = new WeakSet<Duplex>();
  #gate: ConnectionGate | undefined;
  #state: "serving" | "grace" | "refusing" = "serving";
  #whenIdle: (() => void) | undefined;

  private constructor(server: Server, settings: ServerSettings, onRefused: (error: TrtdError) => void) {
    this.#server = server;
    this.#onRefused = onRefused;
    this.#settings = settings;
    this.host = settings.host;
    this.port = 0;
    this.enforcesTimeouts = server instanceof TcpServer;
    const limit = connectionLimitHere(settings.max_connections, this.enforcesTimeouts ? 1 : BEHIND_GATE);
    this.#maxConnections = limit.max;
    this.#backlog = limit.backlog;
  }

  /**
   * Listen.
   * @param options.onRefused told of every answer that was given without `fetch`, but not of those of `early`
   * @param options.early refuses requests by their heads, without `fetch` and without ending their connections
   * @throws {TrtdError} `ADDRESS_UNAVAILABLE`
   */
  static async listen(
    settings: ServerSettings,
    fetch: Fetch,
    { onRefused = () => {}, early = () => null }: ListenOptions = {},
  ): Promise<HttpServer> {
    const server = createServer({
      headersTimeout: settings.header_timeout_ms,
      requestTimeout: settings.header_timeout_ms + settings.body_timeout_ms,
      keepAliveTimeout: settings.idle_timeout_ms,
      connectionsCheckingInterval: Math.min(500, Math.ceil(settings.header_timeout_ms / 4)),
      maxHeaderSize: MAX_HEADER_BYTES,
      requireHostHeader: false,
    });
    const made = new HttpServer(server, settings, onRefused);
    server.maxConnections = made.#maxConnections;
    made.#listenTo(fetch, early);
    const listening = Promise.withResolvers<void>();
    server.once("error", listening.reject);
    try {
      const [host, port] = made.enforcesTimeouts ? [settings.host, settings.port] : ["127.0.0.1", 0];
      server.listen(port, host, made.#backlog, () => listening.resolve());
      await listening.promise;
      (made as { port: number }).port = (server.address() as AddressInfo).port;
      if (!made.enforcesTimeouts) made.#putGateBefore();
    } catch (error) {
      server.close();
      throw new TrtdError("ADDRESS_UNAVAILABLE", `Cannot listen at ${urlOf(settings)}: ${messageOf(error)}`, {
        cause: error,
      });
    }
    server.on("error", (error) => log.error("The server failed: {error}", { error }));
    return made;
  }

  #putGateBefore(): void {
    const { host, port, header_timeout_ms, idle_timeout_ms } = this.#settings;
    this.#gate = new ConnectionGate({
      host,
      port,
      behindPort: this.port,
      maxConnections: this.#maxConnections,
      headTimeoutMs: header_timeout_ms,
      idleTimeoutMs: idle_timeout_ms,
      answerTimeoutMs: this.#answerTimeoutMs,
      lateHead: () => {
        const error = new TrtdError("HEADER_TIMEOUT", "The request's head did not arrive in time");
        this.#onRefused(error);
        return rawAnswer(error);
      },
    });
    (this as { port: number }).port = this.#gate.port;
  }

  /** Longest time from a request's head to the end of its answer: clients that never read theirs are cut off. */
  get #answerTimeoutMs(): number {
    const { header_timeout_ms, body_timeout_ms, request_timeout_ms } = this.#settings;
    return header_timeout_ms + body_timeout_ms + request_timeout_ms + ANSWER_MARGIN_MS;
  }

  get url(): string {
    return urlOf(this);
  }

  /** Requests that have no answer yet. */
  get inFlight(): number {
    return this.#open.size;
  }

  /**
   * Stop: for {@link GRACE_MS} go on as before, then take no new connection, answer new requests on old ones with
   * `SHUTTING_DOWN`, wait for the requests under way, and close what is left.
   * @param timeoutMs longest wait for the requests under way
   * @returns how many requests were cut off
   */
  async drain(timeoutMs: number): Promise<number> {
    this.#state = "grace";
    await new Promise((resolve) => setTimeout(resolve, GRACE_MS));
    this.#state = "refusing";
    this.#gate?.stopListening();
    if (this.enforcesTimeouts) this.#stopListening();
    if (this.#open.size > 0) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
        timer = setTimeout(resolve, timeoutMs);
      });
      clearTimeout(timer);
    }
    const cutOff = this.#open.size;
    if (cutOff === 0) await this.#settle();
    this.close();
    return cutOff;
  }

  /** Let the last answers reach their clients. */
  async #settle(): Promise<void> {
    if (this.#gate !== undefined) return await this.#gate.settle(LINGER_MS);
    this.#server.closeIdleConnections();
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#server.once("close", resolve);
      this.#server.getConnections((_error, count) => count === 0 && resolve());
      timer = setTimeout(resolve, LINGER_MS);
    });
    clearTimeout(timer);
  }

  /** Close everything at once. Calling it twice is harmless. */
  close(): void {
    this.#gate?.close();
    this.#stopListening();
    this.#server.closeAllConnections();
  }

  #stopListening(): void {
    if (!this.#server.listening) return;
    this.#server.close();
    if (this.enforcesTimeouts) this.#server.closeIdleConnections();
  }

  #listenTo(fetch: Fetch, early: EarlyRefusal): void {
    const withPeer = (request: Request, env: Omit<AppEnv["Bindings"], "peer">) =>
      fetch(request, { ...env, peer: this.#peerOf(env.incoming) });
    const answer = getRequestListener(withPeer as Parameters<typeof getRequestListener>[0], {
      overrideGlobalObjects: false,
      autoCleanupIncoming: false,
      hostname: "localhost",
      errorHandler: (thrown) => {
        const error = thrown instanceof Error && thrown.name === "RequestError"
          ? new TrtdError("REQUEST_INVALID", `The request's target or Host is wrong: ${thrown.message}`)
          : new TrtdError("INTERNAL", messageOf(thrown));
        this.#onRefused(error);
        if (error.code === "INTERNAL") log.error("A request failed outside its route: {error}", { error: thrown });
        const id = requestIdFrom(undefined);
        return new Response(JSON.stringify(problemFrom(error, id)), {
          status: error.row.http,
          headers: plainHeaders(error, id),
        });
      },
    });
    const take = (incoming: IncomingMessage, outgoing: ServerResponse) => {
      const arrivedMs = performance.now();
      this.#track(incoming, outgoing);
      outgoing.once("finish", () => discardRest(incoming));
      if (this.#state !== "serving") outgoing.setHeader("Connection", "close");
      const broken = this.#refusal(incoming);
      if (broken !== null) {
        this.#ending.add(incoming.socket);
        this.#onRefused(broken);
        return refuse(incoming, outgoing, { error: broken, arrivedMs, closes: true });
      }
      const error = early(incoming);
      if (error !== null) refuse(incoming, outgoing, { error, arrivedMs, closes: false });
      else void answer(incoming, outgoing);
    };
    this.#server.on("request", take);
    this.#server.on("checkContinue", (incoming, outgoing) => {
      outgoing.writeContinue();
      take(incoming, outgoing);
    });
    this.#server.on("checkExpectation", take);
    this.#server.on("connect", (_incoming: IncomingMessage, socket: Duplex) => {
      this.#endSocket(socket, new TrtdError("METHOD_NOT_ALLOWED", "This server is no proxy"));
    });
    this.#server.on("clientError", (error: Error & { code?: string }, socket: Duplex) => {
      if (error.code === "ECONNRESET" || !socket.writable || this.#ending.has(socket)) socket.destroy();
      else this.#endSocket(socket, this.#parserError(error));
    });
    this.#server.on("drop", () =>
      log.warning("A connection over the limit of {max} was closed", {
        max: this.#maxConnections,
      }));
  }

  #endSocket(socket: Duplex, error: TrtdError): void {
    this.#onRefused(error);
    endSocket(socket, error);
  }

  /** Behind the gate every connection comes from the loopback; the gate knows from whom. */
  #peerOf({ socket }: IncomingMessage): string | null {
    if (this.#gate === undefined) return socket?.remoteAddress ?? null;
    return socket?.remotePort === undefined ? null : this.#gate.clientOf(socket.remotePort);
  }

  /** A pipelined answer that never got its turn does not close; its connection does. */
  #track({ socket }: IncomingMessage, outgoing: ServerResponse): void {
    this.#open.add(outgoing);
    const timer = setTimeout(() => socket?.destroy(), this.#answerTimeoutMs);
    const done = () => {
      clearTimeout(timer);
      outgoing.off("close", done);
      socket?.off("close", done);
      this.#open.delete(outgoing);
      if (this.#open.size === 0) this.#whenIdle?.();
    };
    outgoing.on("close", done);
    socket?.setMaxListeners(0);
    socket?.on("close", done);
  }

  #refusal(incoming: IncomingMessage): TrtdError | null {
    if (this.#state === "refusing") return new TrtdError("SHUTTING_DOWN", "The server is stopping");
    if (this.#open.size > this.#maxConnections) {
      return new TrtdError("QUEUE_FULL", `${this.#maxConnections} requests are under way`, {
        retryAfterS: 1,
      });
    }
    return brokenRule(incoming);
  }

  #parserError(error: Error & { code?: string }): TrtdError {
    if (error.code === "HPE_HEADER_OVERFLOW") {
      return new TrtdError("HEADERS_TOO_LARGE", `The request's headers have more than ${MAX_HEADER_BYTES} bytes`);
    }
    if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") {
      return new TrtdError("HEADER_TIMEOUT", "The request did not arrive in time");
    }
    return new TrtdError("REQUEST_INVALID", error.message);
  }
}

function urlOf({ host, port }: { host: string; port: number }): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
