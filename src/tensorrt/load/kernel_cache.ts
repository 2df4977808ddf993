/** TensorRT-RTX's cache of compiled kernels, kept beside the engine cache: a file for an engine, GPU, driver and TensorRT. */
import { createHash } from "node:crypto";
import type { SideFileOwner } from "../../cache/place.ts";
import type { EngineCache } from "../../cache/store.ts";
import { TrtdError } from "../../errors.ts";

/** Where compiled kernels are kept, and what is there. */
export interface KernelFile {
  /** Null where no folder takes it. */
  readonly path: string | null;
  /** What is there, null for nothing that may be used. */
  readonly read: { readonly path: string; readonly sha256: string } | null;
  /** Things to know, in sentences. */
  readonly remarks: readonly string[];
}

/**
 * @param of the engine's SHA-256, and the GPU that it runs on
 * @returns null for a TensorRT that has none, and for an engine that is for no GPU of this machine
 */
export async function kernelFile(
  cache: Pick<EngineCache, "sideFile">,
  { engine, owner }: { readonly engine: string; readonly owner: SideFileOwner | null },
): Promise<KernelFile | null> {
  if (owner === null || owner.product !== "tensorrt-rtx") return null;
  try {
    const path = await cache.sideFile({ kind: "runtime", owner, engine });
    const sha256 = await Deno.readTextFile(digestPath(path)).then((text) => text.trim(), () => "");
    return { path, read: /^[0-9a-f]{64}$/.test(sha256) ? { path, sha256 } : null, remarks: [] };
  } catch (error) {
    if (!(error instanceof TrtdError)) throw error;
    return { path: null, read: null, remarks: [`Compiled kernels are not kept: ${error.message}`] };
  }
}

/** The digest of the kernels that were kept: without it they are not read again. */
const digestPath = (path: string): string => `${path}.sha256`;

/** A name for kernels that are being written. */
export const kernelPart = (path: string): string => `${path}.${crypto.randomUUID()}.part`;

/** Puts written kernels in their place. Where the digest is lost between the two renames, they are compiled once more. */
export async function keepKernels(part: string, path: string): Promise<void> {
  const digest = digestOf(await Deno.readFile(part));
  const digestPart = `${part}.sha256`;
  await Deno.writeTextFile(digestPart, `${digest}\n`, { mode: 0o600 });
  await Deno.chmod(part, 0o600);
  await Deno.rename(part, path);
  await Deno.rename(digestPart, digestPath(path));
}

/** The kernels of a file for a process that runs engines itself. */
export class KernelStore {
  readonly #file: KernelFile;
  #digest: string | null = null;

  constructor(file: KernelFile) {
    this.#file = file;
  }

  /** Empty when there are none that may be used. */
  async read(): Promise<Uint8Array<ArrayBuffer>> {
    const { read } = this.#file;
    const bytes = read === null ? null : await Deno.readFile(read.path).catch(() => null);
    if (bytes === null || digestOf(bytes) !== read!.sha256) return new Uint8Array(0);
    this.#digest = read!.sha256;
    return bytes;
  }

  /** Keeps them, unless they are those that were read. @returns whether a file was written */
  async keep(bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
    const { path } = this.#file;
    if (path === null || bytes.length === 0 || digestOf(bytes) === this.#digest) return false;
    const part = kernelPart(path);
    try {
      await Deno.writeFile(part, bytes, { mode: 0o600 });
      await keepKernels(part, path);
      this.#digest = digestOf(bytes);
      return true;
    } finally {
      await Deno.remove(part).catch(() => {});
    }
  }
}

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
