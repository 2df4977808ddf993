/** Loads a model for serving: native code, so for workers, and for a server that was told to do without them. */
import type { GpuSource } from "../../native/gpu/gpu_sample.ts";
import { GpuSensors } from "../../native/gpu/gpu_sensors.ts";
import type { OpenDetector } from "../../serving/worker/served_detector.ts";
import type { CommandContext } from "../command.ts";

/**
 * Detectors for serving. An engine that the cache lacks is not built here: the CPU answers meanwhile, and says so.
 * @returns what throws those of `openDetector`
 */
export function openServed({ config, terminal }: Pick<CommandContext, "config" | "terminal">): OpenDetector {
  return async (model, settings) => {
    const { openDetector } = await import("../../detect/open.ts");
    const detector = await openDetector(model, {
      backend: settings.backend,
      maxPixels: settings.max_pixels,
      engines: { config: settings.device === undefined ? config : { ...config, device: settings.device }, terminal },
      ...(settings.threads === undefined ? {} : { threads: settings.threads }),
    });
    if (settings.degraded !== undefined) detector.degrade(settings.degraded);
    return detector;
  };
}

/** What the process that loads models can tell about GPUs; files are opened now, before permissions are given up. */
export function openGpuSensors(): GpuSource {
  return GpuSensors.open();
}
