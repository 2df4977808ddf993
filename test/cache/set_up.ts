/** A folder of models with a cache, and a build that only writes bytes. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { type CacheKey, keyFrom, type KeyInputs } from "../../src/cache/key.ts";
import type { ModelClaim } from "../../src/cache/model_name.ts";
import type { EnginePlace } from "../../src/cache/place.ts";
import type { CacheRemark } from "../../src/cache/remark.ts";
import { type BuildStep, type CacheOptions, EngineCache, openEngineCache } from "../../src/cache/store.ts";
import { partName } from "../../src/cache/tidy.ts";

/** An ordinary request on an ordinary machine. */
export const INPUTS: KeyInputs = {
  model: { sha256: "ab".repeat(32), externalDataSha256: null },
  passes: [{ name: "nms-split", version: 1, options: null }],
  precision: "fp16",
  batch: 4,
  profile: [{ name: "images", min: [1, 3, 64, 64], opt: [2, 3, 64, 64], max: [4, 3, 64, 64] }],
  flags: ["FP16"],
  workspaceBytes: null,
  optimizationLevel: null,
  hardwareCompatibility: "none",
  tacticSources: null,
  dlaCore: null,
  targets: [89],
  tensorrt: { product: "tensorrt", family: "10", version: "10.13.2.6", cuda: "12.9" },
  parser: "10.13.2.6",
  pluginsSha256: null,
  gpu: { name: "NVIDIA GeForce RTX 4090", computeCapability: "8.9" },
  driver: "580.95.05",
  platform: "linux-x86_64",
  shim: "0.1.0",
};

export const KEY: CacheKey = keyFrom(INPUTS);

/** The key of another version of TensorRT. */
export const keyOf = (version: string): CacheKey => keyFrom({ ...INPUTS, tensorrt: { ...INPUTS.tensorrt, version } });

export const claimIn = (modelsDir: string): ModelClaim => ({
  name: "shelf",
  named: "manifest",
  path: join(modelsDir, "shelf", "shelf.onnx"),
  sha256: INPUTS.model.sha256,
});

export interface SetUp extends AsyncDisposable {
  /** Of this test alone. */
  readonly folder: string;
  readonly modelsDir: string;
  readonly userCacheDir: string;
  readonly model: ModelClaim;
  readonly remarks: CacheRemark[];
  open(options?: Partial<CacheOptions>): EngineCache;
}

/** A new folder, in memory where the system has such: thousands of fsyncs are waited for. */
export async function scratchFolder(): Promise<string> {
  const memory = "/dev/shm";
  const dir = await Deno.stat(memory).then(({ isDirectory }) => isDirectory, () => false) ? { dir: memory } : {};
  return await Deno.makeTempDir({ ...dir, prefix: "trtd-cache-" }).catch(() => Deno.makeTempDir());
}

/** @param onDisk not in memory: children with few permissions may not read below /dev */
export async function setUp({ onDisk = false } = {}): Promise<SetUp> {
  const folder = onDisk ? await Deno.makeTempDir({ prefix: "trtd-cache-" }) : await scratchFolder();
  const modelsDir = join(folder, "models");
  await Deno.mkdir(modelsDir);
  const remarks: CacheRemark[] = [];
  const userCacheDir = join(folder, "user");
  return {
    folder,
    modelsDir,
    userCacheDir,
    model: claimIn(modelsDir),
    remarks,
    open: (options = {}) =>
      openEngineCache({ modelsDir, userCacheDir, onRemark: (remark) => remarks.push(remark), ...options }),
    async [Symbol.asyncDispose]() {
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Bytes that depend on the word. */
export function engineBytes(word: string, size = 5000): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let at = 0, block = 0; at < size; at += 32, block++) {
    bytes.set(createHash("sha256").update(`${word} ${block}`).digest().subarray(0, Math.min(32, size - at)), at);
  }
  return bytes;
}

/** A build step that writes the bytes of the word, and counts. */
export function fakeBuild(word: string, size?: number): BuildStep & { count: number } {
  const build = async (place: EnginePlace) => {
    build.count++;
    const part = partName(place);
    await Deno.writeFile(part, engineBytes(word, size));
    return { part, facts: { word, duration_s: 1.5, machine: { driver: "580.95.05", jetpack: null } } };
  };
  build.count = 0;
  return build;
}

/** A build step that must not run. */
export const noBuild: BuildStep = () => Promise.reject(new Error("It was built again"));
