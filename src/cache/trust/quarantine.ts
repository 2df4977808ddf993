/** `.quarantine/<when>-<id>/`: files that must never be loaded, with the reason. */
import { basename, join } from "node:path";
import { VERSION } from "../../version.ts";
import { infoOf, makeFolder, removeTree, rename, syncFolder, writeWhole } from "../disk/files.ts";
import type { EnginePlace } from "../place.ts";
import type { Keeper } from "../remark.ts";

/** Folders that stay in one place; the oldest go. */
const KEPT = 8;

/** Moves files of the place away; those that are not there are left out. */
export async function setAside(
  { folder, quarantine }: Pick<EnginePlace, "folder" | "quarantine">,
  { files, reason }: { readonly files: readonly string[]; readonly reason: string },
  { now, remark }: Keeper,
): Promise<void> {
  const at = new Date(now()).toISOString();
  const away = join(quarantine, `${at.replace(/[-:]|\.\d+/g, "")}-${crypto.randomUUID().slice(0, 8)}`);
  await makeFolder(away);
  const moved: string[] = [];
  for (const file of files) {
    if (await infoOf(file) === null) continue;
    await rename(file, join(away, basename(file)));
    moved.push(basename(file));
  }
  await syncFolder(folder);
  remark({
    code: "set-aside",
    text: `Set ${moved.map((name) => `"${name}"`).join(" and ")} aside: ${reason}`,
    path: away,
  });
  await writeWhole(
    join(away, "reason.json"),
    `${JSON.stringify({ format: 1, at, reason, files: moved, trtd: VERSION })}\n`,
  );
  await forgetOldest(quarantine);
}

async function forgetOldest(quarantine: string): Promise<void> {
  const folders = (await Array.fromAsync(Deno.readDir(quarantine))).map(({ name }) => name).sort();
  for (const name of folders.slice(0, Math.max(0, folders.length - KEPT))) await removeTree(join(quarantine, name));
}
