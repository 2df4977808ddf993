/** Opens the default model on a given TensorRT, as a user's command would. */
import { dirname, join } from "node:path";
import { buildingEngines } from "../../../src/cli/build/engine_settings.ts";
import type { CommandContext, Terminal } from "../../../src/cli/command.ts";
import { mergeConfig } from "../../../src/config/config.ts";
import type { TensorRtBackend } from "../../../src/backends/tensorrt/tensorrt_backend.ts";
import type { Detector } from "../../../src/detect/detector.ts";
import type { EngineSettings, LoadedEngineFacts } from "../../../src/detect/gpu/engine_settings.ts";
import { openDetector } from "../../../src/detect/open.ts";
import { bundledPhoto, modelFromPath } from "../../../src/models/registry.ts";

/** Settings by name, as text. */
export interface Wanted {
  /** Folder of TensorRT. */
  readonly tensorrt: string;
  /** Folder of engines. */
  readonly models: string;
  readonly settings?: Readonly<Record<string, string>>;
  /** @default none */
  readonly tuning?: NonNullable<EngineSettings["tuning"]>;
}

const terminal: Terminal = {
  cwd: Deno.cwd(),
  interactive: false,
  resolve: (path) => path,
  print: () => {},
  note: (text) => console.error(text),
};

export const defaultModel = () => modelFromPath(join(dirname(bundledPhoto()), "..", "codes.onnx"));

/** The bundled photos. */
export async function photos(): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const folder = dirname(bundledPhoto());
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".jpg")).sort();
  return new Map(
    await Promise.all(names.map(async (name) => [name, await Deno.readFile(join(folder, name))] as const)),
  );
}

/** @param onLoaded told of the backend that serves */
export async function openOnTensorRt(
  { tensorrt, models, settings = {}, tuning = {} }: Wanted,
  onLoaded: (backend: TensorRtBackend) => void = () => {},
): Promise<Detector> {
  const flags = { verify: "off", ...settings, tensorrt, models };
  const { config } = mergeConfig({ environment: {}, flags });
  const context = { config, terminal } as CommandContext;
  const told = (loaded: LoadedEngineFacts) => onLoaded(loaded.backend);
  const engines: EngineSettings = { ...buildingEngines(context), tuning, onLoaded: told };
  return await openDetector(await defaultModel(), { backend: "tensorrt", engines });
}

export const openOnCpu = async (): Promise<Detector> =>
  await openDetector(await defaultModel(), { backend: "onnxruntime" });

/** Ends the scenario with its result. */
export function answer(result: unknown): never {
  console.log(JSON.stringify(result));
  Deno.exit(0);
}

/** The scenario's argument. */
export const argument = <T>(): T => JSON.parse(Deno.args[0]!) as T;
