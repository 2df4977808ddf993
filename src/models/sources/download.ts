/** From a source to a part that is whole: resumed, tried again, and given up in time. */
import { statfs } from "node:fs/promises";
import { TrtdError } from "../../errors.ts";
import type { Answer } from "./connection.ts";
import { diskFailure, isDiskError, isTransient, statusFailure } from "./failure.ts";
import type { Part, PartFacts } from "./part.ts";
import type { Remote } from "./remote.ts";

export interface DownloadLimits {
  /** Most bytes of the file. */
  readonly bytesMax: number;
  /** Time for all of it, with every attempt. */
  readonly timeoutMs: number;
  /** Attempts in a row that bring no byte before it is given up. @default 5 */
  readonly attempts?: number;
  /** Wait after the first failure; it doubles up to 30 s. @default 500 */
  readonly backoffMs?: number;
}

export interface DownloadProgress {
  readonly bytes: number;
  /** Null when the server does not say. */
  readonly total: number | null;
  /** Bytes that were there before. */
  readonly resumedFrom: number;
}

export interface DownloadWatch {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Told before another attempt. */
  readonly onRetry?: (error: TrtdError, delayMs: number) => void;
}

const ATTEMPTS = 5;
const BACKOFF_MS = 500;
const BACKOFF_MAX_MS = 30_000;
/** Times that the file may change on the server, or a server spoil a request for the rest. */
const RESTARTS_MAX = 2;
/** More attempts than any sane download needs; each of them brought a byte. */
const ATTEMPTS_IN_ALL = 1000;
/** Room that is left for the manifest and the file system's own records. */
const SPARE_BYTES = 1_048_576;
const ERROR_BODY_BYTES_MAX = 16_384;

/** The bytes so far do not belong to what the server has now. */
class Restart extends Error {}

/**
 * Fills the part.
 * @returns how many bytes were there before, and are part of the file
 * @throws {TrtdError} `DOWNLOAD_*`, `MODEL_TOO_LARGE`, `DISK_FULL`, `OUTPUT_UNWRITABLE`, `FILE_NOT_FOUND`,
 * `FILE_UNREADABLE`, and the signal's reason. The part stays for the next process where that can go on.
 */
export async function download(
  remote: Remote,
  part: Part,
  limits: DownloadLimits,
  watch: DownloadWatch,
): Promise<{ readonly resumedFrom: number }> {
  const there = { bytes: part.bytes, beginnings: part.beginnings };
  const resumedFrom = () => part.beginnings === there.beginnings ? there.bytes : 0;
  const { attempts = ATTEMPTS, backoffMs = BACKOFF_MS } = limits;
  using clock = deadline(limits.timeoutMs, remote.shown, watch.signal);
  let restarts = 0;
  let fruitless = 0;
  for (let attempt = 0; attempt < ATTEMPTS_IN_ALL; attempt++) {
    const before = part.bytes;
    try {
      await once(remote, part, limits, { ...watch, signal: clock.signal, resumedFrom });
      return { resumedFrom: resumedFrom() };
    } catch (thrown) {
      if (clock.signal.aborted) throw clock.signal.reason;
      if (thrown instanceof Restart) {
        if (++restarts > RESTARTS_MAX) throw invalid(remote, `the answers do not fit together: ${thrown.message}`);
        await onDisk(part, () => part.reset());
        continue;
      }
      if (!isTransient(thrown)) throw thrown;
      fruitless = part.bytes > before ? 0 : fruitless + 1;
      if (fruitless >= attempts) throw thrown;
      const asked = ((thrown as TrtdError).retryAfterS ?? 0) * 1000;
      const delayMs = Math.min(BACKOFF_MAX_MS, Math.max(asked, backoffMs * 2 ** Math.max(0, fruitless - 1)));
      watch.onRetry?.(thrown as TrtdError, delayMs);
      await pause(delayMs, clock.signal);
    }
  }
  throw invalid(remote, "the connection ends again and again");
}

async function once(
  remote: Remote,
  part: Part,
  { bytesMax }: DownloadLimits,
  { signal, onProgress, resumedFrom }: DownloadWatch & { readonly resumedFrom: () => number },
): Promise<void> {
  const { bytes: from, facts: before } = part;
  if (from > 0 && !part.resumable) throw new Restart("the server cannot go on in the middle");
  if (from > 0 && from === before.total) return;
  const answer = await remote.open(from === 0 ? null : { from, validator: before.validator }, signal);
  try {
    const facts = await factsOf(answer, remote, part);
    const { total } = facts;
    if (total !== null && total > bytesMax) throw tooLarge(remote, total, bytesMax);
    await refuseFullDisk(part, total);
    await onDisk(part, () => part.describe(facts));
    onProgress?.({ bytes: part.bytes, total, resumedFrom: resumedFrom() });
    for await (const chunk of answer.body) {
      signal.throwIfAborted();
      if (part.bytes + chunk.length > bytesMax) throw tooLarge(remote, part.bytes + chunk.length, bytesMax);
      if (total !== null && part.bytes + chunk.length > total) throw invalid(remote, `more than ${total} bytes came`);
      await onDisk(part, () => part.append(chunk));
      onProgress?.({ bytes: part.bytes, total, resumedFrom: resumedFrom() });
    }
    signal.throwIfAborted();
    if (total !== null && part.bytes < total) {
      throw new TrtdError(
        "DOWNLOAD_TRUNCATED",
        `Cannot download "${remote.shown}": only ${part.bytes} of ${total} bytes came`,
      );
    }
  } finally {
    answer.close();
  }
}

