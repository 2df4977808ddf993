/**
 * The kernel lock of a place, held by the process that builds or moves files there.
 *
 * It is `flock` on a file that is never removed: a process that dies frees it by dying. Its text names the owner, for
 * messages only. A waiting `lock()` cannot be cancelled and `tryLock` is missing before Deno 2.9, so a wait is given up
 * by closing the file: the operation stays behind on a thread of the pool, the kernel grants it the lock some day, and
 * the last reference to the closed file goes with its end, which frees the lock at once. Both versions were seen to do so.
 */
import { TrtdError } from "../../errors.ts";
import { faultPoint } from "../disk/fault.ts";
import { infoOf, writeAll } from "../disk/files.ts";
import { type LockOwner, type OwnerState, ownerState, ownerText, readOwner, thisProcess } from "./lock_owner.ts";

export interface LockWait {
  /** Null when the text of the lock does not name anybody. */
  readonly owner: LockOwner | null;
  readonly state: OwnerState;
  readonly waitedMs: number;
}

export interface WaitOptions {
  /** Milliseconds after which waiting ends in `ENGINE_LOCKED`. @default 7200000 */
  readonly limitMs?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
  /** Told when waiting begins, when the owner or its state changes, and once a minute. */
  readonly onWait?: (wait: LockWait) => void;
}

const LIMIT_MS = 7_200_000;
const FIRST_LOOK_MS = 50;
const LOOK_MS = 500;
const TELL_MS = 60_000;

/** A lock that is held; disposing frees it. */
export interface HeldLock extends AsyncDisposable {
  readonly path: string;
}

/**
 * Takes the lock, waiting for whoever holds it.
 * @throws {TrtdError} `ENGINE_LOCKED` at the time limit, `INTERRUPTED` by the signal
 */
export async function acquireLock(path: string, options: WaitOptions = {}): Promise<HeldLock> {
  const started = performance.now();
  for (;;) {
    const file = await openLockFile(path);
    let ours = false;
    try {
      await lockWithin(file, path, options, started);
      ours = (await infoOf(path))?.ino === (await file.stat()).ino;
      if (ours) await writeOwner(file, path);
    } catch (error) {
      closeQuietly(file);
      throw error;
    }
    if (ours) {
      return {
        path,
        async [Symbol.asyncDispose]() {
          await file.truncate(0).catch(() => {});
          closeQuietly(file);
        },
      };
    }
    closeQuietly(file);
  }
}

/** Takes the lock if that takes no longer than `limitMs`. @returns null when somebody has it */
export async function tryAcquireLock(path: string, limitMs: number): Promise<HeldLock | null> {
  try {
    return await acquireLock(path, { limitMs });
  } catch (error) {
    if (error instanceof TrtdError && error.code === "ENGINE_LOCKED") return null;
    throw error;
  }
}

async function openLockFile(path: string): Promise<Deno.FsFile> {
  faultPoint("create", path);
  return await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
}

async function lockWithin(
  file: Deno.FsFile,
  path: string,
  { limitMs = LIMIT_MS, signal, onWait }: WaitOptions,
  started: number,
): Promise<void> {
  faultPoint("lock", path);
  let done = false;
  const granted = file.lock(true).then(() => void (done = true));
  granted.catch(() => {});
  let told = "";
  let toldAt = -Infinity;
  for (let look = FIRST_LOOK_MS;; look = LOOK_MS) {
    signal?.aborted && interrupted(path);
    const waited = performance.now() - started;
    await settled(granted, { timeoutMs: Math.max(0, Math.min(look, limitMs - waited)), signal });
    if (done) return;
    const waitedMs = Math.round(performance.now() - started);
    if (waitedMs < limitMs && onWait === undefined) continue;
    const owner = await readOwner(path);
    const state = owner === null ? "unknown" : await ownerState(owner);
    if (waitedMs >= limitMs) throw locked(path, { owner, state, waitedMs });
    const news = `${owner?.pid} ${owner?.since} ${state}`;
    if (news !== told || waitedMs - toldAt >= TELL_MS) {
      onWait?.({ owner, state, waitedMs });
      told = news;
      toldAt = waitedMs;
    }
  }
}

/** Resolves when the promise does, or the time is over, or the signal comes; rejects only with the promise. */
async function settled(
  promise: Promise<void>,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal | undefined },
): Promise<void> {
  const over = Promise.withResolvers<void>();
  const end = () => over.resolve();
  const timer = setTimeout(end, timeoutMs);
  signal?.addEventListener("abort", end);
  try {
    await Promise.race([promise, over.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}

function interrupted(path: string): never {
  throw new TrtdError("INTERRUPTED", `Waiting for "${path}" was interrupted`);
}

function locked(path: string, { owner, state, waitedMs }: LockWait): TrtdError {
  const who = owner === null ? "another process" : ownerText(owner);
  const waited = `after ${(waitedMs / 1000).toFixed(1)} s`;
  if (state === "stopped") {
    return new TrtdError("ENGINE_LOCKED", `${who} still holds "${path}" ${waited}, and is stopped`, {
      remedy: `Let it go on with "kill -CONT ${owner!.pid}", or end it with "kill ${owner!.pid}"`,
    });
  }
  return new TrtdError("ENGINE_LOCKED", `${who} still holds "${path}" ${waited}`);
}

async function writeOwner(file: Deno.FsFile, path: string): Promise<void> {
  await file.truncate(0);
  await file.seek(0, Deno.SeekMode.Start);
  await writeAll(file, new TextEncoder().encode(`${JSON.stringify(await thisProcess())}\n`), path);
}

function closeQuietly(file: Deno.FsFile): void {
  try {
    file.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** Locks that Deno 2.9 knows and 2.6 does not. */
type TryLock = { tryLock?(exclusive?: boolean): Promise<boolean> };

const IN_USE_MS = 30;

/**
 * Takes an engine that no process holds as in use, so that it can be removed: those that do have a shared lock on the
 * file, and an exclusive one is not granted then. A file that cannot be opened is not in use.
 * @returns null when it is in use
 */
export async function claimUnused(path: string): Promise<Disposable | null> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true });
  } catch {
    return { [Symbol.dispose]: () => {} };
  }
  let granted = false;
  try {
    const { tryLock } = file as TryLock;
    if (tryLock !== undefined) granted = await tryLock.call(file, true);
    else {
      const wait = file.lock(true).then(() => void (granted = true));
      wait.catch(() => {});
      await settled(wait, { timeoutMs: IN_USE_MS, signal: undefined });
    }
  } finally {
    if (!granted) closeQuietly(file);
  }
  return granted ? { [Symbol.dispose]: () => closeQuietly(file) } : null;
}
