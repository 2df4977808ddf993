/** From what was probed to what can be used; pure. */
import { oneDevice } from "../config/device.ts";
import { type Candidate, chooseTensorRt } from "../tensorrt/discovery/discovery_choice.ts";
import type { SearchedFolder } from "../tensorrt/discovery/discovery.ts";
import type { AddonProbe, CudaProbe, TensorRtProbe } from "../tensorrt/probe/probe.ts";
import type { GpuFact } from "../tensorrt/probe/probe_messages.ts";
import { platformOf, selectedGpu } from "../tensorrt/request/machine_facts.ts";
import { supportVerdict } from "../tensorrt/support/support.ts";
import type { SupportQuestion } from "../tensorrt/support/support_case.ts";
import type { Platform, Precision } from "../tensorrt/support/support_table.ts";
import { familyOf, type Release, versionFromText, versionText } from "../tensorrt/versions.ts";
import {
  type DoctorFacts,
  type DoctorSettings,
  type PairFact,
  PRECISIONS,
  type SystemFacts,
  type TensorRtFact,
} from "./facts.ts";

export interface Gathered {
  readonly settings: DoctorSettings;
  readonly system: SystemFacts;
  readonly cuda: CudaProbe;
  readonly searched: readonly SearchedFolder[];
  readonly probes: readonly TensorRtProbe[];
  readonly onnxruntime: AddonProbe;
  readonly sharp: AddonProbe;
}

/** Adds verdicts and the choice to what was gathered. */
export function judge({ settings, system, cuda, searched, probes, onnxruntime, sharp }: Gathered): DoctorFacts {
  const platform = platformOf(system);
  const gpu = selectedGpu(oneDevice(settings.device), cuda.gpus);
  const tensorrt = probes.map((probe) => tensorRtFact(probe, cuda, platform, gpu));
  const choice = chooseTensorRt(tensorrt.map(candidateFrom), settings.tensorrt !== undefined);
  return { settings, system, platform, cuda, gpu, searched, tensorrt, choice, onnxruntime, sharp };
}

function tensorRtFact(
  probe: TensorRtProbe,
  cuda: CudaProbe,
  platform: Platform | null,
  gpu: number | null,
): TensorRtFact {
  const release = releaseOf(probe);
  const pairs = release === null || platform === null
    ? []
    : cuda.gpus.map((one) => pairFact(probe, release, one, cuda, platform));
  const verdict = pairs.find((pair) => pair.gpu === gpu)?.verdict;
  return { probe, release, pairs, refusal: refusalOf(probe, release) ?? verdict?.reason ?? null };
}

function releaseOf({ library, found }: TensorRtProbe): Release | null {
  const version = versionFromText(library?.version ?? found.version_by_name ?? "");
  return version === null ? null : { product: library?.product ?? found.product, version };
}

/** Why the library itself cannot be used, whatever the GPU. */
function refusalOf({ library, findings }: TensorRtProbe, release: Release | null): string | null {
  const blocking = findings.find(({ step, code }) =>
    step !== "parser" && step !== "plugins" && !(step === "self-check" && code === "GPU_UNAVAILABLE")
  );
  if (blocking !== undefined) return blocking.detail;
  if (library === null) return "It was not asked";
  return release !== null && familyOf(release).family === null && !library.forced ? "Its version is not known" : null;
}

function pairFact(
  { found }: TensorRtProbe,
  release: Release,
  gpu: GpuFact,
  cuda: CudaProbe,
  platform: Platform,
): PairFact {
  const question: SupportQuestion = {
    tensorrt: { product: release.product, version: versionText(release.version) },
    gpu: { name: gpu.name, computeCapability: gpu.compute_capability },
    platform,
    cuda: found.cuda,
    driver: cuda.driver?.release ?? null,
    driverCuda: cuda.driver?.cuda_version ?? null,
  };
  const precisions = Object.fromEntries(
    PRECISIONS.map((precision) => [precision, supportVerdict({ ...question, precision }).verdict]),
  ) as Record<Precision, PairFact["verdict"]["verdict"]>;
  return {
    gpu: gpu.index,
    verdict: supportVerdict(question),
    precisions,
    dla: supportVerdict({ ...question, precision: "fp16", dla: true }).verdict !== "impossible",
  };
}

function candidateFrom({ probe, release, refusal }: TensorRtFact): Candidate {
  const { found, library, parser } = probe;
  return {
    path: found.path,
    product: library?.product ?? found.product,
    kind: library?.kind ?? found.kind,
    version: release?.version ?? null,
    parser: parser !== null,
    origin: found.origin,
    via: found.via,
    refusal,
  };
}
