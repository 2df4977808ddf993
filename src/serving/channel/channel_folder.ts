/** A private folder for the socket between manager and worker. */
import { join } from "node:path";
import { ownedName } from "../ring/owned_name.ts";

/** Longest path of a Unix socket on Linux, less its closing zero (unix(7), `sun_path`). */
const MAX_SOCKET_PATH = 107;

export interface ChannelFolder {
  /** Path of a socket that does not exist yet. */
  readonly socket: string;
  /** Remove the folder; a connection that is made stays. Calling it twice is harmless. */
  remove(): void;
}

/** Folders that a socket may be in: `$XDG_RUNTIME_DIR`, the temporary folder, `/tmp`. */
export function channelParents(): string[] {
  const named = [Deno.env.get("XDG_RUNTIME_DIR"), Deno.env.get("TMPDIR")].filter((dir) =>
    dir !== undefined && dir !== ""
  );
  return [...new Set([...named as string[], "/tmp"])];
}

/** Make a folder that only this user can enter, in the first of {@link channelParents} that takes it. */
export function makeChannelFolder(): ChannelFolder {
  let failure: unknown = new Error("Every candidate's path is too long for a socket");
  for (const parent of channelParents()) {
    const folder = join(parent, ownedName("channel"));
    const socket = join(folder, "worker");
    if (new TextEncoder().encode(socket).length > MAX_SOCKET_PATH) continue;
    try {
      Deno.mkdirSync(folder, { mode: 0o700 });
      return { socket, remove: () => remove(folder) };
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
