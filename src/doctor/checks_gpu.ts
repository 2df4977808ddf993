/** Checks of driver and GPU. */
import { deviceChoice } from "../config/device.ts";
import { capabilityRow, jetPackOf } from "../tensorrt/support/install_advice.ts";
import type { Finding } from "../tensorrt/probe/probe_findings.ts";
import type { GpuFact } from "../tensorrt/probe/probe_messages.ts";
import { selectedGpu } from "../tensorrt/request/machine_facts.ts";
import { type CheckRow, lack, ok, sizeText, type Verdict } from "./check.ts";
import type { DoctorFacts } from "./facts.ts";

/** Rule of thumb for building and running a detector of YOLOv8s' size, no limit of TensorRT. */
const GPU_MEMORY_BYTES = 1e9;
/** CUresult of a driver that shows no device. Source: cuda.h. */
const NO_DEVICE = 100;

const CONTAINER = "In a container, start it with --gpus all (Jetson: --runtime nvidia)";

export const GPU_CHECKS: readonly CheckRow[] = [
  {
    id: "driver",
    remedy: `Install the NVIDIA driver. ${CONTAINER}. Without a GPU, detection runs on the CPU`,
    judge(facts) {
      const { driver, findings, shim } = facts.cuda;
      if (driver !== null) {
        return ok(`The NVIDIA driver ${driver.release ?? "(release unknown)"} runs, CUDA ${driver.cuda_version}`);
      }
      if (shim === null) return ok("Not asked, because libtrtd is missing");
      const failure = findings.find(({ step }) => step === "driver" || step === null);
      if (failure === undefined) return lack(facts, "The NVIDIA driver did not answer");
      return driverFailure(facts, failure);
    },
  },
  {
    id: "gpu",
    remedy: `Check that nvidia-smi shows the GPU. ${CONTAINER}. Without a GPU, detection runs on the CPU`,
    judge(facts) {
      const { settings, gpu, cuda } = facts;
      const choice = deviceChoice(settings.device);
      const lost = typeof choice === "string"
        ? undefined
        : choice.find((name) => selectedGpu(name, cuda.gpus) === null);
      if (lost !== undefined) {
        const there = cuda.gpus.length === 0 ? "there is none" : `there are ${cuda.gpus.map(label).join(", ")}`;
        return {
          status: "fail",
          detail: `No GPU is "${lost}" (--device): ${there}`,
          remedy: "Give --device the index or the UUID of a GPU that is there",
        };
      }
      if (gpu === null) return lack(facts, "No GPU can be used: detection runs on the CPU");
      const more = choice === "first" ? 0 : (choice === "all" ? cuda.gpus : choice).length - 1;
      const used = cuda.gpus.length > 1 ? `; ${gpu} is used${more > 0 ? `, by trtd serve ${more} more` : ""}` : "";
      return ok(cuda.gpus.map(label).join(", ") + used);
    },
  },
  {
    id: "gpu-answers",
    remedy: "Check with nvidia-smi that the GPU is healthy and not used exclusively; restart the driver",
    judge({ cuda }) {
      const failure = cuda.findings.find(({ step }) => step === "device");
      if (failure !== undefined) return { status: "fail", detail: failure.detail, remedy: failure.remedy };
      return ok(cuda.gpus.length === 0 ? withoutGpu("ask") : "Every GPU tells its facts");
    },
  },
  {
    id: "compute-capability",
    remedy: "Update trtd: its tables do not know this GPU yet",
    judge({ cuda }) {
      if (cuda.gpus.length === 0) return ok(withoutGpu("look up"));
      const unknown = cuda.gpus.filter((one) => capabilityRow(one.compute_capability) === null);
      if (unknown.length > 0) {
        return { status: "warn", detail: `trtd does not know ${unknown.map(label).join(", ")}` };
      }
      return ok(
        cuda.gpus.map((one) => `${one.compute_capability} is ${capabilityRow(one.compute_capability)!.devices}`).join(
          "; ",
        ),
      );
    },
  },
  {
    id: "gpu-memory",
    remedy: `Free GPU memory (nvidia-smi shows who holds it): a build should find ${sizeText(GPU_MEMORY_BYTES)}`,
    judge(facts) {
      const one = usedGpu(facts);
      if (one === null) return ok(withoutGpu("measure"));
      if (one.memory_free === null) {
        return {
          status: "warn",
          detail: `Free memory of GPU ${one.index} cannot be asked: no context can be made on it`,
        };
      }
      const text = `${sizeText(one.memory_free)} of ${sizeText(one.memory_total)} free on GPU ${one.index}`;
      return one.memory_free >= GPU_MEMORY_BYTES ? ok(text) : { status: "warn", detail: text };
    },
  },
  {
    id: "mig",
    remedy: "Build engines on a MIG slice of the size that will run them",
    judge({ cuda }) {
      if (cuda.gpus.length === 0) return ok(withoutGpu("divide"));
      const slices = cuda.gpus.filter(({ mig }) => mig);
      return ok(slices.length === 0 ? "No GPU is a MIG slice" : `MIG slices: ${slices.map(label).join(", ")}`);
    },
  },
  {
    id: "cuda-runtime",
    remedy: "Nothing to do: trtd does not need the CUDA runtime library",
    judge({ cuda: { runtime, findings } }) {
      const failure = findings.find(({ step }) => step === "runtime");
      if (runtime !== null) return ok(`The CUDA runtime library is ${runtime.version}`);
      if (failure === undefined) return ok("No CUDA runtime library is installed, and none is needed");
      return { status: "warn", detail: failure.detail, remedy: failure.remedy };
    },
  },
  {
    id: "jetpack",
    remedy: "Update JetPack, or update trtd if this release is newer than it",
    judge({ system: { l4t } }) {
      if (l4t === null) return ok("This is no Jetson");
      const row = jetPackOf(l4t);
      if (row === null) {
        return { status: "warn", detail: `Jetson Linux ${l4t} is not in trtd's table of JetPack releases` };
      }
      return ok(`Jetson Linux ${l4t}, JetPack ${row.jetpack} with TensorRT ${row.tensorrt} and CUDA ${row.cuda}`);
    },
  },
];

/** A missing driver or device leaves the CPU path; anything else is broken. */
function driverFailure(facts: DoctorFacts, { code, detail, remedy, native_code }: Finding): Verdict {
  const { traces } = facts.system;
  if (code === "GPU_UNAVAILABLE" && native_code === NO_DEVICE) return lack(facts, detail, remedy);
  if (code === "GPU_UNAVAILABLE" && native_code === 0 && detail.includes("cannot be opened")) {
    if (traces.length === 0) return lack(facts, "There is no NVIDIA driver (libcuda.so.1)", remedy);
    return lack(
      facts,
      `There is a GPU (${traces.join(", ")}) but no libcuda.so.1: the driver's libraries are not visible here`,
      `${CONTAINER}, and with NVIDIA_DRIVER_CAPABILITIES=compute,utility`,
    );
  }
  return { status: "fail", detail, remedy };
}

export const label = ({ index, name, compute_capability, memory_total }: GpuFact): string =>
  `GPU ${index} "${name}" (${compute_capability}, ${sizeText(memory_total)})`;

/** The GPU that would be used. */
export const usedGpu = ({ cuda, gpu }: DoctorFacts): GpuFact | null =>
  cuda.gpus.find(({ index }) => index === gpu) ?? null;

const withoutGpu = (verb: string): string => `There is no GPU to ${verb}`;
