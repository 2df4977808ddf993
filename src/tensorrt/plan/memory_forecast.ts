/** What memory a build will need, before it is begun. Pure. */
import type { ModelFacts } from "../../onnx/model_facts.ts";
import type { BuildPlan } from "./plan.ts";

/**
 * Numbers behind the forecast. Measured 2026-11 with TensorRT-RTX 1.4.0.76 and 1.7.1.116 on Linux x86_64, targets 86, f32:
 * the builder's "Total Activation Memory" was 29 MB for YOLOv8s of 320x320, 47 and 65 MB of 640x1152, 266 and 242 MB for
 * a batch of 4, 43 MB for the default model of 640x640 and 153 MB for its batch of 8, so 16 to 30 bytes an element of the
 * input beyond the first 30 MB; the process had 317 MB at most with 12 MB of weights, and 407 MB with 45 MB.
 */
const ACTIVATION_BYTES_PER_ELEMENT = 30;
const ACTIVATION_BYTES_AT_LEAST = 32_000_000;
const HOST_BYTES = 285_000_000;
const HOST_BYTES_PER_WEIGHT_BYTE = 3;
/** Part of the host's need that are not pages of libraries, which the kernel can drop: the model, and the parser's copy. */
const HOST_COPIES_AT_LEAST = 2;
/** Weights on the GPU while it builds: the builder's, and those of the engine. */
const GPU_COPIES = 2;
/** What the usual build takes on top for its context and the timing of tactics. An allowance, not measured. */
const GPU_ALLOWANCE_BYTES = 512 * 1_048_576;

/** Memory of the machine before the build, bytes; null where it cannot be known. */
export interface MachineMemory {
  /** What the kernel can give to a new process, within the limit of its control group. */
  readonly host_available: number | null;
  readonly gpu_free: number | null;
  readonly gpu_total: number | null;
  /** Whether the GPU takes the host's memory, as on a Jetson. */
  readonly integrated: boolean;
}

/** One kind of memory, bytes. */
export interface MemoryNeed {
  /** Less than this and the build cannot end well. */
  readonly least: number;
  /** What a build of this size usually takes. */
  readonly usual: number;
  readonly available: number | null;
}

export interface MemoryForecast {
  readonly weights: number;
  readonly activations: number;
  readonly host: MemoryNeed;
  /** Null for a build that needs no GPU. */
  readonly gpu: MemoryNeed | null;
  readonly verdict: "enough" | "tight" | "too-little";
  /** What is short of what, null when nothing is. */
  readonly detail: string | null;
}

/**
 * Compares what a build needs with what is free.
 * @param facts of the model as its file is
 */
export function memoryForecast(
  { plan, facts }: { plan: BuildPlan; facts: Pick<ModelFacts, "inputs" | "weights"> },
  memory: MachineMemory,
): MemoryForecast {
  const halved = plan.precision === "fp16" && "float32" in facts.weights.types;
  const weights = Math.round(facts.weights.bytes / (halved ? 2 : 1));
  const perElement = ACTIVATION_BYTES_PER_ELEMENT / (plan.precision === "fp16" ? 2 : 1);
  const activations = ACTIVATION_BYTES_AT_LEAST + Math.round(perElement * elementsOf(plan, facts));
  const onGpu = plan.device === null ? null : {
    least: weights + activations,
    usual: GPU_COPIES * weights + activations + GPU_ALLOWANCE_BYTES,
  };
  const shared = memory.integrated ? onGpu : null;
  const host: MemoryNeed = {
    least: HOST_COPIES_AT_LEAST * facts.weights.bytes + (shared?.least ?? 0),
    usual: HOST_BYTES + HOST_BYTES_PER_WEIGHT_BYTE * facts.weights.bytes + (shared?.usual ?? 0),
    available: memory.host_available,
  };
  const gpu = onGpu === null || memory.integrated ? null : { ...onGpu, available: memory.gpu_free };
  const short = [...shortage("The GPU", gpu), ...shortage(memory.integrated ? "This device" : "This machine", host)];
  const worst = short.find(({ tooLittle }) => tooLittle) ?? short[0];
  return {
    weights,
    activations,
    host,
    gpu,
    verdict: worst === undefined ? "enough" : worst.tooLittle ? "too-little" : "tight",
    detail: worst?.detail ?? null,
  };
}

/** Elements of all inputs at their largest shapes. */
function elementsOf({ profile, batch }: BuildPlan, { inputs }: Pick<ModelFacts, "inputs">): number {
  const product = (dims: readonly number[]) => dims.reduce((result, size) => result * size, 1);
  return inputs.reduce((sum, { name, dims }) => {
    const shape = profile.find(({ input }) => input === name)?.max;
    return sum + product(shape ?? dims.map((size) => typeof size === "number" && size > 0 ? size : batch));
  }, 0);
}

function shortage(owner: string, need: MemoryNeed | null): { tooLittle: boolean; detail: string }[] {
  if (need === null || need.available === null || need.available >= need.usual) return [];
  const tooLittle = need.available < need.least;
  const wanted = tooLittle ? `at least ${megabytes(need.least)}` : `usually about ${megabytes(need.usual)}`;
  return [{
    tooLittle,
    detail: `${owner} has ${megabytes(need.available)} of free memory; this build takes ${wanted}`,
  }];
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
