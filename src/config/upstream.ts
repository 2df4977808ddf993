/** The upstream JSON: read from a path or an address, and kept for starts without it. */
import { join, resolve } from "node:path";
import { TrtdError } from "../errors.ts";
import { rememberSecret, withoutSecrets } from "../secrets.ts";
import { cappedText, CONFIG_BYTES_MAX, readCappedText } from "./capped_file.ts";
import { notJson } from "./problem.ts";

export interface UpstreamRequest {
  /** Path, or address of http or https; user and password in an address are sent as basic authorization. */
  readonly upstream: string;
  /** Sent as bearer authorization. */
  readonly token?: string | undefined;
  /** Longest time of the whole exchange. */
  readonly timeoutMs: number;
  /** Folder that a relative path counts from. */
  readonly cwd: string;
  /** Folder of the last good copies; null: none is kept. */
  readonly cacheFolder: string | null;
}

export interface UpstreamLayer {
  /** The path or address without user, password and secret parameters. */
  readonly origin: string;
  readonly value: unknown;
  /** Why a kept copy stands in, null when the upstream itself answered. */
  readonly outOfReach: string | null;
  /** Keep this as the last good copy; does nothing for one. It never throws: @returns why it cannot be kept, or null */
  keep(): Promise<string | null>;
}

/** A copy on the disk. */
interface Kept {
  readonly origin: string;
  /** ISO 8601. */
  readonly read: string;
  readonly text: string;
}

/**
 * The upstream's JSON, or the last good copy when it cannot be had.
 * @throws {TrtdError} `UPSTREAM_UNAVAILABLE` when there is no copy either; `CONFIG_INVALID` when it is not JSON, or
 * when a secret would be sent over plain http to another machine
 */
export async function readUpstream(request: UpstreamRequest): Promise<UpstreamLayer> {
  const { cacheFolder } = request;
  const place = placeOf(request);
  const origin = withoutSecrets(place.shown);
  const copyPath = cacheFolder === null ? null : join(cacheFolder, "upstream", `${await digestOf(place.shown)}.json`);
  let text: string;
  try {
    text = place.url === null ? await readCappedText(place.shown) : await textFromUrl(place, request.timeoutMs);
  } catch (thrown) {
    const reason = withoutSecrets(reasonOf(thrown, request.timeoutMs));
    const kept = copyPath === null ? null : await keptCopy(copyPath);
    if (kept === null) {
      throw new TrtdError("UPSTREAM_UNAVAILABLE", `Cannot read "${origin}": ${reason}, and there is no copy of it`);
    }
    return {
      origin: `${origin} (copy of ${kept.read})`,
      value: parsed(kept.text, origin),
      outOfReach: reason,
      keep: () => Promise.resolve(null),
    };
  }
  const kept: Kept = { origin, read: new Date().toISOString(), text };
  return {
    origin,
    value: parsed(text, origin),
    outOfReach: null,
    keep: () => copyPath === null ? Promise.resolve(null) : keepCopy(copyPath, kept),
  };
}

interface Place {
  /** What is read, without user and password. */
  readonly shown: string;
  readonly url: URL | null;
  readonly headers: Readonly<Record<string, string>>;
}

function placeOf({ upstream, token, cwd }: UpstreamRequest): Place {
  if (!/^https?:/i.test(upstream)) return { shown: resolve(cwd, upstream), url: null, headers: {} };
  const url = new URL(upstream);
  const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  url.username = url.password = url.hash = "";
  const shown = url.href;
  const basic = user === "" && password === "" ? null : btoa(String.fromCharCode(...utf8(`${user}:${password}`)));
  for (const secret of [password, basic, token]) if (secret) rememberSecret(secret);
  const authorization = token !== undefined ? `Bearer ${token}` : basic === null ? null : `Basic ${basic}`;
  if (authorization !== null && url.protocol === "http:" && !isLoopback(url.hostname)) {
    throw new TrtdError(
      "CONFIG_INVALID",
      `The upstream "${withoutSecrets(shown)}" would get a secret over plain http`,
      {
        remedy: "Use an https address, or one without user, password and upstream_token",
      },
    );
  }
  return { shown, url, headers: authorization === null ? {} : { "Authorization": authorization } };
}

const isLoopback = (host: string): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/i.test(host);

const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

async function textFromUrl({ url, headers }: Place, timeoutMs: number): Promise<string> {
  const response = await fetch(url!, {
    headers: { "Accept": "application/json", ...headers },
    redirect: "manual",
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel();
    const where = response.headers.get("location");
    throw new Error(
      `It answered ${response.status}${where === null ? "" : `, a redirect to "${where.slice(0, 200)}"`}`,
    );
  }
  return await cappedText(response.body);
}

function reasonOf(thrown: unknown, timeoutMs: number): string {
  if (thrown instanceof RangeError) return `It has more than ${CONFIG_BYTES_MAX} bytes`;
  if (thrown instanceof DOMException && thrown.name === "TimeoutError") return `It took longer than ${timeoutMs} ms`;
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** @throws {TrtdError} `CONFIG_INVALID` */
function parsed(text: string, origin: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new TrtdError("CONFIG_INVALID", `"${origin}" ${notJson(text, error)}`);
  }
}

async function digestOf(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @returns null when there is none that can be used */
async function keptCopy(path: string): Promise<Kept | null> {
  try {
    const { origin, read, text } = JSON.parse(await readCappedText(path)) as Partial<Kept>;
    return typeof origin === "string" && typeof read === "string" && typeof text === "string"
      ? { origin, read, text }
      : null;
  } catch {
    return null;
  }
}

/** Written whole beside and renamed; only this user may read it, since settings may be secrets. */
async function keepCopy(path: string, kept: Kept): Promise<string | null> {
  const beside = `${path}.${crypto.randomUUID()}`;
  try {
    await Deno.mkdir(resolve(path, ".."), { recursive: true, mode: 0o700 });
    try {
      using file = await Deno.open(beside, { write: true, createNew: true, mode: 0o600 });
      const bytes = utf8(JSON.stringify(kept));
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      await file.sync();
      await Deno.rename(beside, path);
    } catch (error) {
      await Deno.remove(beside).catch(() => {});
      throw error;
    }
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
