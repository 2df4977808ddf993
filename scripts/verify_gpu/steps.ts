/** What is tried with one TensorRT. */
import { join } from "node:path";
import { checkEngine, type EngineCheck } from "../../src/tensorrt/load/check_engine.ts";
import { LoadFailure } from "../../src/tensorrt/load/load_failure.ts";
import { planProducer, readPlanHeader } from "../../src/tensorrt/engine_file/plan_header.ts";
import { PRODUCT_NAMES } from "../../src/tensorrt/versions.ts";
import { type Bench, digestOf, errorsOf, planOf } from "./bench.ts";
import { type Answer, buildEngine, trtd } from "./commands.ts";
import { loadSteps } from "./load_steps.ts";
import type { StepReport } from "./report.ts";

/** An engine that other libraries are given to refuse. */
export interface KeptEngine {
  readonly path: string;
  readonly sha256: string;
  /** Core library that built it, null when unknown. */
  readonly core: string | null;
  /** Product and version. */
  readonly library: string;
}

type Tell = (step: StepReport) => void;

/** Probe and doctor: of every library. */
export async function verifyRuntime({ probe, folder }: Bench, tell: Tell): Promise<StepReport[]> {
  const told = teller(tell);
  const { library, self_check: check, findings } = probe;
  const version = library === null ? "not loaded" : `${library.version}, evidence ${library.evidence}`;
  told({
    name: "probe and self-check",
    ok: library !== null && check !== null && findings.length === 0,
    detail: check === null
      ? `${version}: ${findings.map(({ detail }) => detail).join("; ")}`
      : `${version}; ${check.checks} getters gave the known answer`,
    data: { library, self_check: check, findings, ms: Math.round(probe.ms) },
  });
  const doctor = await trtd(["doctor", "--json", "--tensorrt", probe.found.path]);
  const checks = (doctor.json?.["checks"] ?? []) as { id: string; status: string; detail: string }[];
  await Deno.writeTextFile(join(folder, "doctor.json"), JSON.stringify(doctor.json, null, 1));
  const unwell = checks.filter(({ status }) => status !== "ok");
  told({
    name: "doctor",
    // A pair that cannot work is a failure that doctor must tell.
    ok: checks.length >= 15,
    detail: `${checks.length} checks in ${doctor.ms} ms; ${
      unwell.length === 0 ? "all fine" : unwell.map(({ id, status }) => `${status} ${id}`).join(", ")
    }`,
    data: { ms: doctor.ms, exit: doctor.code, unwell },
  });
  return told.steps;
}

/** Build, cache, load, run: of a library with a builder. */
export async function verifyBuilder(
  bench: Bench,
  tell: Tell,
): Promise<{ steps: StepReport[]; kept: KeptEngine | null }> {
  const told = teller(tell);
  const [wanted = "f32"] = bench.precisions;
  const first = await buildEngine(bench, { precision: wanted });
  if (first.json?.["error"] !== undefined) {
    told(
      refusedStep("build refused before the builder is touched", first, ["GPU_UNSUPPORTED", "TENSORRT_UNSUPPORTED"]),
    );
    told(await forced(bench, await buildEngine(bench, { precision: wanted, force: true })));
    return { steps: told.steps, kept: null };
  }
  let kept: KeptEngine | null = null;
  for (const [at, precision] of bench.precisions.entries()) {
    const built = at === 0 ? first : await buildEngine(bench, { precision });
    const step = builtStep(`build ${precision}`, built, "built");
    told(step);
    if (!step.ok) continue;
    told(builtStep(`second start, ${precision}`, await buildEngine(bench, { precision }), "hit"));
    const engine = { path: String(built.json!["engine"]), sha256: await digestOf(String(built.json!["engine"])) };
    for (const step of await loadSteps(bench, { engine, precision })) told(step);
    const { product, version } = bench.probe.library!;
    kept ??= { ...engine, core: bench.probe.found.path, library: `${PRODUCT_NAMES[product]} ${version}` };
  }
  return { steps: told.steps, kept };
}

/** An engine by its path. @throws {TrtdError} `ENGINE_NOT_A_PLAN`, `ENGINE_CORRUPT` */
export async function engineAt(path: string): Promise<KeptEngine> {
  const bytes = await Deno.readFile(path);
  return { path, sha256: await digestOf(path), core: null, library: planProducer(readPlanHeader(bytes)) };
}

