/** Requests to hosts that may be down, slow or hostile. */
import { lookup } from "node:dns";
import { rootCertificates } from "node:tls";
import type { Agent } from "undici";
// The dispatcher alone: the rest of undici 8 asks for parts of Node that Deno 2.6 does not have, and undici 7 can end the
// process when a host closes the connection while the body waits to be read (nodejs/undici#5360).
import UndiciAgent from "undici/lib/dispatcher/agent.js";
import { TrtdError } from "../../errors.ts";
import { VERSION } from "../../version.ts";
import { innerAddress, literalAddress } from "./addresses.ts";
import { connectionFailure, isTlsError, tlsFailure } from "./failure.ts";
import { isTrustedHost, shownUrl } from "./source.ts";
import { getStreamed, type Streamed } from "./stream.ts";

export interface ConnectionOptions {
  /** Time for a connection with TLS. */
  readonly connectTimeoutMs: number;
  /** Time for an answer to begin, and between two pieces of its body. */
  readonly stallMs: number;
  /** PEM texts of CAs besides the system's and Mozilla's. */
  readonly certificates: readonly string[];
  /** Any certificate is taken. */
  readonly skipVerify: boolean;
  /** Hosts that redirects may lead to though their addresses are not of the Internet, and by plain http. */
  readonly trustedHosts: readonly string[];
}

/** An answer whose body has not been read. */
export interface Answer {
  readonly status: number;
  /** A header by its lower-case name, null when it is not there; of several the first. */
  header(name: string): string | null;
  /** Pieces of the body. What goes wrong on the way is a {@link TrtdError}. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends it; the body is read no further. */
  close(): void;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const REDIRECTS_MAX = 5;
const HEADER_BYTES_MAX = 16_384;
const DIAGNOSIS_MS = 5000;

/** Makes requests; disposing it ends all of them. */
export class Connection implements AsyncDisposable {
  readonly #options: ConnectionOptions;
  readonly #agents: { readonly named: Agent; readonly guarded: Agent };

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#agents = { named: agentFor(options, false), guarded: agentFor(options, true) };
  }

