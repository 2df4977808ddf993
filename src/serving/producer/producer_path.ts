/** Where local producers connect: a socket in a folder that this user alone may enter. */
import { dirname } from "node:path";
import { TrtdError } from "../../errors.ts";

/**
 * Listen where only this user may connect: the kernel asks for write permission on the socket. The folder is made where
 * it is missing, and what a dead server left at the path is removed.
 * @throws {TrtdError} `ADDRESS_UNAVAILABLE` when something lives there, the folder is open to others, or the path cannot be used
 */
export async function listenPrivately(path: string): Promise<PrivateListener> {
  try {
    await checkFolder(dirname(path));
    await removeDead(path);
    const before = Deno.umask(0o177);
    try {
      return new PrivateListener(Deno.listen({ transport: "unix", path }), path);
    } finally {
      Deno.umask(before);
    }
  } catch (cause) {
    if (cause instanceof TrtdError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw unavailable(`Cannot listen at "${path}": ${why}`, cause);
  }
}

/** A listener whose socket file goes with it. */
export class PrivateListener {
  readonly #listener: Deno.UnixListener;
  readonly #path: string;
  readonly #inode: number | null;

  constructor(listener: Deno.UnixListener, path: string) {
    this.#listener = listener;
    this.#path = path;
    this.#inode = inodeOf(path);
  }

  /** The next connection. @throws {Error} once it is closed, or when this process has too many open files */
  accept(): Promise<Deno.UnixConn> {
    return this.#listener.accept();
  }

  /** Calling it twice is harmless. */
  close(): void {
    try {
      this.#listener.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
      return;
    }
    // What another process has put there since is left alone.
    if (this.#inode !== null && inodeOf(this.#path) === this.#inode) Deno.removeSync(this.#path);
  }
}

function inodeOf(path: string): number | null {
  try {
    return Deno.lstatSync(path).ino;
  } catch {
    return null;
  }
}

const unavailable = (detail: string, cause?: unknown) =>
  new TrtdError("ADDRESS_UNAVAILABLE", detail, {
    cause,
    remedy: "Set producer_socket to a path of at most 107 bytes in a folder that does not exist yet or has mode 0700",
  });

async function checkFolder(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const { isDirectory, uid, mode } = await Deno.stat(folder);
  if (!isDirectory) throw unavailable(`"${folder}" is no folder`);
  if (uid !== Deno.uid()) throw unavailable(`The folder "${folder}" belongs to another user`);
  const others = (mode ?? 0) & 0o077;
  if (others !== 0) {
    throw unavailable(`The folder "${folder}" is open to others, its mode is 0${((mode ?? 0) & 0o777).toString(8)}`);
  }
}

/** Remove a socket file at which nobody listens. */
async function removeDead(path: string): Promise<void> {
  const info = await Deno.lstat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  });
  if (info === null) return;
  if (info.isSocket !== true) throw unavailable(`"${path}" is there and is no socket`);
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    return await Deno.remove(path);
  }
  throw unavailable(`Another process listens at "${path}"`);
}
