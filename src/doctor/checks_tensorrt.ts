/** Checks of the TensorRT libraries and of the pairs that they make with the GPUs. */
import type { RemarkId } from "../tensorrt/support/support_case.ts";
import { FAMILIES, familyOf, releaseText } from "../tensorrt/versions.ts";
import { type CheckRow, lack, ok, type Verdict } from "./check.ts";
import { label, usedGpu } from "./checks_gpu.ts";
import type { DoctorFacts, TensorRtFact } from "./facts.ts";

export const TENSORRT_CHECKS: readonly CheckRow[] = [
  {
    id: "tensorrt-search",
    remedy: "Name the folder of TensorRT's libraries with --tensorrt DIR",
    judge({ searched, settings, tensorrt }) {
      const places = searched.map(({ via, folder, found }) => `${folder} (${via}: ${found})`).join(", ");
      if (settings.tensorrt !== undefined && !tensorrt.some(({ probe }) => probe.found.origin === "named")) {
        return { status: "fail", detail: `"${settings.tensorrt}" (--tensorrt) holds no TensorRT library` };
      }
      return ok(places === "" ? "No folder to look into exists" : `Looked into ${places}`);
    },
  },
  {
    id: "tensorrt",
    remedy:
      "Install TensorRT or TensorRT-RTX, or name its folder with --tensorrt DIR; until then detection runs on the CPU",
    judge(facts) {
      const { choice, tensorrt, settings, gpu } = facts;
      if (choice.index !== null) {
        const passed = choice.passed.map(({ index, reason }) => `; not ${nameOf(tensorrt[index]!)}: ${lower(reason)}`);
        return ok(`${choice.reason} ("${tensorrt[choice.index]!.probe.found.path}")${passed.join("")}`);
      }
      if (facts.cuda.shim === null) return lack(facts, choice.reason);
      if (choice.passed.length === 0) {
        return settings.tensorrt === undefined ? lack(facts, choice.reason) : { status: "fail", detail: choice.reason };
      }
      const remedy = firstRemedy(facts);
      const broken = settings.tensorrt !== undefined || gpu !== null;
      const detail = `${choice.reason}: ${choice.passed.map(({ reason }) => lower(reason)).join("; ")}`;
      return broken ? { status: "fail", detail, ...remedy } : lack(facts, detail, remedy.remedy);
    },
  },
  {
    id: "tensorrt-libraries",
    remedy: "Install the named TensorRT again, or remove what is left of it",
    judge(facts) {
      const { tensorrt, choice, settings } = facts;
      if (tensorrt.length === 0) return ok(NONE);
      if (facts.cuda.shim === null) return notAsked(tensorrt.filter(({ probe }) => probe.found.problem !== null));
      const broken = tensorrt.filter(({ probe }) => probe.library === null);
      if (broken.length === 0) return ok(`${tensorrt.length === 1 ? "It loads" : `All ${tensorrt.length} load`}`);
      const [first] = broken[0]!.probe.findings;
      return {
        status: choice.index === null && settings.tensorrt !== undefined ? "fail" : "warn",
        detail: broken.map(({ probe }) => probe.findings[0]?.detail ?? `"${probe.found.path}" did not answer`).join(
          "; ",
        ),
        ...(first === undefined ? {} : { remedy: first.remedy }),
      };
    },
  },
  {
    id: "tensorrt-family",
    remedy: "Install TensorRT 8.5 to 11.x or TensorRT-RTX 1.3 to 1.7",
    judge({ tensorrt }) {
      const known = tensorrt.filter(({ release }) => release !== null);
      if (known.length === 0) return ok(NONE);
      const strange = known.filter(({ release }) => !familyOf(release!).known);
      if (strange.length > 0) {
        const drives = `${FAMILIES[0]!.from} to ${FAMILIES.findLast(({ product }) => product === "tensorrt")!.to}`;
        return {
          status: "warn",
          detail: `trtd's tables do not have ${strange.map(nameOf).join(", ")} (TensorRT ${drives} are known)`,
        };
      }
      return ok(known.map((one) => `${nameOf(one)} is of family ${familyOf(one.release!).family}`).join("; "));
    },
  },
  {
    id: "tensorrt-verified",
    remedy: "Use a verified release, or run trtd doctor where a driver is, so that the self-check can run",
    judge({ tensorrt, choice }) {
      const loaded = tensorrt.filter(({ probe }) => probe.library !== null);
      if (loaded.length === 0) return ok(NONE);
      const wrong = loaded.filter(({ probe }) =>
        probe.findings.some(({ step, code }) => step === "self-check" && code !== "GPU_UNAVAILABLE")
      );
      if (wrong.length > 0) {
        const failure = wrong[0]!.probe.findings.find(({ step }) => step === "self-check")!;
        return {
          status: choice.index === null ? "fail" : "warn",
          detail: `${nameOf(wrong[0]!)} failed the self-check: ${failure.detail}`,
          remedy: failure.remedy,
        };
      }
      const unchecked = loaded.filter(({ probe }) => probe.library!.evidence === "none" && probe.self_check === null);
      if (unchecked.length > 0) {
        return {
          status: "warn",
          detail: `${unchecked.map(nameOf).join(", ")} is not on the verified list, and the self-check could not run`,
        };
      }
      return ok(loaded.map(trustText).join("; "));
    },
  },
  {
    id: "tensorrt-parser",
    remedy: "Install TensorRT's ONNX parser (Debian: libnvonnxparsers) beside it: without it no engine can be built",
    judge(facts) {
      const one = chosen(facts);
      if (one === null) return ok(NOT_USED);
      const { parser, found, library, findings } = one.probe;
      if ((library?.kind ?? found.kind) !== "full") {
        return lack(facts, `${nameOf(one)} is a ${library?.kind} library: it runs engines and cannot build them`);
      }
      const failure = findings.find(({ step }) => step === "parser");
      if (failure !== undefined) return lack(facts, failure.detail, failure.remedy);
      return parser === null
        ? lack(facts, `${nameOf(one)} has no ONNX parser beside it`)
        : ok(`The parser is "${parser}"`);
    },
  },
  {
    id: "tensorrt-plugins",
    remedy:
      "Install TensorRT's plugin library (Debian: libnvinfer-plugin) beside it: models that keep EfficientNMS_TRT need it",
    judge(facts) {
      const one = chosen(facts);
      if (one === null) return ok(NOT_USED);
      const { plugins, findings, found, library } = one.probe;
      if (found.product === "tensorrt-rtx" || library?.kind !== "full") {
        return ok(`${nameOf(one)} has no plugin library: EfficientNMS_TRT is not there`);
      }
      const failure = findings.find(({ step }) => step === "plugins");
      if (failure !== undefined) return { status: "warn", detail: failure.detail, remedy: failure.remedy };
      if (plugins === null) return { status: "warn", detail: `${nameOf(one)} has no plugin library beside it` };
      if (plugins.efficient_nms) return ok(`EfficientNMS_TRT is in "${plugins.path}"`);
      return { status: "warn", detail: `EfficientNMS_TRT is not in "${plugins.path}"` };
    },
  },
  {
    id: "tensorrt-gpu",
    remedy: "Look the pair up in docs/tensorrt-gpu-support.md",
    judge: pairVerdict,
  },
  {
    id: "driver-cuda",
    remedy: "Update the NVIDIA driver, or install TensorRT built for an older CUDA",
    judge(facts) {
      const gpu = usedGpu(facts);
      const one = chosen(facts);
      if (gpu === null) return ok("There is no GPU, so no driver has to fit");
      const pairs = facts.tensorrt.map((fact) => ({ fact, verdict: verdictOn(fact, gpu.index) }));
      const old = pairs.find(({ verdict }) => verdict?.code === "DRIVER_TOO_OLD");
      if (one === null && old !== undefined) {
        return { status: "fail", detail: old.verdict!.reason!, remedy: old.verdict!.remedy! };
      }
      if (one === null) return ok(NOT_USED);
      const remark = verdictOn(one, gpu.index)?.remarks.find(({ id }) => id === "driver-older-than-toolkit");
      if (remark !== undefined) return { status: "warn", detail: remark.text };
      return ok(`The driver's CUDA ${facts.cuda.driver?.cuda_version ?? "(unknown)"} is enough for ${nameOf(one)}`);
    },
  },
  {
    id: "precision-fp16",
    remedy: "Build with --precision f32 on this GPU",
    judge(facts) {
      const gpu = usedGpu(facts);
      const one = chosen(facts);
      if (gpu === null || one === null) return ok(NOT_USED);
      const pair = one.pairs.find((candidate) => candidate.gpu === gpu.index);
      const can = Object.entries(pair?.precisions ?? {}).filter(([, verdict]) => verdict !== "impossible")
        .map(([precision]) => precision).join(", ");
      if (pair?.precisions.fp16 === "impossible") {
        return { status: "warn", detail: `${label(gpu)} cannot compute in fp16 with ${nameOf(one)}, only ${can}` };
      }
      return ok(`${nameOf(one)} computes ${can}${pair?.dla ? ", and has a DLA" : ""} on GPU ${gpu.index}`);
    },
  },
];