  /**
   * GET of an address that the user or the configuration names. Redirects are followed where they may lead.
   * @param sign makes the headers of a signed request; signed requests follow no redirect
   * @throws {TrtdError} `DOWNLOAD_*`, `INTERRUPTED` or the signal's reason
   */
  async get(
    url: URL,
    { shown, headers, sign, signal }: {
      readonly shown: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly sign?: (headers: Readonly<Record<string, string>>) => Promise<Readonly<Record<string, string>>>;
      readonly signal: AbortSignal;
    },
  ): Promise<Answer> {
    const seen = new Set<string>();
    let agent = this.#agents.named;
    for (let at = url;;) {
      seen.add(at.href);
      const all = { "user-agent": `trtd/${VERSION}`, "accept-encoding": "identity", ...headers };
      const answer = await this.#ask(at, { agent, shown, headers: sign === undefined ? all : await sign(all), signal });
      if (!REDIRECTS.has(answer.status)) return answer;
      answer.close();
      const next = redirectTarget(at, answer.header("location"), shown);
      if (sign !== undefined) {
        throw refusedRedirect(shown, next, 'is elsewhere: correct "endpoint" or "region" of the alias');
      }
      if (seen.has(next.href)) throw refusedRedirect(shown, next, "was asked already: the redirects go in a circle");
      if (seen.size > REDIRECTS_MAX) throw refusedRedirect(shown, next, `is one redirect more than ${REDIRECTS_MAX}`);
      const free = next.origin === url.origin || isTrustedHost(next, this.#options.trustedHosts);
      if (!free) refuseInner(shown, next);
      agent = free ? this.#agents.named : this.#agents.guarded;
      at = next;
    }
  }

  async #ask(
    url: URL,
    { agent, shown, headers, signal }: {
      agent: Agent;
      shown: string;
      headers: Readonly<Record<string, string>>;
      signal: AbortSignal;
    },
  ): Promise<Answer> {
    const failure = async (thrown: unknown): Promise<unknown> => {
      if (signal.aborted) return signal.reason;
      if (thrown instanceof TrtdError) return thrown;
      if (url.protocol === "https:" && (isTlsError(thrown) || (thrown as { code?: unknown }).code === "UNKNOWN")) {
        const reason = await tlsReason(url, this.#options, agent === this.#agents.guarded);
        if (reason !== null) return tlsFailure(reason, shown, url.host, thrown);
      }
      return connectionFailure(thrown, shown, url.host);
    };
    let answer: Streamed;
    try {
      answer = await getStreamed(agent, { url, headers, signal });
    } catch (thrown) {
      throw await failure(thrown);
    }
    const { status, headers: received, body } = answer;
    return {
      status,
      header(name) {
        const value = received[name];
        return (Array.isArray(value) ? value[0] : value) ?? null;
      },
      body: {
        async *[Symbol.asyncIterator]() {
          try {
            yield* body;
          } catch (thrown) {
            throw await failure(thrown);
          }
        },
      },
      close: () => answer.close(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#agents.named.destroy(), this.#agents.guarded.destroy()]);
  }
}

function agentFor(options: ConnectionOptions, guarded: boolean): Agent {
  const { connectTimeoutMs, stallMs, certificates, skipVerify } = options;
  return new UndiciAgent({
    connect: {
      timeout: connectTimeoutMs,
      ca: [...rootCertificates, ...certificates],
      rejectUnauthorized: !skipVerify,
      ...(guarded ? { lookup: guardedLookup as typeof lookup } : {}),
    },
    headersTimeout: stallMs,
    bodyTimeout: stallMs,
    maxHeaderSize: HEADER_BYTES_MAX,
    pipelining: 0,
    allowH2: false,
  });
}

type Found = readonly { readonly address: string; readonly family: number }[];

/** Looks a name up, and fails when one of its addresses is not of the Internet: the addresses that are told are those used. */
function guardedLookup(
  host: string,
  options: { readonly all?: boolean },
  done: (error: Error | null, found?: Found | string, family?: number) => void,
): void {
  lookup(host, { all: true }, (error, found) => {
    if (error !== null) return done(error);
    const inner = found.find(({ address }) => innerAddress(address) !== null);
    if (inner !== undefined) return done(innerFailure(host, inner.address));
    const [first] = found;
    if (first === undefined) return done(Object.assign(new Error(`No address of ${host}`), { code: "ENOTFOUND" }));
    if (options.all === true) done(null, found);
    else done(null, first.address, first.family);
  });
}

const innerFailure = (host: string, address: string): TrtdError =>
  new TrtdError("DOWNLOAD_REDIRECT", `A redirect leads to "${host}", whose address is ${innerAddress(address)}`);

function redirectTarget(from: URL, location: string | null, shown: string): URL {
  if (location === null || !URL.canParse(location, from.href)) {
    throw new TrtdError("DOWNLOAD_REDIRECT", `Cannot download "${shown}": a redirect says no address to go to`);
  }
  const target = new URL(location, from.href);
  if (target.username !== "" || target.password !== "") throw refusedRedirect(shown, target, "has a user or password");
  target.hash = "";
  return target;
}

/** @throws {TrtdError} `DOWNLOAD_REDIRECT` for what a redirect may not lead to */
function refuseInner(shown: string, target: URL): void {
  if (target.protocol !== "https:") throw refusedRedirect(shown, target, "is not https");
  const address = literalAddress(target);
  const kind = address === null ? null : innerAddress(address);
  if (kind !== null) throw refusedRedirect(shown, target, `is a ${kind} address`);
}

const refusedRedirect = (shown: string, target: URL, problem: string): TrtdError =>
  new TrtdError("DOWNLOAD_REDIRECT", `Cannot download "${shown}": the redirect to "${shownUrl(target)}" ${problem}`);

/** What TLS has against the host, asked once more: Deno 2.6 does not say it the first time. @returns null for nothing */
async function tlsReason(url: URL, options: ConnectionOptions, guarded: boolean): Promise<string | null> {
  const over = Promise.withResolvers<null>();
  const timer = setTimeout(() => over.resolve(null), DIAGNOSIS_MS);
  try {
    return await Promise.race([handshakeFailure(url, options, guarded), over.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function handshakeFailure(url: URL, options: ConnectionOptions, guarded: boolean): Promise<string | null> {
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const caCerts = [...rootCertificates, ...options.certificates];
  try {
    const address = guarded ? await guardedAddress(hostname) : hostname;
    const plain = await Deno.connect({ hostname: address, port: Number(url.port || 443) });
    using secured = await Deno.startTls(plain, { hostname, caCerts });
    await secured.handshake();
    return null;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

const guardedAddress = (hostname: string): Promise<string> =>
  new Promise((resolve, reject) =>
    guardedLookup(hostname, {}, (error, found) => error === null ? resolve(found as string) : reject(error))
  );
