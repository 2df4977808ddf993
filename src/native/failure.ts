/** Failed loads and failed unpacking as errors with a code. */

import { TrtdError } from "../errors.ts";
import { mountOf } from "./mounts.ts";

/** `NATIVE_LOAD_FAILED` for `library`, with the loader's own message. */
export function loadFailure(library: string, thrown: unknown): TrtdError {
  if (thrown instanceof TrtdError) return thrown;
  return new TrtdError("NATIVE_LOAD_FAILED", `Loading "${library}" failed: ${messageOf(thrown)}`, { cause: thrown });
}

/**
 * A failed use of the cache folder: `CACHE_FOLDER_UNUSABLE` that says whether it is read-only, full, not permitted or
 * something else.
 */
export function cacheFailure(path: string, thrown: unknown): TrtdError {
  if (thrown instanceof TrtdError) return thrown;
  return new TrtdError("CACHE_FOLDER_UNUSABLE", `The cache folder "${path}" ${reasonOf(thrown)}`, { cause: thrown });
}

/**
 * A library of the package `name` that lies unpacked at `path` and cannot be loaded: `CACHE_FOLDER_UNUSABLE` when that
 * file system is mounted noexec, else `NATIVE_LOAD_FAILED`.
 */
export function unpackedLoadFailure(name: string, path: string, thrown: unknown): TrtdError {
  if (!isNoexec(path, messageOf(thrown))) return loadFailure(name, thrown);
  const detail = `The cache folder is on a file system mounted noexec, so "${path}" cannot be loaded`;
  return new TrtdError("CACHE_FOLDER_UNUSABLE", detail, { cause: thrown });
}

/** Errno numbers of Linux, the same on x86_64 and aarch64 (asm-generic/errno.h). */
const REASONS: readonly { codes: readonly string[]; numbers: readonly number[]; reason: string }[] = [
  { codes: ["EROFS"], numbers: [30], reason: "is on a read-only file system" },
  { codes: ["EACCES", "EPERM"], numbers: [13, 1], reason: "is read-only for this user" },
  { codes: ["ENOSPC"], numbers: [28], reason: "is full: no space is left on the device" },
  { codes: ["EDQUOT"], numbers: [122], reason: "is full: this user's disk quota is used up" },
  { codes: ["ENOTDIR", "EEXIST"], numbers: [20, 17], reason: "is not a folder" },
];

function reasonOf(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | null)?.code;
  const message = messageOf(thrown);
  const number = Number(/os error (\d+)/.exec(message)?.[1]);
  const row = REASONS.find((row) => row.codes.includes(String(code)) || row.numbers.includes(number));
  return row?.reason ?? `cannot be used: ${message}`;
}

/** glibc says "failed to map segment" when the mount forbids executable pages; the mount's options decide. */
function isNoexec(path: string, message: string): boolean {
  try {
    const mount = mountOf(Deno.readTextFileSync("/proc/self/mountinfo"), Deno.realPathSync(path));
    if (mount !== null) return mount.options.has("noexec");
  } catch {
    // without /proc the loader's message is what remains
  }
  return message.includes("failed to map segment from shared object");
}

function messageOf(thrown: unknown): string {
  return (thrown instanceof Error ? thrown.message : String(thrown)).trim();
}
