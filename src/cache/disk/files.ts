/** The file layer of the cache: each change of the disk goes through it, and through the hook of {@link faultPoint}. */
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { TrtdError } from "../../errors.ts";
import { faultPoint, nextFault, raiseFault } from "./fault.ts";

/** Mode of folders and files that others may read and nobody else may write. */
const FOLDER_MODE = 0o755;
const FILE_MODE = 0o644;
const CHUNK_BYTES = 4_194_304;

/** A file of the cache that is not what it should be, or that cannot be read; the message says why. */
export class UnusableFile extends Error {
  override readonly name = "UnusableFile";

  constructor(readonly state: "absent" | "damaged" | "untrusted" | "unreadable", detail: string) {
    super(detail);
  }
}

/** Whether an error says that nothing can be written there, which another folder would mend. */
export function isReadOnly(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return error instanceof Deno.errors.PermissionDenied || code === "EROFS" || code === "EACCES" || code === "EPERM";
}

/** Turns errors of the file layer into failures with a code. @throws {TrtdError} `OUTPUT_UNWRITABLE` */
export async function withCode<T>(path: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (thrown) {
    if (thrown instanceof TrtdError) throw thrown;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new TrtdError("OUTPUT_UNWRITABLE", `Cannot write "${path}": ${reason}`, { cause: thrown });
  }
}

/** Makes a folder and those above it; what is there already stays as it is. */
export async function makeFolder(path: string, mode = FOLDER_MODE): Promise<void> {
  if (await infoOf(path) !== null) return;
  await makeFolder(dirname(path), mode);
  faultPoint("mkdir", path);
  try {
    await Deno.mkdir(path, { mode });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  await syncFolder(dirname(path));
}

/** What `lstat` says, null when there is nothing. */
export async function infoOf(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return null;
    throw error;
  }
}

/** Names in a folder; none when it does not exist or cannot be read. */
export async function namesIn(path: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
  } catch {
    return [];
  }
}

/** Writes a file whole or not at all: a temporary file in the same folder, fsync, rename, fsync of the folder. */
export async function writeWhole(path: string, text: string, mode = FILE_MODE): Promise<void> {
  const part = `${path}.${crypto.randomUUID()}.part`;
  try {
    await writeNew(part, new TextEncoder().encode(text), mode);
    await rename(part, path);
  } catch (error) {
    await removeIfThere(part).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Writes and syncs a file that must not exist. */
export async function writeNew(path: string, bytes: Uint8Array, mode = FILE_MODE): Promise<void> {
  faultPoint("create", path);
  using file = await Deno.open(path, { write: true, createNew: true, mode });
  await writeAll(file, bytes, path);
  faultPoint("fsync", path);
  await file.sync();
}

/** Writes all bytes at the file's position. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array, path: string): Promise<void> {
  const kind = nextFault();
  const wanted = kind === null ? bytes : bytes.subarray(0, bytes.length >> 1);
  for (let at = 0; at < wanted.length;) at += await file.write(wanted.subarray(at));
  if (kind !== null) raiseFault(kind, "write", path);
}

/** Makes sure that the bytes of a file that somebody else wrote are on the disk, and that only its owner can write it. */
export async function secureFile(path: string): Promise<void> {
  using file = await Deno.open(path, { read: true });
  const mode = (await file.stat()).mode ?? 0;
  if ((mode & 0o022) !== 0) {
    faultPoint("chmod", path);
    await Deno.chmod(path, mode & 0o755);
  }
  faultPoint("fsync", path);
  await file.sync();
}

export async function syncFolder(path: string): Promise<void> {
  faultPoint("fsync", path);
  using folder = await Deno.open(path, { read: true });
  await folder.sync();
}

export async function rename(from: string, to: string): Promise<void> {
  faultPoint("rename", from);
  await Deno.rename(from, to);
}

/** A second name for a file. @throws {Deno.errors.AlreadyExists} */
export async function link(from: string, to: string): Promise<void> {
  faultPoint("link", to);
  await Deno.link(from, to);
}

/** Removes a file or link; one that is not there is fine. */
export async function removeIfThere(path: string): Promise<void> {
  if (await infoOf(path) === null) return;
  faultPoint("unlink", path);
  await ignoringMissing(Deno.remove(path));
}

/** Removes a folder with all that it holds; one that is not there is fine. */
export async function removeTree(path: string): Promise<void> {
  if (await infoOf(path) === null) return;
  faultPoint("unlink", path);
  await ignoringMissing(Deno.remove(path, { recursive: true }));
}

async function ignoringMissing(removal: Promise<void>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** A file that was opened and is what its name stands for. */
export interface OpenedFile extends Disposable {
  readonly file: Deno.FsFile;
  /** Of the opened file itself. */
  readonly info: Deno.FileInfo;
}

/**
 * Opens a regular file and never a link.
 * @throws {UnusableFile}
 */
export async function openRegular(path: string): Promise<OpenedFile> {
  try {
    const named = await Deno.lstat(path);
    if (named.isSymlink) throw new UnusableFile("untrusted", `"${path}" is a link`);
    if (!named.isFile) throw new UnusableFile("damaged", `"${path}" is not a regular file`);
    const file = await Deno.open(path, { read: true });
    const info = await file.stat();
    if (info.dev !== named.dev || info.ino !== named.ino) {
      file.close();
      throw new UnusableFile("unreadable", `"${path}" changed while it was opened`);
    }
    return { file, info, [Symbol.dispose]: () => file.close() };
  } catch (error) {
    if (error instanceof UnusableFile) throw error;
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      throw new UnusableFile("absent", `"${path}" does not exist`);
    }
    throw new UnusableFile("unreadable", `Cannot read "${path}": ${error instanceof Error ? error.message : error}`);
  }
}

/** The bytes of an opened file and their SHA-256, read once from its beginning. @throws {UnusableFile} */
export async function readHashed(
  { file, info }: { readonly file: Deno.FsFile; readonly info: Pick<Deno.FileInfo, "size"> },
  path: string,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; sha256: string }> {
  const bytes = new Uint8Array(info.size);
  const hash = createHash("sha256");
  try {
    let at = 0;
    while (at < bytes.length) {
      const chunk = bytes.subarray(at, at + CHUNK_BYTES);
      const count = await file.read(chunk);
      if (count === null) break;
      hash.update(chunk.subarray(0, count));
      at += count;
    }
    if (at < bytes.length || await file.read(new Uint8Array(1)) !== null) {
      throw new UnusableFile("unreadable", `"${path}" changed its size while it was read`);
    }
  } catch (error) {
    if (error instanceof UnusableFile) throw error;
    throw new UnusableFile("unreadable", `Cannot read "${path}": ${error instanceof Error ? error.message : error}`);
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** The SHA-256 of an opened file, read from its beginning into one small buffer. */
export async function hashOpened({ file }: Pick<OpenedFile, "file">): Promise<{ bytes: number; sha256: string }> {
  const buffer = new Uint8Array(1_048_576);
  const hash = createHash("sha256");
  let bytes = 0;
  for (let count = await file.read(buffer); count !== null; count = await file.read(buffer)) {
    hash.update(buffer.subarray(0, count));
    bytes += count;
  }
  return { bytes, sha256: hash.digest("hex") };
}
