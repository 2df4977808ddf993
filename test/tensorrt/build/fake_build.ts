/** Builds with the fake libraries, in a folder of their own. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileDigests, modelFacts } from "../../../src/onnx/facts.ts";
import { readModel } from "../../../src/onnx/read.ts";
import { openEngineCache } from "../../../src/cache/store.ts";
import { BuildFailure } from "../../../src/tensorrt/build/build_failure.ts";
import { thisProgram } from "../../../src/tensorrt/build/child/child_program.ts";
import { keyInputsOf } from "../../../src/tensorrt/build/engine_key.ts";
import { type ObtainedEngine, obtainEngine, type ObtainOptions } from "../../../src/tensorrt/build/obtain_engine.ts";
import { computePrecision } from "../../../src/tensorrt/plan/model_precision.ts";
import { type BuildPlan, type BuildWishes, planBuild, type PlanMachine } from "../../../src/tensorrt/plan/plan.ts";
import { fakeSet, shimAndFakes } from "../../native/children.ts";
import { type Axis, tinyOnnx } from "../../native/tiny_onnx.ts";

/** Version that each fake set reports. */
const VERSIONS: Readonly<Record<string, string>> = {
  "8.5": "8.5.3",
  "8.6": "8.6.1",
  "9.3": "9.3.0",
  "10.0": "10.0.1.7",
  "10.16": "10.16.1.7",
  "11.1": "11.1.0.7",
  "rtx-1.4": "1.4.0.7",
  "rtx-1.6": "1.6.1.7",
};

/** A detector of one node, `op` behind it. */
export function detector(dims: readonly Axis[], op?: string): Uint8Array<ArrayBuffer> {
  return tinyOnnx({
    inputs: [{ name: "images", dims }],
    outputs: [{ name: "output0", dims }],
    nodes: [
      { op: "Relu", name: "relu", inputs: ["images"], outputs: [op === undefined ? "output0" : "r"] },
      ...op === undefined ? [] : [{ op, name: "nms", inputs: ["r"], outputs: ["output0"] }],
    ],
  });
}

export interface FakeBuild {
  /** Fake set, such as `10.16`. */
  readonly set: string;
  /** Words of TRTD_FAKE. @default none */
  readonly script?: string;
  /** Compute capability of the one GPU; null for none. @default "8.9" */
  readonly capability?: string | null;
  readonly model?: Uint8Array<ArrayBuffer>;
  readonly wishes?: BuildWishes;
  /** Changes the plan after it was made. */
  readonly change?: (plan: BuildPlan) => BuildPlan;
  readonly options?: ObtainOptions;
  /** Environment of the child. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface FakeOutcome {
  readonly result: ObtainedEngine | null;
  readonly failure: BuildFailure | null;
  readonly log: string;
  /** Names of all files that are left. */
  readonly files: readonly string[];
}

const FIXED = [1, 3, 640, 1152];

/** Has an engine once, out of the cache or built. @throws whatever is not a {@link BuildFailure} */
export async function fakeBuild(build: FakeBuild, folder?: string): Promise<FakeOutcome> {
  const own = folder === undefined ? await Deno.makeTempDir({ prefix: "trtd-build-" }) : null;
  const modelsDir = folder ?? own!;
  try {
    return await buildIn(modelsDir, build);
  } finally {
    if (own !== null) await Deno.remove(own, { recursive: true });
  }
}

async function buildIn(modelsDir: string, build: FakeBuild): Promise<FakeOutcome> {
  const { set, script = "", capability = "8.9", wishes = {}, options = {} } = build;
  const bytes = build.model ?? detector(FIXED);
  const path = join(modelsDir, "pets.onnx");
  await Deno.writeFile(path, bytes);
  const model = readModel(bytes);
  const { cuda, core, parser, plugins } = fakeSet(set);
  const machine: PlanMachine = {
    tensorrt: {
      product: set.startsWith("rtx") ? "tensorrt-rtx" : "tensorrt",
      version: VERSIONS[set]!,
      kind: "full",
      core,
      parser,
      plugins,
      cuda: null,
    },
    gpu: capability === null ? null : {
      index: 0,
      name: "NVIDIA Fake",
      uuid: "GPU-a0a0a0a0-a0a0-a0a0-a0a0-a0a0a0a0a0a0",
      computeCapability: capability,
    },
    gpuMissing: capability === null ? "The fake driver has no device" : null,
    platform: "linux-x86_64",
    driver: "580.65.06",
    driverCuda: "13.0",
    cudaDriver: cuda,
  };
  const plan = planBuild({ facts: modelFacts(model), precision: computePrecision(model) }, machine, wishes);
  const digests = fileDigests(bytes);
  const changed = build.change?.(plan) ?? plan;
  const key = { plan, machine, modelSha256: digests.sha256, parserSha256: "0".repeat(64), pluginsSha256: null };
  const request = {
    model: { name: "pets", named: "file" as const, path, ...digests },
    plan: changed,
    keyInputs: keyInputsOf(key),
    machine,
    cudaRuntime: "12.8",
    jetpack: null,
    gpuMemoryBytes: capability === null ? null : 24_564 * 1_048_576,
    shim: shimAndFakes().shim,
  };
  const cache = openEngineCache({ modelsDir, userCacheDir: null });
  const gpus = capability === null ? "" : `NVIDIA Fake:${capability}:24564`;
  const env = { TRTD_FAKE: script, TRTD_FAKE_GPUS: gpus, ...build.env };
  let result: ObtainedEngine | null = null;
  let failure: BuildFailure | null = null;
  try {
    const program = { ...thisProgram(), env };
    result = await obtainEngine(cache, request, { program, timeLimitMs: 120_000, ...options });
  } catch (thrown) {
    if (!(thrown instanceof BuildFailure)) throw thrown;
    failure = thrown;
  }
  return { result, failure, log: logText(modelsDir), files: filesUnder(join(modelsDir, "trt")) };
}

function logText(modelsDir: string): string {
  const log = filesUnder(join(modelsDir, "trt")).find((name) => name.endsWith(".build.log"));
  return log === undefined ? "" : Deno.readTextFileSync(join(modelsDir, "trt", log));
}

/** Paths of all files under a folder, relative to it. */
export function filesUnder(folder: string, prefix = ""): string[] {
  const found: string[] = [];
  for (const entry of Deno.readDirSync(folder)) {
    const path = join(prefix, entry.name);
    if (entry.isDirectory) found.push(...filesUnder(join(folder, entry.name), path));
    else found.push(path);
  }
  return found.sort();
}

/** The head of every log, whole. */
export function assertHead(log: string): void {
  const names = log.split("\n").flatMap((line) => /^# ([a-z0-9 ]+): (.+)$/.exec(line)?.[1] ?? []);
  assert.deepEqual(names.filter((name) => !["remark", "end", "pass", "retry"].includes(name)), [
    "trtd",
    "gpu",
    "compute capability",
    "driver",
    "cuda runtime",
    "tensorrt",
    "core library",
    "parser library",
    "plugin library",
    "onnx",
    "onnx size",
    "onnx sha256",
    "onnx md5",
    "parsed model",
    "flags",
    "precision",
    "profile",
    "workspace",
    "targets",
    "options",
    "memory",
    "engine",
  ]);
}