const NONE = "There is no TensorRT to check";
const NOT_USED = "No TensorRT is used here";

/** Remarks that do not put the pair in question. */
const HARMLESS: readonly RemarkId[] = ["tf32-off", "note", "cuda-build", "precision-in-model", "int8-weights-only"];

function pairVerdict(facts: DoctorFacts): Verdict {
  const gpu = usedGpu(facts);
  const one = chosen(facts);
  const judged = facts.tensorrt.filter(({ pairs }) => pairs.length > 0);
  if (gpu === null) return ok("There is no GPU to pair with");
  if (judged.length === 0) return ok(NONE);
  if (one === null) {
    const bad = judged.map((fact) => verdictOn(fact, gpu.index)).find((verdict) => verdict?.verdict === "impossible");
    if (bad === undefined || bad === null) return ok(NOT_USED);
    return { status: "fail", detail: bad.reason!, remedy: bad.remedy! };
  }
  const verdict = verdictOn(one, gpu.index)!;
  const doubts = verdict.remarks.filter(({ id }) => !HARMLESS.includes(id));
  const notes = verdict.remarks.map(({ text }) => `; ${lower(text)}`).join("");
  const detail = `${nameOf(one)} supports ${label(gpu)}${notes}`;
  return doubts.length === 0 ? ok(detail) : { status: "warn", detail };
}

