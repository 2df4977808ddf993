/** Makes engines of a cache ones that nobody has loaded yet, as if they came from a machine without a GPU. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { entryText, readEntry } from "../../../src/cache/entry.ts";
import { filesUnder } from "../../tensorrt/build/fake_build.ts";

/** Metadata files in a folder of engines, relative to it. */
export const metadataUnder = (engines: string): string[] =>
  filesUnder(engines).filter((file) => file.endsWith(".engine.json"));

/** Take out of the only engine's metadata that it was ever loaded. */
export async function forgetLoads(engines: string): Promise<void> {
  const files = metadataUnder(engines);
  assert.equal(files.length, 1, files.join());
  const path = join(engines, files[0]!);
  const read = readEntry(await Deno.readTextFile(path), null);
  assert.equal(read.state, "whole");
  const { key, engine, facts } = read.entry;
  const { verified: _, loaded_on: __, ...others } = facts;
  await Deno.writeTextFile(path, entryText({ key, engine, facts: { ...others, loaded: null } }, null));
}
