/** The socket side: node's HTTP server with its limits, and a stop that loses no request. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, Server as TcpServer } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import { getLogger } from "@logtape/logtape";
import { TrtdError } from "../errors.ts";
import { errorHeaders, PROBLEM_TYPE, problemFrom } from "./problem.ts";
import { requestIdFrom } from "./request_id.ts";
import { brokenRule, MAX_HEADER_BYTES } from "./request_rules.ts";
import type { AppEnv } from "./service.ts";

const log = getLogger(["trtd", "http"]);

/** How long requests are still taken after the call to stop, so that those on their way are served. */
const GRACE_MS = 100;
/** How long a refused client may go on sending before the connection is cut. */
const LINGER_MS = 500;

export interface ServerSettings {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly max_connections: number;
  readonly header_timeout_ms: number;
  readonly body_timeout_ms: number;
  readonly idle_timeout_ms: number;
}

export type Fetch = (request: Request, env: AppEnv["Bindings"]) => Response | Promise<Response>;

/** A listening server. */
export class HttpServer {
  readonly host: string;
  readonly port: number;
  /**
   * Whether this runtime's `node:http` enforces header, request and idle timeouts and the cap on connections. Deno 2.9
   * does; Deno 2.6 answers through another server, where the body deadline and a cap on requests under way hold.
   */
  readonly enforcesTimeouts: boolean;
  readonly #server: Server;
  readonly #settings: ServerSettings;
  readonly #open = new Set<ServerResponse>();
  #state: "serving" | "grace" | "refusing" = "serving";
  #whenIdle: (() => void) | undefined;

  private constructor(server: Server, settings: ServerSettings) {
    this.#server = server;
    this.#settings = settings;
    this.host = settings.host;
    this.port = 0;
    this.enforcesTimeouts = server instanceof TcpServer;
  }

  /**
   * Listen.
   * @throws {TrtdError} `ADDRESS_UNAVAILABLE`
   */
  static async listen(settings: ServerSettings, fetch: Fetch): Promise<HttpServer> {
    const server = createServer({
      headersTimeout: settings.header_timeout_ms,
      requestTimeout: settings.header_timeout_ms + settings.body_timeout_ms,
      keepAliveTimeout: settings.idle_timeout_ms,
      connectionsCheckingInterval: Math.min(500, Math.ceil(settings.header_timeout_ms / 4)),
      maxHeaderSize: MAX_HEADER_BYTES,
      requireHostHeader: false,
    });
    server.maxConnections = settings.max_connections;
    const made = new HttpServer(server, settings);
    made.#listenTo(fetch);
    const listening = Promise.withResolvers<void>();
    server.once("error", listening.reject);
    try {
      server.listen(settings.port, settings.host, () => listening.resolve());
      await listening.promise;
    } catch (error) {
      throw new TrtdError("ADDRESS_UNAVAILABLE", `Cannot listen at ${urlOf(settings)}: ${messageOf(error)}`, {
        cause: error,
      });
    }
    server.on("error", (error) => log.error("The server failed: {error}", { error }));
    (made as { port: number }).port = (server.address() as AddressInfo).port;
    return made;
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
    this.close();
    return cutOff;
  }

  /** Close everything at once. Calling it twice is harmless. */
  close(): void {
    this.#stopListening();
    this.#server.closeAllConnections();
  }

  #stopListening(): void {
    if (!this.#server.listening) return;
    this.#server.close();
    if (this.enforcesTimeouts) this.#server.closeIdleConnections();
  }

