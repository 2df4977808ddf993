/** Removes from the folder of unpacked libraries what no process needs any more. */

import { join } from "node:path";
import { isOurs } from "./cache_folder.ts";

/** Folders of other versions are kept this long after their last use, in milliseconds. */
const KEEP_MS = 7 * 24 * 3600 * 1000;

const DIGEST = /^[0-9a-f]{64}$/;
const PART = /^(\d+)-[0-9a-f]{8}\.part$/;

/** Name of a half-written file of this process in its digest's folder. */
export function partName(random: string): string {
  return `${Deno.pid}-${random}.part`;
}

/**
 * Marks `native/<digest>` as used now; removes half-written files of processes that ended and the folders of other
 * versions that nobody used for a week. Only names that trtd makes, owned by this user, are touched, and a failure is
 * no reason not to start: a running process keeps the files it has open.
 */
export function removeLeftovers(native: string, digest: string, now: Date): void {
  quietly(() => Deno.utimeSync(join(native, digest), now, now));
  for (const name of names(join(native, digest))) {
    const pid = PART.exec(name)?.[1];
    if (pid !== undefined && !isAlive(pid)) removeOurs(join(native, digest, name), () => true);
  }
  for (const name of names(native)) {
    if (name === digest || !DIGEST.test(name)) continue;
    removeOurs(
      join(native, name),
      (info) => info.isDirectory && now.getTime() - (info.mtime?.getTime() ?? 0) > KEEP_MS,
    );
  }
}

function isAlive(pid: string): boolean {
  try {
    Deno.lstatSync(`/proc/${pid}`);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

function removeOurs(path: string, condition: (info: Deno.FileInfo) => boolean): void {
  quietly(() => {
    const info = Deno.lstatSync(path);
    if (isOurs(info) && condition(info)) Deno.removeSync(path, { recursive: info.isDirectory });
  });
}

function names(folder: string): string[] {
  return quietly(() => [...Deno.readDirSync(folder)].map((entry) => entry.name)) ?? [];
}

function quietly<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
