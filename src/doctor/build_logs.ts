/** Logs and metadata of the last builds, for a report. */
import { join, relative } from "node:path";

export interface BuildFile {
  /** Path below the folder of engines. */
  readonly name: string;
  /** The whole text, or its beginning and end. */
  readonly text: string;
}

const NEWEST = 8;
/** A log's head says what was built on what; the end says why it failed. */
const HEAD_BYTES = 64 * 1024;
const TAIL_BYTES = 4 * 1024 * 1024;
const DEPTH = 5;

/** The newest logs and metadata files below `<models>/trt`; what cannot be read is left out. */
export async function lastBuildFiles(models: string): Promise<BuildFile[]> {
  const root = join(models, "trt");
  const found = await filesBelow(root, DEPTH);
  found.sort((a, b) => b.modified - a.modified || (a.path < b.path ? -1 : 1));
  const files: BuildFile[] = [];
  for (const { path } of found.slice(0, NEWEST)) {
    const text = await textOf(path).catch(() => null);
    if (text !== null) files.push({ name: relative(root, path), text });
  }
  return files;
}

async function filesBelow(folder: string, depth: number): Promise<{ path: string; modified: number }[]> {
  const found: { path: string; modified: number }[] = [];
  try {
    for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
      const path = join(folder, name);
      if (isDirectory && depth > 0) found.push(...await filesBelow(path, depth - 1));
      if (isFile && /\.(build\.log(\.1)?|engine\.json)$/.test(name)) {
        found.push({ path, modified: (await Deno.stat(path)).mtime?.getTime() ?? 0 });
      }
    }
  } catch {
    return found;
  }
  return found;
}

async function textOf(path: string): Promise<string> {
  using file = await Deno.open(path);
  const { size } = await file.stat();
  if (size <= HEAD_BYTES + TAIL_BYTES) return await readAt(file, 0, size);
  const head = await readAt(file, 0, HEAD_BYTES);
  const tail = await readAt(file, size - TAIL_BYTES, TAIL_BYTES);
  return `${head}\n[${size - HEAD_BYTES - TAIL_BYTES} bytes are left out here]\n${tail}`;
}

async function readAt(file: Deno.FsFile, at: number, length: number): Promise<string> {
  const bytes = new Uint8Array(length);
  await file.seek(at, Deno.SeekMode.Start);
  let read = 0;
  while (read < length) {
    const count = await file.read(bytes.subarray(read));
    if (count === null) break;
    read += count;
  }
  return new TextDecoder().decode(bytes.subarray(0, read));
}
