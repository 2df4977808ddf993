/** The SHA-256 of a model file and facts read out of it, remembered for as long as the file cannot have changed. */
import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { TrtdError } from "../errors.ts";
import { hashOpened, makeFolder, openRegular, readHashed, writeWhole } from "./disk/files.ts";
import type { Json } from "./key.ts";
import { distrust, trustOf } from "./trust/trust.ts";

export interface ModelDigest<T extends Json = null> {
  /** Size of the file. */
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  /** What {@link Derivation.make} made of the file; null without one. */
  readonly derived: T;
  /** Whether all was known, so that the file was not read. */
  readonly remembered: boolean;
}

/** Facts of a file that are remembered with its digest. */
export interface Derivation<T extends Json> {
  /** What else the facts depend on, such as the version of trtd; what was made by another version is forgotten. */
  readonly version: string;
  /** Makes them of the file's bytes. What it throws goes to the caller, and nothing is remembered. */
  readonly make: (bytes: Uint8Array<ArrayBuffer>, sha256: string) => T;
}

export interface ModelDigestOptions<T extends Json = null> {
  /** Folder for what is remembered, which only this user may write; null: nothing is remembered. */
  readonly memoDir: string | null;
  /** @default none */
  readonly derive?: Derivation<T>;
  /** Hash whatever is remembered. @default false */
  readonly always?: boolean;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

/** What is remembered of a file. Times in milliseconds since 1970. */
export interface DigestMemo {
  readonly format: 1;
  readonly path: string;
  readonly size: number;
  readonly mtime: number;
  readonly ctime: number;
  readonly ino: number;
  readonly dev: number;
  /** When hashing began. */
  readonly hashed_at: number;
  readonly sha256: string;
  readonly derived: { readonly version: string; readonly value: Json } | null;
}

/** What tells whether a file is the one that was hashed. */
export type FileMark = Pick<DigestMemo, "path" | "size" | "mtime" | "ctime" | "ino" | "dev">;

/**
 * Clocks of file systems tick in steps, of a second and of two on FAT: a file that is changed within a step keeps its
 * times. Only what was old enough when it was hashed is remembered.
 */
const SETTLED_MS = 2000;
const ATTEMPTS = 3;
const MODE = { folder: 0o700, file: 0o600 };

/** Whether the memo is about the file as it is, and was made when the file was old enough. Pure. */
export function isStill(memo: DigestMemo, mark: FileMark, nowMs: number): boolean {
  const same = (["path", "size", "mtime", "ctime", "ino", "dev"] as const).every((field) =>
    memo[field] === mark[field]
  );
  return same && mark.mtime + SETTLED_MS <= memo.hashed_at && mark.ctime + SETTLED_MS <= memo.hashed_at &&
    // A clock that went back could give a later change the same times.
    memo.hashed_at <= nowMs;
}

/**
 * Size and digest of a file. 45 MB take about 60 ms, and under 5 ms when size, times, inode and device are what they were.
 * @throws {TrtdError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`
 */
export async function modelDigest<T extends Json = null>(
  path: string,
  options: ModelDigestOptions<T>,
): Promise<ModelDigest<T>> {
  const { memoDir, derive, always = false, now = Date.now } = options;
  const absolute = resolve(path);
  const memoPath = memoDir === null ? null : join(memoDir, `${nameOf(absolute)}.json`);
  using file = await opened(absolute);
  const memo = memoPath === null || always ? null : await readMemo(memoPath);
  if (memo !== null && isStill(memo, await markOf(absolute, file), now())) {
    const { size: bytes, sha256, derived } = memo;
    if (derive === undefined) return { bytes, sha256, derived: null as T, remembered: true };
    if (derived?.version === derive.version) return { bytes, sha256, derived: derived.value as T, remembered: true };
  }
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const hashedAt = now();
    const mark = await markOf(absolute, file);
    const { bytes, sha256 } = await readAll(absolute, { file, size: mark.size, keep: derive !== undefined });
    if (JSON.stringify(await markOf(absolute, file)) !== JSON.stringify(mark)) continue;
    const value = derive?.make(bytes!, sha256);
    const derived = derive === undefined ? null : { version: derive.version, value: value! };
    if (memoPath !== null && !Number.isNaN(mark.ino)) {
      await remember(memoPath, { format: 1, ...mark, hashed_at: hashedAt, sha256, derived });
    }
    return { bytes: mark.size, sha256, derived: (value ?? null) as T, remembered: false };
  }
  throw new TrtdError("FILE_UNREADABLE", `"${path}" changes while it is read`);
}

async function opened(path: string): Promise<Deno.FsFile> {
  // To open a pipe would wait for somebody who writes into it.
  refuseOther(path, await readable(path, () => Deno.stat(path)));
  return await readable(path, () => Deno.open(path, { read: true }));
}

/** @param keep also the bytes, not only their digest */
async function readAll(
  path: string,
  { file, size, keep }: { file: Deno.FsFile; size: number; keep: boolean },
): Promise<{ bytes: Uint8Array<ArrayBuffer> | null; sha256: string }> {
  return await readable(path, async () => {
    await file.seek(0, Deno.SeekMode.Start);
    return keep ? await readHashed({ file, info: { size } }, path) : { ...await hashOpened({ file }), bytes: null };
  });
}

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

const nameOf = (path: string): string => digest(path).slice(0, 32);

async function markOf(path: string, file: Deno.FsFile): Promise<FileMark> {
  const info = await readable(path, () => statOf(path, file));
  refuseOther(path, info);
  const { size, mtime, ctime, ino, dev } = info;
  return { path, size, mtime: mtime?.getTime() ?? NaN, ctime: ctime?.getTime() ?? NaN, ino: ino ?? NaN, dev };
}

function refuseOther(path: string, { isFile, isDirectory }: Deno.FileInfo): void {
  if (isFile) return;
  throw new TrtdError("FILE_UNREADABLE", `"${path}" is ${isDirectory ? "a folder" : "not a regular file"}`);
}

/** A file inside a compiled trtd cannot be asked by its descriptor; it has no inode, so nothing of it is remembered. */
async function statOf(path: string, file: Deno.FsFile): Promise<Deno.FileInfo> {
  try {
    return await file.stat();
  } catch (error) {
    if (error instanceof Deno.errors.NotSupported) return await Deno.stat(path);
    throw error;
  }
}

async function readable<T>(path: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) throw new TrtdError("FILE_NOT_FOUND", `"${path}" does not exist`);
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new TrtdError("FILE_UNREADABLE", `Cannot read "${path}": ${reason}`, { cause: thrown });
  }
}

/** What is remembered; null for anything that this user did not write so. */
async function readMemo(path: string): Promise<DigestMemo | null> {
  try {
    using opened = await openRegular(path);
    if (distrust(path, opened.info, trustOf()) !== null) return null;
    const text = new TextDecoder().decode((await readHashed(opened, path)).bytes);
    const [memo, check] = JSON.parse(text) as [DigestMemo, string];
    return memo.format === 1 && check === digest(JSON.stringify(memo)) ? memo : null;
  } catch {
    return null;
  }
}

/** Forgetting costs time only, so a folder that cannot be written is no failure. */
async function remember(path: string, memo: DigestMemo): Promise<void> {
  try {
    await makeFolder(join(path, ".."), MODE.folder);
    const text = JSON.stringify(memo);
    await writeWhole(path, `[${text},"${digest(text)}"]\n`, MODE.file);
  } catch {
    // See above.
  }
}
