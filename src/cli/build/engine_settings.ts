/** Where a command's detectors have their engines from. */
import type { EngineSettings } from "../../detect/gpu/engine_settings.ts";
import { plainText } from "../../onnx/quoted.ts";
import type { CommandContext } from "../command.ts";

/** Opening nvJPEG takes up to 0.9 s and saves about 4.5 ms a picture (H100, 720p). */
const PICTURES_FOR_GPU_DECODE = 200;

/**
 * Engines that the cache lacks are built, with one line of notice and a bar.
 * @param options.pictures that will be looked at one after the other: one context is enough, and a few are decoded on the
 * CPU. @default many at once
 */
export const buildingEngines = (
  { config, terminal }: Pick<CommandContext, "config" | "terminal">,
  options: { readonly pictures?: number } = {},
): EngineSettings => ({
  config: options.pictures === undefined ? config : {
    ...config,
    contexts: 1,
    ...options.pictures < PICTURES_FOR_GPU_DECODE ? { gpu_decode: "off" as const } : {},
  },
  terminal,
  build: async (planned, cache) => {
    const { name } = planned.request.model;
    terminal.note(`trtd: There is no engine of "${plainText(name)}" for this GPU yet; it is built once and then kept`);
    const { obtainShown } = await import("./obtain_shown.ts");
    return await obtainShown(planned, cache, { config, terminal });
  },
});
