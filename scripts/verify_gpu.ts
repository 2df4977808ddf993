/**
 * Shows on a machine with a GPU that each TensorRT there does what trtd says of it: it is probed, builds the default
 * model, loads it in another process, and computes what ONNX Runtime computes; what cannot work is refused and explained.
 *
 *     deno task verify:gpu [--tensorrt DIR]... [--model NAME|PATH] [--photo FILE]... [--precision f32|fp16]... [--runs N]
 *         [--foreign ENGINE] [--device INDEX] [--out FOLDER]
 *
 * Without `--tensorrt` every TensorRT that is found is tried, without `--photo` the default model's photos, without
 * `--precision` both. Each TensorRT must refuse ENGINE, or else what the first one built.
 * FOLDER (default: verified) gets report.json, sections.md for docs/verified.md, and the logs. The exit status is 0 when
 * all went as it should, 1 when not, 3 without a GPU.
 */
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { l4tFromRelease, platformOf } from "../src/tensorrt/request/machine_facts.ts";
import type { Model } from "../src/models/model.ts";
import { bundledPhoto, findModel } from "../src/models/registry.ts";
import { discoverTensorRt } from "../src/tensorrt/discovery/discovery.ts";
import { probeCuda, probeTensorRt, type TensorRtProbe } from "../src/tensorrt/probe/probe.ts";
import type { GpuFact } from "../src/tensorrt/probe/probe_messages.ts";
import { probeCommand } from "../src/tensorrt/probe/probe_command.ts";
import { supportVerdict } from "../src/tensorrt/support/support.ts";
import { VERSION } from "../src/version.ts";
import type { Bench } from "./verify_gpu/bench.ts";
import { referenceFor } from "./verify_gpu/reference.ts";
import { sectionsFrom } from "./verify_gpu/sections.ts";
import { engineAt, foreignSteps, type KeptEngine, verifyBuilder, verifyRuntime } from "./verify_gpu/steps.ts";
import type { LibraryReport, VerifyReport } from "./verify_gpu/report.ts";

/** Where Jetson Linux says its release. */
const JETSON_RELEASE = "/etc/nv_tegra_release";

const { values } = parseArgs({
  options: {
    tensorrt: { type: "string", multiple: true, default: [] },
    model: { type: "string", default: "codes" },
    out: { type: "string", default: "verified" },
    device: { type: "string", default: "0" },
    foreign: { type: "string" },
    photo: { type: "string", multiple: true, default: [] },
    precision: { type: "string", multiple: true, default: ["f32", "fp16"] },
    runs: { type: "string", default: "200" },
  },
});

const out = resolve(values.out);
await Deno.mkdir(out, { recursive: true });
const cuda = await probeCuda({ command: probeCommand });
const gpu = cuda.gpus.find(({ index }) => String(index) === values.device);
if (gpu === undefined || cuda.shim === null) {
  const reason = cuda.findings[0]?.detail ?? `There is no device ${values.device}`;
  console.error(`Nothing was verified: ${reason}`);
  Deno.exit(3);
}

const begun = new Date();
const model = await copied(await findModel(values.model, resolve("models")));
const reference = await referenceFor(model, photos(), out);
const bench: Omit<Bench, "folder" | "probe" | "impossible"> = {
  shim: cuda.shim,
  gpu,
  reference,
  precisions: (["f32", "fp16"] as const).filter((precision) => values.precision.includes(precision)),
  runs: Number(values.runs),
};
const libraries: LibraryReport[] = [];
let kept: KeptEngine | null = values.foreign === undefined ? null : await engineAt(resolve(values.foreign));
for (const probe of await probes()) {
  const name = probe.library === null ? probe.found.path : `${probe.library.product}-${probe.library.version}`;
  const folder = join(out, name.replaceAll(/[^\w.-]+/g, "-"));
  await Deno.mkdir(folder, { recursive: true });
  const its: Bench = { ...bench, folder, probe, impossible: isImpossible(probe, gpu) };
  say(`${name} (${probe.library?.kind ?? "not loaded"})`);
  const steps = await verifyRuntime(its, tell);
  if (probe.library?.kind === "full") {
    const built = await verifyBuilder(its, tell);
    steps.push(...built.steps);
    kept ??= built.kept;
  }
  libraries.push({
    path: probe.found.path,
    product: probe.library?.product ?? null,
    version: probe.library?.version ?? null,
    kind: probe.library?.kind ?? null,
    steps,
  });
  if (kept !== null && kept.core !== probe.found.path && probe.library !== null) {
    steps.push(...await foreignSteps(its, kept, tell));
  }
}

const report: VerifyReport = {
  trtd: VERSION,
  date: begun.toISOString(),
  gpu: { name: gpu.name, compute_capability: gpu.compute_capability, memory_total: gpu.memory_total },
  driver: cuda.driver?.release ?? null,
  driver_cuda: cuda.driver?.cuda_version ?? null,
  model: { name: model.name, sha256: reference.modelSha256 },
  ok: libraries.length > 0 && libraries.every(({ steps }) => steps.every(({ ok }) => ok)),
  seconds: Math.round((Date.now() - begun.getTime()) / 1000),
  libraries,
};
await Deno.writeTextFile(join(out, "report.json"), JSON.stringify(report, null, 1) + "\n");
await Deno.writeTextFile(join(out, "sections.md"), sectionsFrom(report));
console.log(`${report.ok ? "All as it should be" : "NOT all as it should be"}, ${report.seconds} s; see ${out}`);
Deno.exit(report.ok ? 0 : 1);

/** A model of its own: what is derived from it lands beside it. */
async function copied(model: Model): Promise<Model> {
  const path = join(out, basename(model.path));
  await Deno.copyFile(model.path, path);
  return { ...model, path };
}

function photos(): string[] {
  if (values.photo.length > 0) return values.photo.map((path) => resolve(path));
  const folder = dirname(bundledPhoto());
  return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".jpg")).sort()
    .map((name) => join(folder, name));
}

/** Whether the support table refuses the pair. */
function isImpossible({ found, library }: TensorRtProbe, gpu: GpuFact): boolean {
  const release = existsSync(JETSON_RELEASE) ? Deno.readTextFileSync(JETSON_RELEASE) : "";
  const platform = platformOf({ os: Deno.build.os, architecture: Deno.build.arch, l4t: l4tFromRelease(release) });
  if (library === null || platform === null) return false;
  const verdict = supportVerdict({
    tensorrt: library,
    gpu: { name: gpu.name, computeCapability: gpu.compute_capability },
    platform,
    cuda: found.cuda,
    driver: cuda.driver?.release ?? null,
    driverCuda: cuda.driver?.cuda_version ?? null,
  });
  return verdict.code === "GPU_UNSUPPORTED";
}

async function probes(): Promise<TensorRtProbe[]> {
  const named = values.tensorrt.length === 0 ? [undefined] : values.tensorrt.map((folder) => resolve(folder));
  const found = named.flatMap((folder) =>
    discoverTensorRt(folder).libraries.filter(({ origin }) => folder === undefined || origin === "named")
  );
  const all = [];
  for (const one of found) all.push(await probeTensorRt(one, { command: probeCommand, selfCheck: true }));
  return all;
}

function say(line: string): void {
  console.log(line);
}

function tell({ name, ok, detail }: { name: string; ok: boolean; detail: string }): void {
  say(`  ${ok ? "ok  " : "FAIL"} ${name}: ${detail}`);
}
