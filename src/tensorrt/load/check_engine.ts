/** Whether an engine loads and runs on a GPU: asked in a child process, since the answer may be a crash. */
import { childEnd } from "../build/child/child_end.ts";
import { childCommand, type ProgramFacts, thisProgram } from "../build/child/child_program.ts";
import { KeptLines } from "../build/child/kept_lines.ts";
import { runChild } from "../build/child/run_child.ts";
import { loadFailure } from "./load_failure.ts";
import type {
  DigestedFile,
  EngineLoad,
  EngineRun,
  LoadJob,
  LoadPlan,
  LoadReport,
  LoadStage,
  RuntimeCacheFiles,
} from "./load_messages.ts";

export type { EngineLoad, EngineRun, LoadPlan } from "./load_messages.ts";

/** The command that is the load child of a compiled file. */
export const LOAD_CHILD_COMMAND = "load-child";

/** An engine and what is to be done with it. */
export interface EngineCheck {
  /** Compared with its digest before TensorRT sees a byte. */
  readonly engine: DigestedFile;
  /** The plan that the engine was built by, or as much of it as loading needs. */
  readonly plan: LoadPlan;
  /** Path of libtrtd, null for where it usually is. */
  readonly shim: string | null;
  /** @default kernels are compiled and forgotten */
  readonly runtimeCache?: RuntimeCacheFiles;
  /** @default it is loaded only */
  readonly run?: EngineRun;
}

export interface EngineCheckOptions {
  /** Milliseconds after which it counts as hanging. @default 300000 */
  readonly timeLimitMs?: number;
  /** Ends the check. */
  readonly signal?: AbortSignal;
  /** Lines that TensorRT logs, as libtrtd writes them. */
  readonly onLine?: (line: string) => void;
  /** @default this program */
  readonly program?: ProgramFacts;
  /** Counts processes that the kernel killed for memory. @default the control group's */
  readonly countMemoryKills?: () => number | null;
}

/** A large plan on a Jetson takes a minute, and TensorRT-RTX compiles kernels for seconds more. */
const TIME_LIMIT_MS = 300_000;

/**
 * Loads an engine on the plan's GPU, and runs it when that is wanted.
 * @throws {LoadFailure} by the child's end, see {@link loadFailure}; the runtime cache's file is not there then
 */
export async function checkEngine(check: EngineCheck, options: EngineCheckOptions = {}): Promise<EngineLoad> {
  const { engine, shim, runtimeCache = null, run = null } = check;
  const { tensorrt, libraries, force, device } = check.plan;
  const plan = { tensorrt, libraries, force, device };
  const timeLimitMs = options.timeLimitMs ?? TIME_LIMIT_MS;
  const here = { childUrl: new URL("./load_process.ts", import.meta.url).href };
  const command = childCommand({ ...options.program ?? thisProgram(), ...here }, {
    plan,
    shim,
    environment: Deno.env.toObject(),
    command: LOAD_CHILD_COMMAND,
  });
  const kept = new KeptLines();
  const job: LoadJob = { engine, plan, shim, runtimeCache, run };
  const facts = await runChild<LoadReport, LoadStage, LoadJob>(command, job, {
    timeLimitMs,
    onLines(lines) {
      for (const line of lines) {
        kept.add(line);
        options.onLine?.(line);
      }
    },
    ...options.signal === undefined ? {} : { signal: options.signal },
    ...options.countMemoryKills === undefined ? {} : { countMemoryKills: options.countMemoryKills },
  });
  const end = childEnd<LoadReport, LoadStage | "start">(facts);
  if (end.kind === "built") {
    const { outcome: _, ...load } = end.report;
    return load;
  }
  const part = runtimeCache?.write ?? null;
  if (part !== null) await Deno.remove(part).catch(() => {});
  throw loadFailure({ end, engine: engine.path, lines: kept.lines(), timeLimitMs });
}
