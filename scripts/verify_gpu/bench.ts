/** What every step of `scripts/verify_gpu.ts` gets. */
import { createHash } from "node:crypto";
import { levelOf } from "../../src/tensorrt/build/child/kept_lines.ts";
import type { LoadPlan } from "../../src/tensorrt/load/check_engine.ts";
import type { GpuFact } from "../../src/tensorrt/probe/probe_messages.ts";
import type { TensorRtProbe } from "../../src/tensorrt/probe/probe.ts";
import { familyOf, versionFromText } from "../../src/tensorrt/versions.ts";
import type { Precision } from "../../src/verify/limits.ts";
import type { Reference } from "./reference.ts";

export interface Bench {
  /** Absolute folder of this TensorRT's results. */
  readonly folder: string;
  readonly probe: TensorRtProbe;
  readonly gpu: GpuFact;
  readonly shim: string;
  readonly reference: Reference;
  readonly precisions: readonly Precision[];
  /** Timed runs after the first. */
  readonly runs: number;
  /** Whether the support table says that the library cannot work on the GPU. */
  readonly impossible: boolean;
}

/** As much of a build's plan as loading an engine needs. */
export function planOf({ probe, gpu }: Bench): LoadPlan {
  const { product, version } = probe.library!;
  const { family } = familyOf({ product, version: versionFromText(version)! });
  const { path: core, parser, plugins } = probe.found;
  return {
    tensorrt: { product, version, family: family! },
    libraries: { core, parser: parser ?? "", plugins, cuda_driver: null },
    force: false,
    device: gpu.index,
  };
}

/** SHA-256 of a file in hexadecimal digits. */
export const digestOf = async (path: string): Promise<string> =>
  createHash("sha256").update(await Deno.readFile(path)).digest("hex");

/** The first complaints of a log. */
export const errorsOf = (lines: readonly string[]): string[] =>
  lines.filter((line) => ["FATAL", "ERROR", "WARN"].includes(levelOf(line) ?? "")).slice(0, 20);
