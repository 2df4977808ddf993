/** Which GPUs a server spreads its workers over. */
import { nvidiaPresence } from "../../backends/tensorrt/presence.ts";
import type { Config } from "../../config/config.ts";
import { deviceChoice } from "../../config/device.ts";
import { TrtdError } from "../../errors.ts";
import { getLogger } from "../../log.ts";
import { childCommand } from "../../serving/engine/ask_child.ts";
import { gpuLabel, ONLY_PLACE, type Place, placesOn } from "../../serving/policy/places.ts";

const log = getLogger(["trtd", "serving"]);

/**
 * The places of the workers. The driver is asked, in a child process, only where several GPUs may be meant; where it shows
 * none, there is one place, whose workers say why.
 * @throws {TrtdError} `CONFIG_INVALID` for several GPUs in one process or one GPU twice, `GPU_UNAVAILABLE` for one that is
 * not there while others are
 */
export async function findPlaces(config: Config): Promise<readonly Place[]> {
  if (config.in_process && config.instances > 1) {
    log.warning('"instances" is {instances}, but with "in_process" each model is there once', {
      instances: config.instances,
    });
  }
  const choice = deviceChoice(config.device);
  if (choice === "first" || choice !== "all" && choice.length === 1) return [ONLY_PLACE];
  if (config.in_process && choice !== "all") throw inOneProcess(`"device" names ${choice.length} GPUs`);
  if (!await mayUseGpu(config)) return [ONLY_PLACE];
  const [{ probeCuda }, { selectedGpu }] = await Promise.all([
    import("../../tensorrt/probe/probe.ts"),
    import("../../tensorrt/request/machine_facts.ts"),
  ]);
  const { gpus, findings } = await probeCuda({ command: () => childCommand("probe", []) });
  if (gpus.length === 0) {
    const reason = findings[0]?.detail ?? "There is none";
    log.warning("{device} is asked for, but no GPU can be used: {reason}", { device: config.device, reason });
    return [ONLY_PLACE];
  }
  const places = placesOn(choice, gpus, (name) => selectedGpu(name, gpus));
  if (config.in_process && places.length > 1) {
    throw inOneProcess(`"device" is all, and there are ${places.length} GPUs`);
  }
  if (places.length > 1) {
    log.info("{instances} instances of each model on each of {gpus}", {
      instances: config.instances,
      gpus: places.flatMap(({ gpu }) => gpu === null ? [] : [gpuLabel(gpu)]).join(", "),
    });
  }
  return places;
}

/** Whether a GPU may run models here. */
async function mayUseGpu({ backend, tensorrt }: Config): Promise<boolean> {
  return backend === "tensorrt" ||
    backend === "auto" && (tensorrt !== undefined || await nvidiaPresence() !== "none");
}

const inOneProcess = (what: string): TrtdError =>
  new TrtdError("CONFIG_INVALID", `${what}, but with "in_process" one process runs the models, on one GPU`, {
    remedy: 'Name one GPU, or leave "in_process" off: then each GPU has workers of its own',
  });
