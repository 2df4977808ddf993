/** The JSON value of `trtd doctor --json`. */
import { type CheckResult } from "./check.ts";
import { runChecks } from "./checks.ts";
import type { DoctorFacts, PairFact, TensorRtFact } from "./facts.ts";
import type { DriverFact, GpuFact, RuntimeFact } from "../tensorrt/probe/probe_messages.ts";
import { familyOf, versionText } from "../tensorrt/versions.ts";

export interface DoctorReport {
  /** Whether no check failed. */
  readonly ok: boolean;
  readonly checks: readonly CheckResult[];
  readonly gpus: readonly ReportedGpu[];
  readonly tensorrt: readonly ReportedTensorRt[];
  readonly cuda: ReportedCuda;
  readonly backends: readonly ReportedBackend[];
}

export interface ReportedGpu extends GpuFact {
  /** Whether it is the one that would be used. */
  readonly selected: boolean;
}

export interface ReportedCuda {
  readonly driver: DriverFact | null;
  readonly runtime: RuntimeFact | null;
  /** Path of libtrtd, null when it cannot be used. */
  readonly shim: string | null;
  /** Release of Jetson Linux, null elsewhere. */
  readonly l4t: string | null;
  readonly problems: readonly Problem[];
}

export interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly remedy: string;
}

export interface ReportedTensorRt {
  readonly path: string;
  readonly real_path: string;
  readonly product: string;
  readonly kind: string;
  /** Null when neither the library nor its file name tells. */
  readonly version: string | null;
  /** Row of the slot table, null for a version that has none. */
  readonly family: string | null;
  /** CUDA that it was built for, as its package says. */
  readonly cuda: string | null;
  readonly package: string | null;
  readonly evidence: string | null;
  /** Number of getters of the self-check that gave the known answer, null when it did not run or failed. */
  readonly self_check: number | null;
  readonly parser: string | null;
  readonly plugins: string | null;
  /** Null without a plugin library. */
  readonly efficient_nms: boolean | null;
  readonly origin: string;
  readonly via: string;
  readonly also_via: readonly string[];
  /** Whether it is the one that would be used, and why it cannot be. */
  readonly chosen: boolean;
  readonly refusal: string | null;
  readonly problems: readonly Problem[];
  readonly gpus: readonly ReportedPair[];
}

export interface ReportedPair {
  readonly index: number;
  readonly verdict: PairFact["verdict"]["verdict"];
  readonly code: string | null;
  readonly reason: string | null;
  readonly remedy: string | null;
  readonly remarks: readonly { readonly id: string; readonly text: string }[];
  readonly precisions: PairFact["precisions"];
  readonly dla: boolean;
  readonly source: string | null;
}

export interface ReportedBackend {
  readonly name: "tensorrt" | "onnxruntime";
  readonly usable: boolean;
  readonly version: string | null;
  /** Why not, null when usable. */
  readonly reason: string | null;
}

/** Runs the checks and puts everything together. */
export function doctorReport(facts: DoctorFacts): DoctorReport {
  const checks = runChecks(facts);
  const { cuda, gpu, system } = facts;
  return {
    ok: checks.every(({ status }) => status !== "fail"),
    checks,
    gpus: cuda.gpus.map((one) => ({ ...one, selected: one.index === gpu })),
    tensorrt: facts.tensorrt.map((one, index) => reportedTensorRt(one, index === facts.choice.index)),
    cuda: {
      driver: cuda.driver,
      runtime: cuda.runtime,
      shim: cuda.shim,
      l4t: system.l4t,
      problems: cuda.findings.map(problemFrom),
    },
    backends: [tensorRtBackend(facts), onnxRuntimeBackend(facts)],
  };
}

const problemFrom = ({ code, detail, remedy }: Problem): Problem => ({ code, detail, remedy });

function reportedTensorRt({ probe, release, refusal, pairs }: TensorRtFact, chosen: boolean): ReportedTensorRt {
  const { found, library } = probe;
  return {
    path: found.path,
    real_path: library?.path ?? found.real_path,
    product: library?.product ?? found.product,
    kind: library?.kind ?? found.kind,
    version: library?.version ?? (release === null ? null : versionText(release.version)),
    family: release === null ? null : familyOf(release).family,
    cuda: found.cuda,
    package: found.package,
    evidence: library?.evidence ?? null,
    self_check: probe.self_check?.checks ?? null,
    parser: probe.parser ?? found.parser,
    plugins: probe.plugins?.path ?? found.plugins,
    efficient_nms: probe.plugins?.efficient_nms ?? null,
    origin: found.origin,
    via: found.via,
    also_via: found.also_via,
    chosen,
    refusal,
    problems: probe.findings.map(problemFrom),
    gpus: pairs.map(({ gpu, verdict, precisions, dla }) => ({
      index: gpu,
      verdict: verdict.verdict,
      code: verdict.code,
      reason: verdict.reason,
      remedy: verdict.remedy,
      remarks: verdict.remarks,
      precisions,
      dla,
      source: verdict.source,
    })),
  };
}

function tensorRtBackend({ choice, tensorrt, gpu }: DoctorFacts): ReportedBackend {
  const one = choice.index === null ? null : tensorrt[choice.index]!;
  const release = one?.release ?? null;
  const version = release === null ? null : versionText(release.version);
  const reason = one === null ? choice.reason : gpu === null ? "No GPU can be used" : null;
  return { name: "tensorrt", usable: reason === null, version, reason };
}

function onnxRuntimeBackend({ onnxruntime }: DoctorFacts): ReportedBackend {
  const { version, findings } = onnxruntime;
  return {
    name: "onnxruntime",
    usable: version !== null,
    version,
    reason: version === null ? findings[0]?.detail ?? "It did not answer" : null,
  };
}
