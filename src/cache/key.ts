/** The key of an engine: everything that decides whether an engine that was built once may be used now. Pure. */
import { createHash } from "node:crypto";

/** A value as JSON has it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/**
 * Version of the key's fields. It rises when a field is added, goes, or changes its meaning; engines of other versions
 * are then misses that name `format`.
 *
 * 1: 2026-11, the first.
 */
export const KEY_FORMAT = 1;

/** A step that made the model that TensorRT parses out of the one that was given. */
export interface KeyPass {
  readonly name: string;
  /** Version of the pass, which rises when it writes another model for the same input. */
  readonly version: number;
  /** Options that change what it writes, null for none. */
  readonly options: Json;
}

/** Shapes of one input. */
export interface KeyShapes {
  readonly name: string;
  readonly min: readonly number[];
  readonly opt: readonly number[];
  readonly max: readonly number[];
}

/** How much of the GPU a TensorRT engine is tied to. */
export type KeyCompatibility = "none" | "ampere" | "same";

/** What a key is made from: the request of a build and the machine. Not what a retry ladder made of the request. */
export interface KeyInputs {
  /** Lower-case hexadecimal digests of the file as it was given, before any pass. */
  readonly model: { readonly sha256: string; readonly externalDataSha256: string | null };
  /** In the order in which they run. */
  readonly passes: readonly KeyPass[];
  readonly precision: string;
  /** The maximal batch. */
  readonly batch: number;
  /** Inputs with dynamic axes; their order does not matter. */
  readonly profile: readonly KeyShapes[];
  /** Names of builder flags; their order does not matter. */
  readonly flags: readonly string[];
  readonly workspaceBytes: number | null;
  readonly optimizationLevel: number | null;
  readonly hardwareCompatibility: KeyCompatibility;
  readonly tacticSources: number | null;
  readonly dlaCore: number | null;
  /** Compute capabilities that the engine is for, such as 89; their order does not matter. */
  readonly targets: readonly number[];
  readonly tensorrt: {
    readonly product: "tensorrt" | "tensorrt-rtx";
    readonly family: string;
    /** Exact, such as `10.16.1.11`. */
    readonly version: string;
    /** CUDA that the library was built for, such as `12.9`; null when unknown. */
    readonly cuda: string | null;
  };
  /** Version of the ONNX parser, null when unknown. */
  readonly parser: string | null;
  /** SHA-256 of the plugin library when the build uses one, null without. */
  readonly pluginsSha256: string | null;
  /** The GPU that is to run the engine, null for a build that needs none. `computeCapability` is such as `8.9`. */
  readonly gpu: { readonly name: string; readonly computeCapability: string } | null;
  /** Release of the GPU driver such as `580.95.05`, null without one. */
  readonly driver: string | null;
  /** Operating system and architecture. */
  readonly platform: string;
  /** Version of libtrtd. */
  readonly shim: string;
}

/** The key, as the metadata holds it. Fields that the engine does not depend on are null. */
export interface CacheKey {
  readonly format: typeof KEY_FORMAT;
  readonly model_sha256: string;
  readonly external_data_sha256: string | null;
  readonly passes: readonly { readonly name: string; readonly version: number; readonly options: Json }[];
  readonly precision: string;
  readonly batch: number;
  readonly profile: readonly { readonly [K in keyof KeyShapes]: KeyShapes[K] }[];
  readonly flags: readonly string[];
  readonly workspace_bytes: number | null;
  readonly optimization_level: number | null;
  readonly hardware_compatibility: KeyCompatibility;
  readonly tactic_sources: number | null;
  readonly dla_core: number | null;
  readonly targets: readonly number[];
  readonly tensorrt_product: "tensorrt" | "tensorrt-rtx";
  readonly tensorrt_family: string;
  readonly tensorrt_version: string;
  readonly parser: string | null;
  readonly plugins_sha256: string | null;
  readonly gpu_name: string | null;
  readonly compute_capability: string | null;
  readonly cuda_major: number | null;
  readonly driver_branch: string | null;
  readonly platform: string;
  readonly shim: string;
}

/** A key as it was read: of this format or of another. */
export type AnyKey = Readonly<Record<string, Json>>;

/** A field in which an engine that is there differs from the one that is wanted. */
export interface Difference {
  /** A field of {@link CacheKey}, or `engine` when there is none that could be compared. */
  readonly field: string;
  readonly old: Json;
  readonly new: Json;
}

/**
 * The key of a build.
 *
 * Engines of TensorRT-RTX name the compute capabilities that they run on and compile their kernels on the machine, so
 * the GPU's name and the driver do not matter to them. With TensorRT, `ampere` makes name and compute capability of the
 * GPU irrelevant, `same` its name.
 */