/** An engine of another TensorRT must be refused with the cause; a TensorRT that refuses the GPU may say that first. */
export async function foreignSteps(bench: Bench, kept: KeptEngine, tell: Tell): Promise<StepReport[]> {
  const told = teller(tell);
  const check = { engine: { path: kept.path, sha256: kept.sha256 }, plan: planOf(bench), shim: bench.shim };
  told(
    await refusedLoad(`engine of ${kept.library} refused`, check, [
      "ENGINE_INCOMPATIBLE",
      "ENGINE_NOT_A_PLAN",
      ...bench.impossible ? ["GPU_UNSUPPORTED"] : [],
    ]),
  );
  const cut = join(bench.folder, "cut.engine");
  const bytes = await Deno.readFile(kept.path);
  await Deno.writeFile(cut, bytes.subarray(0, bytes.length >> 1));
  const engine = { path: cut, sha256: await digestOf(cut) };
  told(
    await refusedLoad("half an engine refused", { ...check, engine }, [
      "ENGINE_INCOMPATIBLE",
      "ENGINE_NOT_A_PLAN",
      "ENGINE_CORRUPT",
    ]),
  );
  return told.steps;
}

/** What `--force` comes to where the table says that the pair cannot work. */
async function forced(bench: Bench, built: Answer): Promise<StepReport> {
  const name = "build with --force";
  if (built.json?.["error"] !== undefined) {
    return refusedStep(`${name} fails and is explained`, built, [
      "ENGINE_INCOMPATIBLE",
      "GPU_UNSUPPORTED",
      "BUILD_FAILED",
    ]);
  }
  const path = built.json?.["engine"];
  if (typeof path !== "string") return { name, ok: false, detail: `It said nothing: ${built.said}`, data: {} };
  const engine = { path, sha256: await digestOf(path) };
  return await refusedLoad(`${name} builds, loading is refused and explained`, {
    engine,
    plan: planOf(bench),
    shim: bench.shim,
  }, ["ENGINE_INCOMPATIBLE", "GPU_UNSUPPORTED"]);
}

async function refusedLoad(name: string, check: EngineCheck, codes: readonly string[]): Promise<StepReport> {
  try {
    const load = await checkEngine(check);
    return { name, ok: false, detail: "It was loaded", data: { load } };
  } catch (failure) {
    if (!(failure instanceof LoadFailure)) throw failure;
    const { code, message, remedy, explanation, lines } = failure;
    return {
      name,
      ok: codes.includes(code) && explanation?.known === true,
      detail: `${code}: ${withoutPaths(message)}; ${remedy}`,
      data: { code, message, remedy, row: explanation?.id ?? null, log: errorsOf(lines) },
    };
  }
}

function refusedStep(name: string, { json, code }: Answer, codes: readonly string[]): StepReport {
  const error = json?.["error"] as { code: string; detail: string; remedy: string } | undefined;
  const explanation = json?.["explanation"] as { known?: boolean; id?: string; errors?: string[] } | null | undefined;
  return {
    name,
    ok: error !== undefined && codes.includes(error.code),
    detail: error === undefined
      ? "It was not refused"
      : `${error.code}: ${withoutPaths(error.detail)}; ${error.remedy}`,
    data: { exit: code, error, row: explanation?.id ?? null, log: explanation?.errors ?? [] },
  };
}

function builtStep(name: string, { json, ms, said, code }: Answer, cache: "built" | "hit"): StepReport {
  if (json === null || json["error"] !== undefined) {
    const error = json?.["error"] as { code: string; detail: string } | undefined;
    return {
      name,
      ok: false,
      detail: error === undefined ? said : `${error.code}: ${error.detail}`,
      data: { exit: code, json },
    };
  }
  const report = json["report"] as { bytes: number; build_s: number; layers: number };
  const detail = cache === "built"
    ? `${
      (report.bytes / 1e6).toFixed(1)
    } MB, ${report.layers} layers, built in ${report.build_s} s, the whole command ${ms} ms`
    : `${json["cache"]}: the whole command ${ms} ms`;
  return { name, ok: json["cache"] === cache, detail, data: { wall_ms: ms, answer: json } };
}

const withoutPaths = (text: string): string => text.replaceAll(/"\/[^"]*\/([^"/]+)"/g, '"$1"');

function teller(tell: Tell) {
  const steps: StepReport[] = [];
  return Object.assign((step: StepReport) => {
    steps.push(step);
    tell(step);
  }, { steps });
}
