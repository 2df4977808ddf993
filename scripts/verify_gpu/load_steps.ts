/** Loads an engine in processes of their own, with and without kept kernels, and compares what it computes. */
import { join } from "node:path";
import { thisProgram } from "../../src/tensorrt/build/child/child_program.ts";
import { checkEngine, type EngineCheck } from "../../src/tensorrt/load/check_engine.ts";
import { LoadFailure } from "../../src/tensorrt/load/load_failure.ts";
import type { Precision } from "../../src/verify/limits.ts";
import { type Bench, errorsOf, planOf } from "./bench.ts";
import { tensorFrom } from "./compare.ts";
import { numbersStep, type PhotoLoad } from "./numbers_step.ts";
import type { ReferencePhoto } from "./reference.ts";
import type { StepReport } from "./report.ts";

/** Goal for a context that is made with the kernels of before. */
const WARM_CONTEXT_MS = 1000;

/** Only the runtime cache is to spare compilation, not the driver's own. */
const WITHOUT_DRIVER_CACHE = { CUDA_CACHE_DISABLE: "1" };

/** First compute capability whose f32 convolutions may be TF32. */
const TF32_SINCE = 8;

/** An engine, and the file that keeps TensorRT-RTX's kernels. */
interface Loads {
  readonly engine: EngineCheck["engine"];
  readonly kernels: string;
}

/** Cold and warm loads for each photo, and the numbers against ONNX Runtime. */
export async function loadSteps(
  bench: Bench,
  { engine, precision }: { engine: EngineCheck["engine"]; precision: Precision },
): Promise<StepReport[]> {
  const { reference } = bench;
  const loads = { engine, kernels: join(bench.folder, `${precision}.kernels`) };
  const note = precision === "f32" ? widthOf(bench) : "";
  try {
    const cold = [];
    for (const photo of reference.photos) cold.push(await load(bench, loads, { photo, warm: false }));
    const steps = [
      await numbersStep(`run ${precision} against ONNX Runtime`, { precision, reference, loads: cold, note }),
    ];
    if (cold[0]!.runtime_cache === null) return steps;
    const warm = [];
    for (const photo of reference.photos) warm.push(await load(bench, loads, { photo, warm: true }));
    return [
      ...steps,
      cacheStep(precision, cold, warm),
      await numbersStep(`run ${precision} with kept kernels`, { precision, reference, loads: warm, note }),
    ];
  } catch (failure) {
    if (!(failure instanceof LoadFailure)) throw failure;
    const { code, message, lines } = failure;
    return [{ name: `load ${precision}`, ok: false, detail: `${code}: ${message}`, data: { log: errorsOf(lines) } }];
  }
}

/** What f32 means to TensorRT: TF32 from 8.0 on, unless the environment forbids it to the builder and the runtime. */
function widthOf({ gpu }: Bench): string {
  if (Number(gpu.compute_capability) < TF32_SINCE) return "";
  const off = Deno.env.get("NVIDIA_TF32_OVERRIDE") === "0";
  return off ? "with TF32 off (NVIDIA_TF32_OVERRIDE=0): " : "with TF32, TensorRT's default: ";
}

async function load(
  bench: Bench,
  { engine, kernels }: Loads,
  { photo, warm }: { photo: ReferencePhoto; warm: boolean },
): Promise<PhotoLoad> {
  const inputs = Object.entries(photo.inputs);
  const run = {
    inputs: Object.fromEntries(inputs.map(([name, { file }]) => [name, file])),
    shapes: Object.fromEntries(inputs.map(([name, { dims }]) => [name, dims])),
    outputs: bench.folder,
    runs: bench.runs,
  };
  const runtimeCache = { read: warm ? { path: kernels, sha256: null } : null, write: `${kernels}.part` };
  const program = { ...thisProgram(), env: WITHOUT_DRIVER_CACHE };
  const begun = performance.now();
  const loaded = await checkEngine({ engine, plan: planOf(bench), shim: bench.shim, runtimeCache, run }, { program });
  const ms = Math.round(performance.now() - begun);
  if (loaded.runtime_cache !== null) await Deno.rename(`${kernels}.part`, kernels);
  const found: [string, ReturnType<typeof tensorFrom>][] = [];
  for (const { name, type, dims, file } of loaded.outputs) {
    found.push([name, tensorFrom(await Deno.readFile(file!), type, dims)]);
  }
  return { ...loaded, process_ms: ms, photo, found: Object.fromEntries(found) };
}

function cacheStep(precision: Precision, cold: readonly PhotoLoad[], warm: readonly PhotoLoad[]): StepReport {
  const contexts = (loads: readonly PhotoLoad[]) => loads.map(({ timings_ms }) => Math.round(timings_ms.context));
  const starts = (loads: readonly PhotoLoad[]) => loads.map(({ process_ms }) => process_ms).join(", ");
  const accepted = warm.every(({ runtime_cache: cache }) => cache?.accepted === true);
  const facts = ({ timings_ms, runtime_cache, process_ms, remarks }: PhotoLoad) => ({
    timings_ms,
    runtime_cache,
    process_ms,
    remarks,
  });
  return {
    name: `runtime cache, ${precision}`,
    ok: accepted && Math.max(...contexts(warm)) < WARM_CONTEXT_MS,
    detail: `context in ${contexts(cold).join(", ")} ms without, ${contexts(warm).join(", ")} ms with ` +
      `${cold[0]!.runtime_cache!.written_bytes} bytes of kernels${accepted ? "" : " (NOT accepted)"}; ` +
      `the whole process ${starts(cold)} against ${starts(warm)} ms`,
    data: { cold: cold.map(facts), warm: warm.map(facts) },
  };
}
