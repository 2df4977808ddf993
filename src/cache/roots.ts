/** The folders that engines may live in: beside the models, and the user's cache folder where that does not do. */
import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { faultPoint } from "./disk/fault.ts";
import { isReadOnly, makeFolder, removeIfThere } from "./disk/files.ts";
import { distrustFolders, type Trust } from "./trust/trust.ts";

export interface CacheRoot {
  /** Absolute path of a folder `trt`. */
  readonly path: string;
  readonly kind: "models" | "user";
  /** Folder from which on nobody else may be able to write. */
  readonly trustedFrom: string;
}

const PRIVATE_MODE = 0o700;

/** The roots in the order in which they are looked at. */
export function rootsOf(modelsDir: string, userCacheDir: string | null): CacheRoot[] {
  const path = join(resolve(modelsDir), "trt");
  const models: CacheRoot = { path, kind: "models", trustedFrom: path };
  if (userCacheDir === null) return [models];
  const id = createHash("sha256").update(resolve(modelsDir)).digest("hex").slice(0, 16);
  const user = resolve(userCacheDir);
  return [models, { path: join(user, "engines", id, "trt"), kind: "user", trustedFrom: user }];
}

/**
 * Makes a folder of a root ready for writing.
 * @returns why nothing can be stored there, null when something can
 * @throws what is wrong otherwise, such as a full disk
 */
export async function prepareFolder(
  { path, kind, trustedFrom }: CacheRoot,
  folder: string,
  trust: Trust,
): Promise<string | null> {
  try {
    if (kind === "user") await makeFolder(path, PRIVATE_MODE);
    await makeFolder(folder);
    const reason = await distrustFolders(trustedFrom, folder, trust);
    if (reason !== null) return reason;
    return await whyReadOnly(folder);
  } catch (error) {
    if (isReadOnly(error)) return `"${folder}" cannot be written: ${(error as Error).message}`;
    throw error;
  }
}

/** Tries it: modes and mounts together decide, and the superuser may write what modes forbid. */
async function whyReadOnly(folder: string): Promise<string | null> {
  const path = join(folder, `.${crypto.randomUUID()}.part`);
  try {
    faultPoint("create", path);
    (await Deno.open(path, { write: true, createNew: true, mode: 0o600 })).close();
  } catch (error) {
    if (isReadOnly(error)) return `"${folder}" cannot be written: ${(error as Error).message}`;
    throw error;
  }
  await removeIfThere(path);
  return null;
}
