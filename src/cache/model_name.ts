/** `<root>/<model>/model.json`: which model file a name belongs to, so that two files called alike do not share engines. */
import { join } from "node:path";
import {
  infoOf,
  link,
  makeFolder,
  openRegular,
  readHashed,
  removeIfThere,
  rename,
  syncFolder,
  writeNew,
} from "./disk/files.ts";

/** A model that wants a name. */
export interface ModelClaim {
  /** The manifest's, or one made from the file's stem. */
  readonly name: string;
  /** Whether a manifest gives the name; then it is the model's whatever was there. */
  readonly named: "manifest" | "file";
  /** Absolute path of the ONNX file. */
  readonly path: string;
  /** Digest of its bytes, lower-case hexadecimal. */
  readonly sha256: string;
}

interface NameOwner {
  readonly format: 1;
  readonly named: "manifest" | "file";
  readonly path: string;
  readonly sha256: string;
}

const NAME_LENGTH_MAX = 64;
const DIGITS = 8;
const OWNER_BYTES_MAX = 65_536;

/** The name with 8 digits of the model's digest. */
export const apartName = ({ name, sha256 }: ModelClaim): string =>
  `${name.slice(0, NAME_LENGTH_MAX - DIGITS - 1)}-${sha256.slice(0, DIGITS)}`;

/**
 * Whether the name is the model's: nobody has it, or the same file, or the same bytes, or a file that is gone; a
 * manifest takes it from a file. A model that was trained again keeps its name, and its engine is a miss that says why.
 */
export function ownsName(claim: ModelClaim, owner: NameOwner | null, ownersFileExists: boolean): boolean {
  if (owner === null || claim.named === "manifest" || owner.sha256 === claim.sha256) return true;
  if (owner.named === "manifest") return false;
  return owner.path === claim.path || !ownersFileExists;
}

/** The name that a model has in a root, without changing anything. */
export async function nameIn(root: string, claim: ModelClaim): Promise<string> {
  const owner = await readOwner(markerOf(root, claim));
  return await owns(claim, owner) ? claim.name : apartName(claim);
}

/** The name that a model has in a root; from now on it is its own. Two models that ask at once get two names. */
export async function claimName(root: string, claim: ModelClaim): Promise<string> {
  const marker = markerOf(root, claim);
  const owner = await readOwner(marker);
  if (!await owns(claim, owner)) return apartName(claim);
  const { named, path, sha256 } = claim;
  if (owner?.named === named && owner.path === path && owner.sha256 === sha256) return claim.name;
  const folder = join(root, claim.name);
  await makeFolder(folder);
  const part = `${marker}.${crypto.randomUUID()}.part`;
  try {
    const text = JSON.stringify({ format: 1, named, path, sha256 } satisfies NameOwner);
    await writeNew(part, new TextEncoder().encode(`${text}\n`));
    if (owner !== null || await infoOf(marker) !== null && await readOwner(marker) === null) await rename(part, marker);
    else if (!await linkUnlessThere(part, marker)) return await nameIn(root, claim);
    await syncFolder(folder);
    return claim.name;
  } finally {
    await removeIfThere(part).catch(() => {});
  }
}

const markerOf = (root: string, { name }: ModelClaim): string => join(root, name, "model.json");

const owns = async (claim: ModelClaim, owner: NameOwner | null): Promise<boolean> =>
  ownsName(claim, owner, owner !== null && await infoOf(owner.path) !== null);

/** @returns false when somebody was quicker */
async function linkUnlessThere(part: string, marker: string): Promise<boolean> {
  try {
    await link(part, marker);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    const code = (error as { code?: unknown }).code;
    // File systems without hard links, such as FAT.
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "EOPNOTSUPP") throw error;
    await rename(part, marker);
    return true;
  }
}

async function readOwner(marker: string): Promise<NameOwner | null> {
  try {
    using opened = await openRegular(marker);
    if (opened.info.size > OWNER_BYTES_MAX) return null;
    const owner = JSON.parse(new TextDecoder().decode((await readHashed(opened, marker)).bytes)) as Partial<NameOwner>;
    const { named, path, sha256 } = owner;
    if (named !== "manifest" && named !== "file" || typeof path !== "string" || typeof sha256 !== "string") return null;
    return { format: 1, named, path, sha256 };
  } catch {
    return null;
  }
}
