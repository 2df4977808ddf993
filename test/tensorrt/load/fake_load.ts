/** Engines of the fake libraries, loaded in a folder of their own. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { thisProgram } from "../../../src/tensorrt/build/child/child_program.ts";
import {
  checkEngine,
  type EngineCheck,
  type EngineCheckOptions,
  type EngineLoad,
} from "../../../src/tensorrt/load/check_engine.ts";
import { LoadFailure } from "../../../src/tensorrt/load/load_failure.ts";
import type { BuildPlan } from "../../../src/tensorrt/plan/plan.ts";
import { fakeSet, shimAndFakes } from "../../native/children.ts";

/** Tensors of the engines: mode, name, type and shape as the fakes write them. */
export const STATIC = "tensor 1 images 0 1x4\ntensor 2 output0 0 1x4\nlayers 3\n";
export const DYNAMIC = "tensor 1 images 0 -1x4\ntensor 2 output0 0 -1x4\nprofile 0 images 1x4 2x4 4x4\nlayers 3\n";

/** A plan file that the fake of the version takes. */
export function fakePlan(
  lines: string,
  { rtx, version }: { rtx: boolean; version: readonly [number, number, number] },
): Uint8Array<ArrayBuffer> {
  const body = new TextEncoder().encode(lines);
  const bytes = new Uint8Array(32 + body.length);
  bytes.set(new TextEncoder().encode(rtx ? "vtrt" : "ftrt"));
  new DataView(bytes.buffer).setBigInt64(16, BigInt(bytes.length), true);
  bytes.set(version, 24);
  bytes.set(body, 32);
  return bytes;
}

const VERSIONS: Readonly<Record<string, readonly [number, number, number]>> = {
  "8.6": [8, 6, 1],
  "9.3": [9, 3, 0],
  "10.16": [10, 16, 1],
  "11.1": [11, 1, 0],
  "rtx-1.4": [1, 4, 0],
  "rtx-1.6": [1, 6, 1],
};

export interface FakeLoad {
  /** Fake set, such as `10.16`. */
  readonly set: string;
  /** Words of TRTD_FAKE. @default none */
  readonly script?: string;
  /** Devices of the fake driver. @default one of 8.9 */
  readonly gpus?: string;
  /** Lines of the engine. @default {@link STATIC} */
  readonly lines?: string;
  /** The file as it is. @default made of the lines */
  readonly bytes?: Uint8Array<ArrayBuffer>;
  /** Of another file than the engine. */
  readonly wrongDigest?: boolean;
  readonly device?: number | null;
  readonly force?: boolean;
  readonly options?: EngineCheckOptions;
  /** The rest of the check, given the folder. */
  readonly check?: (folder: string) => Partial<EngineCheck> | Promise<Partial<EngineCheck>>;
  /** Looks at the folder before it goes. */
  readonly after?: (folder: string) => Promise<void>;
}

export interface FakeLoadOutcome {
  readonly load: EngineLoad | null;
  readonly failure: LoadFailure | null;
  /** Names of the files that the check left. */
  readonly left: readonly string[];
}

/** Loads an engine once. @throws whatever is not a {@link LoadFailure} */
export async function fakeLoad(wanted: FakeLoad): Promise<FakeLoadOutcome> {
  const { set, script = "", gpus = "NVIDIA Fake 4090:8.9:24564", options = {} } = wanted;
  const folder = await Deno.makeTempDir({ prefix: "trtd-load-" });
  try {
    const rtx = set.startsWith("rtx");
    const version = VERSIONS[set]!;
    const bytes = wanted.bytes ?? fakePlan(wanted.lines ?? STATIC, { rtx, version });
    const path = join(folder, "pets.engine");
    await Deno.writeFile(path, bytes);
    const sha256 = createHash("sha256").update(wanted.wrongDigest === true ? "another" : bytes).digest("hex");
    const { cuda, core, parser, plugins } = fakeSet(set);
    const plan = {
      tensorrt: { product: rtx ? "tensorrt-rtx" : "tensorrt", version: version.join("."), family: "10" },
      libraries: { core, parser, plugins, cuda_driver: cuda },
      force: wanted.force ?? false,
      device: wanted.device === undefined ? 0 : wanted.device,
    } as Pick<BuildPlan, "tensorrt" | "libraries" | "force" | "device">;
    const rest = await wanted.check?.(folder) ?? {};
    const before = new Set(Array.from(Deno.readDirSync(folder), ({ name }) => name));
    const program = { ...thisProgram(), env: { TRTD_FAKE: script, TRTD_FAKE_GPUS: gpus } };
    let load: EngineLoad | null = null;
    let failure: LoadFailure | null = null;
    try {
      const check = { engine: { path, sha256 }, plan, shim: shimAndFakes().shim, ...rest };
      load = await checkEngine(check, { program, timeLimitMs: 120_000, ...options });
    } catch (thrown) {
      if (!(thrown instanceof LoadFailure)) throw thrown;
      failure = thrown;
    }
    const left = Array.from(Deno.readDirSync(folder), ({ name }) => name).filter((name) => !before.has(name)).sort();
    await wanted.after?.(folder);
    return { load, failure, left };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
