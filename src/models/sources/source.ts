/** Where a model comes from, read out of one word of the user. Pure. */
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { TrtdError } from "../../errors.ts";
import { shortText } from "../../onnx/quoted.ts";
import { type Aliases, objectUrl, type Store, storeOf } from "./alias.ts";

interface SourceBase {
  /** The word without anything secret: no query, no fragment. For messages and the manifest. */
  readonly shown: string;
  /** All that tells this source from others; may hold secrets of a query. */
  readonly identity: string;
  /** Last part of the path. */
  readonly fileName: string;
  /** Digest that the word pins, lower-case hexadecimal; null without `#sha256=`. */
  readonly sha256: string | null;
}

export interface FileSource extends SourceBase {
  readonly kind: "file";
  /** Absolute. */
  readonly path: string;
}

export interface HttpSource extends SourceBase {
  readonly kind: "http";
  readonly url: URL;
}

export interface StoreSource extends SourceBase {
  readonly kind: "store";
  readonly url: URL;
  readonly store: Store;
}

export type Source = FileSource | HttpSource | StoreSource;

export interface SourceContext {
  readonly aliases: Aliases;
  /** Folder that relative paths count from. */
  readonly cwd: string;
  /** Environment variables, for the region of `s3:`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Hosts that may be asked by plain `http:`. */
  readonly trustedHosts: readonly string[];
}

const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]+):/;
const PIN = /#sha256=([0-9a-fA-F]*)$/;
const BAD_PART = /^\.{0,2}$/;

/** Whether a word of `--model` names a source instead of a model or a path. */
export const isSource = (word: string): boolean => SCHEME.test(word);

/**
 * The source that a word names: a path, `file:///PATH`, `https://HOST/PATH`, `ALIAS:KEY` or `ALIAS://BUCKET/KEY`, each
 * with `#sha256=HEX` or without.
 * @throws {TrtdError} `SOURCE_INVALID`
 */
export function parseSource(word: string, context: SourceContext): Source {
  const { bare, sha256 } = pinOf(word);
  const scheme = SCHEME.exec(bare)?.[1]?.toLowerCase();
  if (/\p{Cc}/u.test(bare) || bare === "") throw invalid(word, "is empty or has control characters");
  if (scheme === undefined) return fileSource(resolve(context.cwd, bare), sha256);
  if (scheme === "file") return fileSource(pathOfUrl(bare), sha256);
  if (scheme === "http" || scheme === "https") return httpSource(bare, sha256, context);
  return storeSource(scheme, bare, sha256, context);
}

/**
 * A file beside another source when the word is a bare name, else a source of its own. Used for class names.
 * @throws {TrtdError} `SOURCE_INVALID`
 */
export function parseBeside(word: string, of: Source, context: SourceContext): Source {
  if (isSource(word) || /^\.{0,2}\//.test(word)) return parseSource(word, context);
  if (/[?#]/.test(word)) throw invalid(word, "must be a file's name");
  if (of.kind === "file") return parseSource(join(dirname(of.path), word), context);
  if (of.kind === "http") return parseSource(new URL(encodeURI(word), of.url).href, context);
  return parseSource(`${of.shown.slice(0, of.shown.length - of.fileName.length)}${word}`, context);
}

function pinOf(word: string): { bare: string; sha256: string | null } {
  const pin = PIN.exec(word);
  if (pin === null) {
    if (/#sha/i.test(word)) throw invalid(word, 'has a pin that is not "#sha256=" and 64 hexadecimal digits');
    return { bare: word, sha256: null };
  }
  return { bare: word.slice(0, pin.index), sha256: checkedDigest(pin[1]!) };
}

/** A SHA-256 that a user gave, in lower case. @throws {TrtdError} `SOURCE_INVALID` */
export function checkedDigest(text: string): string {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return text.toLowerCase();
  throw new TrtdError("SOURCE_INVALID", `The SHA-256 has ${text.length} characters, but must be 64 hexadecimal digits`);
}

function fileSource(path: string, sha256: string | null): FileSource {
  return { kind: "file", path, shown: path, identity: `file:${path}`, fileName: basename(path), sha256 };
}

function pathOfUrl(text: string): string {
  try {
    return fileURLToPath(text);
  } catch {
    throw invalid(text, "is not file:///PATH of this machine");
  }
}

function httpSource(text: string, sha256: string | null, { trustedHosts }: SourceContext): HttpSource {
  if (!URL.canParse(text)) throw invalid(text.split(/[?#]/)[0]!, "is not an address");
  const url = new URL(text);
  const shown = shownUrl(url);
  if (url.username !== "" || url.password !== "") {
    throw new TrtdError("SOURCE_INVALID", `"${shown}" was given with a user or password`, {
      remedy: "Leave them out: addresses end up in logs and lists of processes. Keys of a store belong to an alias",
    });
  }
  if (url.protocol === "http:" && !isTrustedHost(url, trustedHosts)) {
    throw new TrtdError("SOURCE_INVALID", `"${shown}" is plain http, which anybody on the way can change`, {
      remedy: `Use https:, or add "${url.hostname}" to the setting download_trusted_hosts`,
    });
  }
  url.hash = "";
  return { kind: "http", url, shown, identity: url.href, fileName: lastPart(decoded(url.pathname)), sha256 };
}

function storeSource(scheme: string, text: string, sha256: string | null, context: SourceContext): StoreSource {
  const store = storeOf(scheme, context.aliases, context.environment);
  if (store === null) {
    const known = Object.keys(context.aliases);
    throw new TrtdError("SOURCE_INVALID", `There is no alias "${shortText(scheme, 40)}" with an endpoint`, {
      remedy: `Add it to the setting aliases: {"${shortText(scheme, 40)}": {"endpoint": "https://HOST:9000", ` +
        `"bucket": "BUCKET"}}${known.length === 0 ? "" : `; there are ${known.join(", ")}`}`,
    });
  }
  const rest = text.slice(scheme.length + 1);
  const withBucket = rest.startsWith("//");
  const parts = rest.replace(/^\/\//, "").split("/");
  if (rest.startsWith("/") && !withBucket || parts.some((part) => BAD_PART.test(part))) {
    throw invalid(text, `is not ${scheme}:KEY or ${scheme}://BUCKET/KEY`);
  }
  const own = !withBucket && store.bucket !== null;
  const bucket = own ? store.bucket : parts.shift()!;
  if (parts.length === 0) {
    throw invalid(text, `names no object: the alias has no bucket, so the first part of the path is one`);
  }
  const url = objectUrl(store, bucket, `${own ? store.prefix : ""}${parts.join("/")}`);
  const shown = `${scheme}:${rest}`;
  return { kind: "store", store, url, shown, identity: `${shown} ${url.href}`, fileName: parts.at(-1)!, sha256 };
}

/** An address without user, query and fragment. Pure. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}${url.search === "" ? "" : "?..."}`;
}

/** Whether the settings name the host, by itself or with its port. Pure. */
export const isTrustedHost = (url: URL, trusted: readonly string[]): boolean =>
  trusted.some((host) => host.toLowerCase() === url.hostname || host.toLowerCase() === url.host);

const lastPart = (path: string): string => path.split("/").at(-1)!;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const invalid = (word: string, problem: string): TrtdError =>
  new TrtdError("SOURCE_INVALID", `"${shortText(word.replace(/[?#].*$/s, ""), 200)}" ${problem}`);
