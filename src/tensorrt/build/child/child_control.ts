/** A child's side of the pipes: the job, the parent's wishes, frames. It ends with its parent. */
import type { ChildReport } from "./child_end.ts";
import { LineSplitter } from "./line_splitter.ts";
import { CANCEL, type ChildMessage, frameFrom } from "./messages.ts";

/** Exit statuses: the work is done, or a report of why it is not. */
const STATUS = { done: 0, failed: 4 } as const;

/** What a child does. */
export interface ChildWork<Report> {
  /** Never throws: every failure is a report. */
  run(): Promise<Report>;
  /** Asks the work to end soon. @returns whether it could be asked */
  cancel(): boolean;
  /** Files that nobody wants when the work is ended: removed as far as they are there. */
  readonly unwanted: readonly string[];
}

/** Tells the parent something. */
export type Say<Stage extends string, Report> = (message: ChildMessage<Stage, Report>) => void;

/** Takes the job from standard input and does it. @returns the exit status */
export async function workForParent<Job, Report extends ChildReport, Stage extends string>(
  begin: (job: Job, say: Say<Stage, Report>) => ChildWork<Report>,
): Promise<number> {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) Deno.addSignalListener(signal, waitForTheParent);
  const lines = linesOf(Deno.stdin.readable);
  const first = await lines.next();
  if (first.done === true) throw new Error("The child got no job on standard input");
  const work = begin(JSON.parse(first.value) as Job, say);
  obey(lines, work);
  const report = await work.run();
  say({ event: "report", report });
  return report.outcome === "failed" ? STATUS.failed : STATUS.done;
}

/** The parent decides when the work ends: it asks through the pipe, or kills. */
function waitForTheParent(): void {}

/**
 * Takes wishes until the pipe closes: then nobody waits for the result, and the child must not outlive its parent. It
 * ends itself also when the work cannot be asked to.
 */
async function obey(lines: AsyncGenerator<string>, work: ChildWork<unknown>): Promise<void> {
  for await (const line of lines) if (line === CANCEL && !work.cancel()) break;
  for (const path of work.unwanted) {
    try {
      Deno.removeSync(path);
    } catch {
      // it was not written yet
    }
  }
  Deno.kill(Deno.pid, "SIGKILL");
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const splitter = new LineSplitter({ limit: Infinity });
  for await (const chunk of stream) yield* splitter.push(chunk);
}

const encoder = new TextEncoder();

function say(message: ChildMessage<string, unknown>): void {
  const bytes = encoder.encode(frameFrom(message));
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}
