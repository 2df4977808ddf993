/**
 * Where engines live.
 *
 *     <root>                                  <models>/trt, or a folder of the user's cache where that cannot be written
 *       .timing/<gpu>.cache                   timings of tactics, per TensorRT and GPU
 *       .runtime/<gpu>-<engine>.cache         compiled kernels of TensorRT-RTX, per engine, GPU and driver
 *       <model>/model.json                    which model file the name belongs to
 *       <model>/<precision>/bs<batch>/        the place of an engine; with the layout per-device: one folder <device> deeper
 *         <model>.engine                      the engine
 *         <model>.engine.json                 its metadata, written last
 *         <model>.engine[.json].next          a new pair until it is in its place; the metadata is there once it was checked
 *         <model>.engine[.json].previous      the pair before the last build, of the same key
 *         <model>.engine.lock                 kernel lock of who builds or moves files here
 *         <model>.build.log                   what TensorRT said
 *         .others/<key>/<model>.engine[.json] intact engines of other keys
 *         .quarantine/<when>-<id>/            what was set aside, with reason.json
 *
 * History: version 1 had the engine, its metadata (format 1, without a key) and the log; version 2, 2026-11, is this.
 */
import { join } from "node:path";
import type { CacheKey } from "./key.ts";

/** How places are told apart: `shared` by model, precision and batch; `per-device` by the device too. */
export type CacheLayout = "shared" | "per-device";

/** What a place is for. */
export interface Site {
  /** Name of the model's folder and of the engine. */
  readonly model: string;
  readonly precision: string;
  readonly batch: number;
  /** Null with the layout `shared`. */
  readonly device: string | null;
}

/** Absolute paths of an engine and what belongs to it. */
export interface EnginePlace {
  readonly site: Site;
  /** The folder `trt` that the place lies in. */
  readonly root: string;
  readonly folder: string;
  readonly engine: string;
  readonly metadata: string;
  readonly lock: string;
  readonly log: string;
  readonly others: string;
  readonly quarantine: string;
}

/** `<root>/<model>/<precision>/bs<batch>[/<device>]/<model>.engine` and its company. */
export function placeIn(root: string, site: Site): EnginePlace {
  const { model, precision, batch, device } = site;
  const folder = join(root, model, precision, `bs${batch}`, ...device === null ? [] : [device]);
  return { site, root, ...filesIn(folder, model) };
}

/** The paths of a place by its folder. */
export function filesIn(folder: string, model: string): Omit<EnginePlace, "site" | "root"> {
  const engine = join(folder, `${model}.engine`);
  return {
    folder,
    engine,
    metadata: `${engine}.json`,
    lock: `${engine}.lock`,
    log: join(folder, `${model}.build.log`),
    others: join(folder, ".others"),
    quarantine: join(folder, ".quarantine"),
  };
}

/** The site of a model's engine. */
export function siteOf(model: string, key: CacheKey, layout: CacheLayout): Site {
  return { model, precision: key.precision, batch: key.batch, device: layout === "shared" ? null : deviceOf(key) };
}

/**
 * The device of a key as a folder's name: the GPU (`sm89-nvidia-geforce-rtx-4090`) where the engine is tied to it, else
 * what it runs on (`sm75-80-86`, `sm89`, `ampere-plus`).
 */
export function deviceOf(key: CacheKey): string {
  if (key.hardware_compatibility === "ampere") return "ampere-plus";
  const numbers = key.compute_capability === null
    ? key.targets.map(String)
    : [key.compute_capability.replace(/\D/g, "")];
  const capability = numbers.length === 0 ? "any" : `sm${numbers.join("-")}`;
  return key.gpu_name === null ? capability : `${capability}-${slugOf(key.gpu_name)}`;
}

/** Lower-case letters, digits and dashes, at most 64. */
export function slugOf(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 64).replace(/-$/, "") || "x";
}

/** The GPU and what drives it, which side files belong to. */
export interface SideFileOwner {
  readonly product: "tensorrt" | "tensorrt-rtx";
  /** Exact version of TensorRT. */
  readonly version: string;
  readonly gpu: { readonly name: string; readonly computeCapability: string };
  /** Release of the driver, null when unknown. */
  readonly driver: string | null;
}

/** A file that may be lost. `engine` is the SHA-256 of the engine whose kernels they are. */
export type SideFile =
  | { readonly kind: "timing"; readonly owner: SideFileOwner }
  | { readonly kind: "runtime"; readonly owner: SideFileOwner; readonly engine: string };

const gpuSlug = ({ product, version, gpu }: SideFileOwner): string =>
  `${product}-${version}-sm${gpu.computeCapability.replace(/\D/g, "")}-${slugOf(gpu.name)}`;

/** Path of the timing cache per GPU and TensorRT. Losing it costs time only. */
export const timingCachePath = (root: string, owner: SideFileOwner): string =>
  join(root, ".timing", `${gpuSlug(owner)}.cache`);

/** Digits of an engine's digest in the name of its kernels' file. */
const ENGINE_DIGITS = 16;

/**
 * Path of TensorRT-RTX's cache of compiled kernels per engine, GPU and driver: one for all engines would be read whole by
 * each, and processes with different engines would overwrite each other's. Losing it costs time only.
 * @param engine SHA-256 of the engine's file
 */
export const runtimeCachePath = (root: string, owner: SideFileOwner, engine: string): string => {
  const driver = slugOf(owner.driver ?? "unknown");
  return join(root, ".runtime", `${gpuSlug(owner)}-driver-${driver}-${engine.slice(0, ENGINE_DIGITS)}.cache`);
};