const verdictOn = ({ pairs }: TensorRtFact, gpu: number) => pairs.find((pair) => pair.gpu === gpu)?.verdict ?? null;

const chosen = ({ choice, tensorrt }: DoctorFacts): TensorRtFact | null =>
  choice.index === null ? null : tensorrt[choice.index]!;

const nameOf = ({ release, probe }: TensorRtFact): string =>
  release === null ? `"${probe.found.path}"` : releaseText(release);

/** A sentence as a part of another: a name or an acronym keeps its capital. */
const lower = (text: string): string =>
  text.replace(/^(It|No|None|The|This|Support|Its)\b/, (word) => word.toLowerCase());

function trustText(one: TensorRtFact): string {
  const { evidence } = one.probe.library!;
  const checks = one.probe.self_check?.checks;
  const passed = checks === undefined
    ? ""
    : `${evidence === "none" ? "" : " and "}passed the self-check (${checks} answers)`;
  const trusted = evidence === "run"
    ? "was run before"
    : evidence === "headers"
    ? "was compared with NVIDIA's headers"
    : "";
  return `${nameOf(one)} ${trusted}${passed}`;
}

/** The remedy of the first library that was passed over. */
function firstRemedy(facts: DoctorFacts): { remedy?: string } {
  const first = facts.choice.passed[0];
  if (first === undefined) return {};
  const fact = facts.tensorrt[first.index]!;
  const verdict = facts.gpu === null ? null : verdictOn(fact, facts.gpu);
  const remedy = fact.probe.findings.find(({ detail }) => detail === first.reason)?.remedy ?? verdict?.remedy;
  return remedy === undefined || remedy === null ? {} : { remedy };
}

function notAsked(broken: readonly TensorRtFact[]): Verdict {
  if (broken.length === 0) return ok("Not loaded, because libtrtd is missing");
  return { status: "warn", detail: broken.map(({ probe }) => probe.found.problem!.detail).join("; ") };
}
