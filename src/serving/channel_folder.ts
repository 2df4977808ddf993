/** A private folder for the socket between manager and worker. */
import { join } from "node:path";

/** Longest path of a Unix socket on Linux, less its closing zero (unix(7), `sun_path`). */
const MAX_SOCKET_PATH = 107;

export interface ChannelFolder {
  /** Path of a socket that does not exist yet. */
  readonly socket: string;
  /** Remove the folder; a connection that is made stays. Calling it twice is harmless. */
  remove(): void;
}

/** Make a folder that only this user can enter, in the first of `$XDG_RUNTIME_DIR`, the temporary folder and `/tmp`. */
export function makeChannelFolder(): ChannelFolder {
  const runtime = Deno.env.get("XDG_RUNTIME_DIR");
  const parents = [...(runtime ? [runtime] : []), undefined, "/tmp"];
  let failure: unknown = new Error("Every candidate's path is too long for a socket");
  for (const dir of parents) {
    try {
      const folder = Deno.makeTempDirSync({ prefix: "trtd-", ...(dir === undefined ? {} : { dir }) });
      const socket = join(folder, "worker");
      if (new TextEncoder().encode(socket).length <= MAX_SOCKET_PATH) {
        Deno.chmodSync(folder, 0o700);
        return { socket, remove: () => remove(folder) };
      }
      remove(folder);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function remove(folder: string): void {
  try {
    Deno.removeSync(folder, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
