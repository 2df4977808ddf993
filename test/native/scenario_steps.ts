/** What the scenarios share: outcomes, the fakes opened, their journal. */

import type { BuilderConfig } from "../../ffi/builder.ts";
import { openCuda } from "../../ffi/cuda.ts";
import { Flag } from "../../ffi/enums.ts";
import { TensorRtLibrary } from "../../ffi/library.ts";
import { ShimError } from "../../ffi/shim_error.ts";
import type { FakeSet } from "./children.ts";

/** A {@link ShimError} as JSON. */
export interface Failure {
  status: string;
  origin: number;
  code: number;
  message: string;
}

/** A value, or how getting it failed. */
export type Outcome<T> = T | Failure;

/** Runs a step; only what libtrtd reports is an outcome. */
export async function attempt<T>(body: () => T | Promise<T>): Promise<Outcome<T>> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof ShimError)) throw error;
    return { status: error.statusName, origin: error.origin, code: error.code, message: error.message };
  }
}

const JOURNAL = {
  fake_journal_take: { parameters: ["buffer", "u64"], result: "u64" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Takes the calls that a fake has seen since the last time. */
export function journalOf(set: FakeSet): () => string[] {
  const { symbols } = Deno.dlopen(set.core, JOURNAL);
  return () => {
    const text = new Uint8Array(1 << 20);
    const length = Number(symbols.fake_journal_take(text, BigInt(text.length)));
    return new TextDecoder().decode(text.subarray(0, length)).split("\n").filter((line) => line !== "");
  };
}

/** A model of lines for the fake parser: a dynamic batch. */
export const MODEL = "model\ninput images 2 -1x3x2x2\noutput output0 3 -1x4\nlayers 7\n";
/** A profile for it. */
export const SHAPES = { min: [1, 3, 2, 2], opt: [2, 3, 2, 2], max: [4, 3, 2, 2] };

/** Opens driver, core, parser and plugins of a fake. */
export async function openSet(set: FakeSet): Promise<TensorRtLibrary> {
  await openCuda(set.cuda);
  const library = await TensorRtLibrary.open(set.core);
  await library.openParser(set.parser);
  if (set.plugins !== null) await library.openPlugins(set.plugins);
  return library;
}

/** Turns each flag over and back; true when it stuck. */
export async function triedFlags(config: BuilderConfig): Promise<Record<string, Outcome<boolean>>> {
  const flags: Record<string, Outcome<boolean>> = {};
  for (const [name, flag] of Object.entries(Flag)) {
    if (typeof flag !== "number") continue;
    flags[name] = await attempt(() => {
      const before = config.getFlag(flag);
      config.setFlag(flag, !before);
      const after = config.getFlag(flag);
      config.setFlag(flag, before);
      return after === !before;
    });
  }
  return flags;
}