export function keyFrom(inputs: KeyInputs): CacheKey {
  const { model, tensorrt, gpu, hardwareCompatibility } = inputs;
  const rtx = tensorrt.product === "tensorrt-rtx";
  return {
    format: KEY_FORMAT,
    model_sha256: model.sha256,
    external_data_sha256: model.externalDataSha256,
    passes: inputs.passes.map(({ name, version, options }) => ({ name, version, options })),
    precision: inputs.precision,
    batch: inputs.batch,
    profile: inputs.profile.map(({ name, min, opt, max }) => ({ name, min, opt, max })).sort(byName),
    flags: [...new Set(inputs.flags)].sort(),
    workspace_bytes: inputs.workspaceBytes,
    optimization_level: inputs.optimizationLevel,
    hardware_compatibility: hardwareCompatibility,
    tactic_sources: inputs.tacticSources,
    dla_core: inputs.dlaCore,
    targets: [...new Set(inputs.targets)].sort((a, b) => a - b),
    tensorrt_product: tensorrt.product,
    tensorrt_family: tensorrt.family,
    tensorrt_version: tensorrt.version,
    parser: inputs.parser,
    plugins_sha256: inputs.pluginsSha256,
    gpu_name: rtx || hardwareCompatibility !== "none" ? null : gpu?.name ?? null,
    compute_capability: rtx || hardwareCompatibility === "ampere" ? null : gpu?.computeCapability ?? null,
    cuda_major: majorOf(tensorrt.cuda),
    driver_branch: rtx ? null : branchOf(inputs.driver),
    platform: inputs.platform,
    shim: inputs.shim,
  };
}

const byName = (a: KeyShapes, b: KeyShapes): number => a.name < b.name ? -1 : a.name > b.name ? 1 : 0;

function majorOf(version: string | null): number | null {
  const digits = /^\d+/.exec(version ?? "")?.[0];
  return digits === undefined ? null : Number(digits);
}

/** The first number of a driver's release: `580.95.05` is of the branch `580`. */
export function branchOf(release: string | null): string | null {
  return /^\d+/.exec(release ?? "")?.[0] ?? null;
}

const HEAD = "trtd engine key";

/**
 * The text that stands for a key: a head line, then one line a field, by name, as `"name": value` in canonical JSON.
 * Names and values are typed and delimited by JSON, so that two keys have equal texts only when they are equal.
 * @throws {TypeError} on a number that JSON does not have
 */
export function keyText(key: CacheKey | AnyKey): string {
  const lines = Object.entries(key as AnyKey).sort(([a], [b]) => a < b ? -1 : 1)
    .map(([name, value]) => `${JSON.stringify(name)}: ${canonicalJson(value)}`);
  return `${[HEAD, ...lines].join("\n")}\n`;
}

/** JSON without spaces and with the names of objects in order, so that equal values have equal texts. */
export function canonicalJson(value: Json): string {
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError(`${value} is no number of JSON`);
    return JSON.stringify(value === 0 ? 0 : value);
  }
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const members = Object.entries(value as Record<string, Json>).sort(([a], [b]) => a < b ? -1 : 1);
  return `{${members.map(([name, one]) => `${JSON.stringify(name)}:${canonicalJson(one)}`).join(",")}}`;
}

/** 32 hexadecimal digits that name a key: the first half of the SHA-256 of its text. Folders of `.others` bear it. */
export function keyName(key: CacheKey | AnyKey): string {
  return createHash("sha256").update(keyText(key)).digest("hex").slice(0, 32);
}

/** Fields that differ, in the order of the wanted key; fields that it does not have follow. */
export function keyDifferences(old: AnyKey, wanted: CacheKey): Difference[] {
  const fresh = wanted as unknown as AnyKey;
  const names = [...Object.keys(fresh), ...Object.keys(old).filter((name) => !Object.hasOwn(fresh, name))];
  const valueIn = (key: AnyKey, name: string): Json => Object.hasOwn(key, name) ? key[name]! : null;
  return names.flatMap((field): Difference[] => {
    const [before, after] = [valueIn(old, field), valueIn(fresh, field)];
    const same = Object.hasOwn(old, field) === Object.hasOwn(fresh, field) &&
      canonicalJson(before) === canonicalJson(after);
    return same ? [] : [{ field, old: before, new: after }];
  });
}

/** One difference for people: `tensorrt_version: "1.4.0.76" -> "1.6.1.120"`. */
export const differenceText = ({ field, old, new: fresh }: Difference): string =>
  `${field}: ${canonicalJson(old)} -> ${canonicalJson(fresh)}`;