  #listenTo(fetch: Fetch): void {
    const answer = getRequestListener(fetch as Parameters<typeof getRequestListener>[0], {
      overrideGlobalObjects: false,
      errorHandler: (thrown) => {
        const error = thrown instanceof Error && thrown.name === "RequestError"
          ? new TrtdError("REQUEST_INVALID", `The request's target or Host is wrong: ${thrown.message}`)
          : new TrtdError("INTERNAL", messageOf(thrown));
        if (error.code === "INTERNAL") log.error("A request failed outside its route: {error}", { error: thrown });
        const id = requestIdFrom(undefined);
        return new Response(JSON.stringify(problemFrom(error, id)), {
          status: error.row.http,
          headers: plainHeaders(error, id),
        });
      },
    });
    const take = (incoming: IncomingMessage, outgoing: ServerResponse) => {
      this.#open.add(outgoing);
      outgoing.once("close", () => this.#closed(outgoing));
      if (this.#state !== "serving") outgoing.setHeader("Connection", "close");
      const refusal = this.#refusal(incoming);
      if (refusal === null) void answer(incoming, outgoing);
      else refuse(incoming, outgoing, refusal);
    };
    this.#server.on("request", take);
    this.#server.on("checkContinue", (incoming, outgoing) => {
      outgoing.writeContinue();
      take(incoming, outgoing);
    });
    this.#server.on("checkExpectation", take);
    this.#server.on("connect", (_incoming: IncomingMessage, socket: Duplex) => {
      endSocket(socket, new TrtdError("METHOD_NOT_ALLOWED", "This server is no proxy"));
    });
    this.#server.on("clientError", (error: Error & { code?: string }, socket: Duplex) => {
      if (error.code === "ECONNRESET" || !socket.writable) socket.destroy();
      else endSocket(socket, this.#parserError(error));
    });
    this.#server.on("drop", () => log.warning("A connection over the limit of {max} was closed", {
      max: this.#settings.max_connections,
    }));
  }

  #closed(outgoing: ServerResponse): void {
    this.#open.delete(outgoing);
    if (this.#open.size === 0) this.#whenIdle?.();
  }

  #refusal(incoming: IncomingMessage): TrtdError | null {
    if (this.#state === "refusing") return new TrtdError("SHUTTING_DOWN", "The server is stopping");
    if (this.#open.size > this.#settings.max_connections) {
      return new TrtdError("QUEUE_FULL", `${this.#settings.max_connections} requests are under way`, { retryAfterS: 1 });
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

function refuse(incoming: IncomingMessage, outgoing: ServerResponse, error: TrtdError): void {
  const id = requestIdFrom(headerText(incoming, "x-request-id"));
  log.info("{method} {path} {status} {id}", {
    method: incoming.method,
    path: incoming.url,
    status: error.row.http,
    id,
  });
  const body = JSON.stringify(problemFrom(error, id));
  outgoing.writeHead(error.row.http, {
    ...plainHeaders(error, id),
    "Content-Length": new TextEncoder().encode(body).length,
    "Connection": "close",
  });
  outgoing.end(incoming.method === "HEAD" ? undefined : body);
}

/** Answer a connection whose request never became one. */
function endSocket(socket: Duplex, error: TrtdError): void {
  const id = requestIdFrom(undefined);
  const body = JSON.stringify(problemFrom(error, id));
  const headers = { ...plainHeaders(error, id), "Content-Length": String(body.length), "Connection": "close" };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.on("error", () => {});
  socket.end(`HTTP/1.1 ${error.row.http} ${STATUS_TEXTS[error.row.http] ?? "Error"}\r\n${lines}\r\n${body}`);
  setTimeout(() => socket.destroy(), LINGER_MS);
  log.info("{status} {id}: {detail}", { status: error.row.http, id, detail: error.message });
}

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  405: "Method Not Allowed",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
};

function plainHeaders(error: TrtdError, id: string): Record<string, string> {
  return {
    "Content-Type": PROBLEM_TYPE,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "X-Request-Id": id,
    ...errorHeaders(error),
  };
}

function headerText(incoming: IncomingMessage, name: string): string | undefined {
  const value = incoming.headers[name];
  return typeof value === "string" ? value : undefined;
}

function urlOf({ host, port }: { host: string; port: number }): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
