/** Starts a child that holds TensorRT, listens to all it says, and ends it when it must end. */
import type { ChildCommand } from "./child_program.ts";
import type { ChildFacts, ChildReport } from "./child_end.ts";
import { LineSplitter } from "./line_splitter.ts";
import { memoryKills } from "./memory_kills.ts";
import {
  type BuildJob,
  type BuildReport,
  type BuildStage,
  CANCEL,
  type ChildMessage,
  messageFrom,
} from "./messages.ts";
import { killGroup } from "../../../kill_group.ts";

export interface RunChildOptions<Report extends ChildReport = BuildReport, Stage extends string = BuildStage> {
  /** Milliseconds after which the child is killed. */
  readonly timeLimitMs: number;
  /** Ends the work: first asked for, then by force. */
  readonly signal?: AbortSignal;
  /** Every line of the child that is not a frame, in order. */
  readonly onLines: (lines: readonly string[]) => void;
  readonly onMessage?: (message: ChildMessage<Stage, Report>) => void;
  /** Counts processes that the kernel killed for memory. @default the control group's */
  readonly countMemoryKills?: () => number | null;
  /** Milliseconds that a child may live on after its report. @default 10000 */
  readonly lingerMs?: number;
}

/** Where the child works: no configuration file is there, and no core file falls on the user's folder. */
const NOWHERE = "/";
/** Time that a child has to end after it was asked to. */
const CANCEL_GRACE_MS = 3_000;
/** Time that a child has to go after its report: destructors of libraries run then, and must not hang a build. */
const LINGER_MS = 10_000;
/** Time that the pipes of an ended child have to close: a grandchild may hold them. */
const PIPE_GRACE_MS = 2_000;
/** The kernel counts a kill after the process is gone. */
const KILL_COUNT_WAIT_MS = 50;
const KILL_COUNT_TRIES = 4;

/**
 * Runs the job to the child's end. Whatever happens, no process of its group is left.
 */
export async function runChild<
  Report extends ChildReport = BuildReport,
  Stage extends string = BuildStage,
  Job = BuildJob,
>(
  command: ChildCommand,
  job: Job,
  options: RunChildOptions<Report, Stage>,
): Promise<ChildFacts<Report, Stage | "start">> {
  const count = options.countMemoryKills ?? memoryKills;
  const killsBefore = count();
  const child = new Deno.Command(command.path, {
    args: [...command.args],
    cwd: NOWHERE,
    env: { ...command.env, INIT_CWD: NOWHERE },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  const control = child.stdin.getWriter();
  const encoder = new TextEncoder();
  const send = (text: string) => control.write(encoder.encode(`${text}\n`)).catch(() => {});

  let report: Report | null = null;
  let stage: Stage | "start" = "start";
  let ended: ChildFacts["ended"] = null;
  let grace: ReturnType<typeof setTimeout> | undefined;
  let linger: ReturnType<typeof setTimeout> | undefined;
  const end = (why: "time-limit" | "lingering") => {
    ended ??= why;
    killGroup(child.pid);
  };
  const onFrameLines = (lines: readonly string[]) => {
    const others: string[] = [];
    for (const line of lines) {
      const message = messageFrom<Stage, Report>(line);
      if (message === null) {
        if (line !== "") others.push(line);
        continue;
      }
      if (message.event === "stage") stage = message.stage;
      if (message.event === "report") {
        report = message.report;
        linger = setTimeout(() => end("lingering"), options.lingerMs ?? LINGER_MS);
      }
      options.onMessage?.(message);
    }
    if (others.length > 0) options.onLines(others);
  };
  const drains = [drain(child.stdout, onFrameLines), drain(child.stderr, options.onLines)];

  const limit = setTimeout(() => end("time-limit"), options.timeLimitMs);
  const onAbort = () => {
    ended ??= "cancelled";
    send(CANCEL);
    grace = setTimeout(() => killGroup(child.pid), CANCEL_GRACE_MS);
  };
  if (options.signal?.aborted === true) onAbort();
  else options.signal?.addEventListener("abort", onAbort, { once: true });

  try {
    send(JSON.stringify(job));
    const { code, signal } = await child.status;
    killGroup(child.pid);
    await within(Promise.all(drains.map(({ done }) => done)), PIPE_GRACE_MS);
    const kills = signal === "SIGKILL" && ended === null ? await riseOf(count, killsBefore) : null;
    return { code, signal, report, stage, ended, memoryKills: kills };
  } finally {
    clearTimeout(limit);
    clearTimeout(grace);
    clearTimeout(linger);
    options.signal?.removeEventListener("abort", onAbort);
    await Promise.all(drains.map(({ cancel }) => cancel()));
    await control.close().catch(() => {});
  }
}

interface Drain {
  readonly done: Promise<void>;
  cancel(): Promise<void>;
}

/** Reads a stream to its end, by lines. */
function drain(stream: ReadableStream<Uint8Array>, onLines: (lines: readonly string[]) => void): Drain {
  const reader = stream.getReader();
  const splitter = new LineSplitter();
  const done = (async () => {
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        const lines = splitter.push(next.value);
        if (lines.length > 0) onLines(lines);
      }
    } finally {
      const rest = splitter.end();
      if (rest.length > 0) onLines(rest);
    }
  })();
  return {
    done,
    async cancel() {
      await reader.cancel().catch(() => {});
      await done.catch(() => {});
    },
  };
}

async function riseOf(count: () => number | null, before: number | null): Promise<number | null> {
  if (before === null) return null;
  for (let attempt = 1;; attempt++) {
    const now = count();
    if (now === null) return null;
    if (now > before || attempt === KILL_COUNT_TRIES) return now - before;
    await pause(KILL_COUNT_WAIT_MS);
  }
}

/** Waits for the work, but no longer than `ms`. */
async function within(work: Promise<unknown>, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