/** What the answer says of the file, when it brings the bytes that are missing. */
async function factsOf(answer: Answer, remote: Remote, part: Part): Promise<PartFacts> {
  const { status } = answer;
  const { bytes: from, facts: before } = part;
  if (status === 416 && from > 0) throw new Restart("the file has become shorter");
  if (status !== 200 && status !== 206) {
    const said = await saidBy(answer);
    throw statusFailure(status, remote.shown, { said, retryAfter: answer.header("retry-after") });
  }
  const coding = answer.header("content-encoding");
  if (coding !== null && coding.toLowerCase() !== "identity") {
    throw invalid(remote, `the host compresses the file though it was told not to`);
  }
  const validator = validatorOf(answer);
  const length = lengthOf(answer.header("content-length"));
  const range = answer.header("content-range");
  if (status === 200 && range === null) {
    if (from > 0) await onDisk(part, () => part.reset());
    return { validator, total: length };
  }
  const [, start, end, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(range ?? "")?.map(Number) ?? [];
  if (from === 0) throw invalid(remote, "the answer is a part of the file, the whole was asked for");
  if (status === 200) throw new Restart("a part of the file is called the whole");
  if (start !== from || end === undefined || end + 1 !== total) {
    throw new Restart("another part came than was asked for");
  }
  if (before.total !== null && total !== before.total) throw new Restart("the file has another size now");
  // Some servers do not look at If-Range.
  if (before.validator !== null && validator !== null && validator !== before.validator) {
    throw new Restart("the file has changed");
  }
  if (length !== null && length !== total - from) throw invalid(remote, "Content-Length and Content-Range differ");
  return { validator: before.validator ?? validator, total };
}

/** A strong ETag, else the date: RFC 9110, 13.1.5. */
function validatorOf(answer: Answer): string | null {
  const etag = answer.header("etag");
  if (etag !== null && /^"[\x21\x23-\x7e]{1,256}"$/.test(etag)) return etag;
  const date = answer.header("last-modified");
  return date !== null && date.length <= 64 && !Number.isNaN(Date.parse(date)) ? date : null;
}

function lengthOf(text: string | null): number | null {
  const length = text !== null && /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(length) ? length : null;
}

/** The error code in the body of S3; nothing else of it, since bodies repeat what they were sent. */
async function saidBy(answer: Answer): Promise<string | null> {
  let text = "";
  const decoder = new TextDecoder();
  try {
    for await (const chunk of answer.body) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > ERROR_BODY_BYTES_MAX) break;
    }
  } catch {
    // The status alone says enough.
  }
  return /<Code>([A-Za-z]{1,64})<\/Code>/.exec(text)?.[1] ?? null;
}

/** @throws {TrtdError} `DISK_FULL` when the rest cannot fit */
async function refuseFullDisk(part: Part, total: number | null): Promise<void> {
  if (total === null) return;
  const free = await statfs(part.path).then(({ bavail, bsize }) => bavail * bsize, () => Infinity);
  const needed = total - part.bytes + Math.min(SPARE_BYTES, total);
  if (free >= needed) return;
  throw new TrtdError(
    "DISK_FULL",
    `"${part.path}" needs ${needed} more bytes, and the disk has ${free}`,
  );
}

async function onDisk<T>(part: Part, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (thrown) {
    throw isDiskError(thrown) || thrown instanceof Deno.errors.NotFound ? diskFailure(thrown, part.path) : thrown;
  }
}

const tooLarge = ({ shown }: Remote, bytes: number, bytesMax: number): TrtdError =>
  new TrtdError("MODEL_TOO_LARGE", `"${shown}" has ${bytes} bytes or more, the limit is ${bytesMax}`);

const invalid = ({ shown }: Remote, problem: string): TrtdError =>
  new TrtdError("DOWNLOAD_INVALID", `Cannot download "${shown}": ${problem}`);

/** A signal that ends with the caller's, or with the time. */
function deadline(ms: number, shown: string, signal: AbortSignal): { readonly signal: AbortSignal } & Disposable {
  const over = new AbortController();
  const timer = setTimeout(
    () => over.abort(new TrtdError("DOWNLOAD_TIMED_OUT", `The download of "${shown}" took longer than ${ms / 1000} s`)),
    ms,
  );
  return { signal: AbortSignal.any([signal, over.signal]), [Symbol.dispose]: () => clearTimeout(timer) };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}
