/** What lies in a root: engines with their states, and side files. Reads metadata, but no engine. */
import { join } from "node:path";
import type { Entry } from "./entry.ts";
import { infoOf, namesIn } from "./disk/files.ts";
import { otherPair } from "./others.ts";
import { type Judge, type MetadataState, type PairPaths, readMetadata } from "./pair.ts";
import { type EnginePlace, filesIn } from "./place.ts";
import type { CacheRoot } from "./roots.ts";
import { slotPair } from "./tidy.ts";

/** A pair, or what is left of one. */
export interface ListedEngine extends PairPaths {
  readonly kind: "engine";
  /** `other`: of another key; `previous`: before the last build; `next`: not in its place yet. */
  readonly role: "current" | "previous" | "next" | "other";
  readonly root: CacheRoot;
  readonly model: string;
  /** Precision, batch and device as the folders tell them, such as `fp16/bs4`. */
  readonly where: string;
  /** Lock of the place. */
  readonly lock: string;
  /** Size of both files. */
  readonly bytes: number;
  /** When it was last used, milliseconds since 1970; null when unknown. */
  readonly usedMs: number | null;
  readonly entry: Entry | null;
  /** What is wrong as far as that shows without reading the engine, null for nothing. */
  readonly problem: string | null;
}

/** Something that may be lost: `.timing` and `.runtime` files, folders of `.quarantine`. */
export interface ListedOther {
  readonly kind: "timing" | "runtime" | "quarantine";
  readonly root: CacheRoot;
  readonly path: string;
  readonly bytes: number;
  readonly usedMs: number | null;
  /** Why it was set aside, null for side files. */
  readonly reason: string | null;
}

export type Listed = ListedEngine | ListedOther;

/** Folders below a model: precision, batch, device. */
const DEPTH_MAX = 3;

/** All that lies in a root, by path. */
export async function listRoot(root: CacheRoot, judge: Judge): Promise<Listed[]> {
  const found: Listed[] = [];
  for (const [folder, kind] of [[".timing", "timing"], [".runtime", "runtime"]] as const) {
    for (const name of await namesIn(join(root.path, folder))) {
      found.push(await listedFile(root, kind, join(root.path, folder, name)));
    }
  }
  for (const model of await namesIn(root.path)) {
    if (!model.startsWith(".")) await listPlaces(found, { root, model, names: [], judge });
  }
  return found;
}

interface Way {
  readonly root: CacheRoot;
  readonly model: string;
  /** Folders below the model's. */
  readonly names: readonly string[];
  readonly judge: Judge;
}

async function listPlaces(found: Listed[], way: Way): Promise<void> {
  const { root, model, names, judge } = way;
  const folder = join(root.path, model, ...names);
  const files = filesIn(folder, model);
  const place: EnginePlace = {
    ...files,
    root: root.path,
    site: { model, precision: names[0] ?? "", batch: Number(names[1]?.slice(2) ?? 0), device: names[2] ?? null },
  };
  for (const role of ["current", "previous", "next"] as const) {
    await addPair(found, slotPair(place, role), { place, root, where: names.join("/"), role, judge });
  }
  for (const name of await namesIn(place.others)) {
    await addPair(found, otherPair(place, name), { place, root, where: names.join("/"), role: "other", judge });
  }
  for (const name of await namesIn(place.quarantine)) {
    found.push(await listedQuarantine(root, join(place.quarantine, name)));
  }
  if (names.length === DEPTH_MAX) return;
  for (const name of await namesIn(folder)) {
    const info = name.startsWith(".") ? null : await infoOf(join(folder, name));
    if (info?.isDirectory) await listPlaces(found, { ...way, names: [...names, name] });
  }
}

interface PairFacts {
  readonly place: EnginePlace;
  readonly root: CacheRoot;
  readonly where: string;
  readonly role: ListedEngine["role"];
  readonly judge: Judge;
}

async function addPair(
  found: Listed[],
  pair: PairPaths,
  { place, root, where, role, judge }: PairFacts,
): Promise<void> {
  const [engine, metadata] = [await infoOf(pair.engine), await infoOf(pair.metadata)];
  if (engine === null && metadata === null) return;
  const read = await readMetadata(pair.metadata, judge);
  found.push({
    kind: "engine",
    role,
    ...{ engine: pair.engine, metadata: pair.metadata },
    root,
    model: place.site.model,
    where,
    lock: place.lock,
    bytes: (engine?.size ?? 0) + (metadata?.size ?? 0),
    usedMs: (metadata ?? engine)?.mtime?.getTime() ?? null,
    entry: read.state === "whole" ? read.entry : null,
    problem: problemOf(read, engine),
  });
}

function problemOf(read: MetadataState, engine: Deno.FileInfo | null): string | null {
  if (engine === null) return "The engine is missing";
  if (read.state === "other-format") return `The metadata has the format ${JSON.stringify(read.format)}`;
  if (read.state === "absent") return "The metadata is missing";
  if (read.state !== "whole") return read.detail;
  const { bytes } = read.entry.engine;
  return engine.size === bytes ? null : `The engine has ${engine.size} of ${bytes} bytes`;
}

async function listedFile(root: CacheRoot, kind: "timing" | "runtime", path: string): Promise<ListedOther> {
  const info = await infoOf(path);
  return { kind, root, path, bytes: info?.size ?? 0, usedMs: info?.mtime?.getTime() ?? null, reason: null };
}

async function listedQuarantine(root: CacheRoot, path: string): Promise<ListedOther> {
  let bytes = 0;
  for (const name of await namesIn(path)) bytes += (await infoOf(join(path, name)))?.size ?? 0;
  const usedMs = (await infoOf(path))?.mtime?.getTime() ?? null;
  return { kind: "quarantine", root, path, bytes, usedMs, reason: await reasonIn(path) };
}

async function reasonIn(path: string): Promise<string | null> {
  try {
    const { reason } = JSON.parse(await Deno.readTextFile(join(path, "reason.json"))) as { reason?: unknown };
    return typeof reason === "string" ? reason : null;
  } catch {
    return null;
  }
}
