/** The head of every build log: what a reader must know before the first line of TensorRT. Pure. */
import type { PassReport } from "../../onnx/passes/pass.ts";
import type { MemoryForecast } from "../plan/memory_forecast.ts";
import type { BuildPlan, PlanGpu } from "../plan/plan.ts";
import { shapeText } from "../plan/plan_shapes.ts";
import { PRODUCT_NAMES } from "../versions.ts";

export interface LogHeaderFacts {
  /** When the build began. */
  readonly startedAt: Date;
  /** Version of trtd. */
  readonly trtd: string;
  readonly plan: BuildPlan;
  readonly gpu: PlanGpu | null;
  /** Why there is no GPU. */
  readonly gpuMissing: string | null;
  readonly driver: string | null;
  readonly driverCuda: string | null;
  /** Version of the CUDA runtime library, null when there is none. */
  readonly cudaRuntime: string | null;
  /** CUDA that TensorRT was built for. */
  readonly tensorrtCuda: string | null;
  readonly platform: string;
  readonly model: {
    readonly path: string;
    readonly bytes: number;
    readonly sha256: string;
    readonly md5: string;
  };
  /** What each pass did to the model, and where the result lies. */
  readonly passes: readonly PassReport[];
  /** The model that TensorRT parses, null when it is the given one. */
  readonly rewritten: { readonly path: string; readonly bytes: number; readonly sha256: string } | null;
  readonly forecast: MemoryForecast | null;
  /** Where the engine goes. */
  readonly engine: string;
}

const UNKNOWN = "unknown";

/** Lines that begin with `# `, without line ends. */
export function headerLines(facts: LogHeaderFacts): string[] {
  const { plan, gpu, model } = facts;
  const driver = [facts.driver ?? "none found", ...facts.driverCuda === null ? [] : [`CUDA ${facts.driverCuda}`]];
  const rows: [string, string][] = [
    ["trtd", `${facts.trtd}, build begun ${facts.startedAt.toISOString()}, platform ${facts.platform}`],
    [
      "gpu",
      gpu === null ? `none: ${facts.gpuMissing ?? "not asked for"}` : `${gpu.name}, index ${gpu.index}, ${gpu.uuid}`,
    ],
    ["compute capability", gpu === null ? "none" : gpu.computeCapability],
    ["driver", driver.join(", ")],
    ["cuda runtime", facts.cudaRuntime ?? "none found"],
    [
      "tensorrt",
      `${
        PRODUCT_NAMES[plan.tensorrt.product]
      } ${plan.tensorrt.version}, family ${plan.tensorrt.family}, built for CUDA ${facts.tensorrtCuda ?? UNKNOWN}`,
    ],
    ["core library", plan.libraries.core],
    ["parser library", plan.libraries.parser],
    ["plugin library", plan.libraries.plugins ?? "none"],
    ["onnx", model.path],
    ["onnx size", `${model.bytes} bytes`],
    ["onnx sha256", model.sha256],
    ["onnx md5", model.md5],
    ...facts.passes.map((report): [string, string] => ["pass", passText(report)]),
    ["parsed model", rewrittenText(facts)],
    ["flags", plan.flags.length === 0 ? "none" : plan.flags.join(", ")],
    ["precision", plan.precision],
    ["profile", profileText(plan)],
    ["workspace", plan.workspace_bytes === null ? "the builder's default" : `${plan.workspace_bytes} bytes`],
    ["targets", targetsText(plan)],
    ["options", optionsText(plan)],
    ["memory", forecastText(facts.forecast)],
    ["engine", facts.engine],
    ...plan.remarks.map((remark): [string, string] => ["remark", remark]),
  ];
  return rows.map(([name, value]) => `# ${name}: ${value.replaceAll(/[\r\n]+/g, " ")}`);
}

/** `fp16@1: 5 casts, 60 constants; Kept in f32: Softmax`. */
export function passText({ pass, version, changed, counts, remarks }: PassReport): string {
  const counted = Object.entries(counts).filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name.replaceAll("_", " ")}`);
  const done = counted.length > 0 ? counted.join(", ") : changed ? "the model was changed" : "nothing to do";
  return [`${pass}@${version}: ${done}`, ...remarks].join("; ");
}

function rewrittenText({ rewritten }: LogHeaderFacts): string {
  if (rewritten === null) return "the one above, as it is";
  return `${rewritten.path}, ${rewritten.bytes} bytes, sha256 ${rewritten.sha256}`;
}

const megabytes = (bytes: number | null): string => bytes === null ? UNKNOWN : `${Math.round(bytes / 1e6)} MB`;

function forecastText(forecast: MemoryForecast | null): string {
  if (forecast === null) return UNKNOWN;
  const { weights, activations, host, gpu } = forecast;
  const needs = [["host", host] as const, ...gpu === null ? [] : [["GPU", gpu] as const]].map(([name, need]) =>
    `${name} ${megabytes(need.available)} free for about ${megabytes(need.usual)}`
  );
  return [...needs, `weights ${megabytes(weights)}`, `activations ${megabytes(activations)}`].join(", ");
}

function profileText({ profile }: BuildPlan): string {
  if (profile.length === 0) return "none, all shapes are fixed";
  return profile.map(({ input, min, opt, max }) =>
    `"${input}" min ${shapeText(min)} opt ${shapeText(opt)} max ${shapeText(max)}`
  ).join("; ");
}

const targetsText = ({ targets, set_targets: set }: BuildPlan): string =>
  set.length === 0 || set[0] === 1 ? `the current GPU (${targets.join(", ")})` : targets.join(", ");

function optionsText(plan: BuildPlan): string {
  const options = {
    "optimization level": plan.optimization_level,
    "hardware compatibility": plan.hardware_compatibility,
    "tactic sources": plan.tactic_sources,
    "DLA core": plan.dla_core,
    "timing cache": plan.timing_cache,
    "force": plan.force ? "yes" : null,
  };
  const given = Object.entries(options).filter(([, value]) => value !== null);
  return given.length === 0 ? "none" : given.map(([name, value]) => `${name} ${value}`).join(", ");
}
