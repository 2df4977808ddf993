/**
 * The build child: `child_process.ts` under `deno run`, `trtd build-child` in a compiled file. It loads as little as it
 * can, and ends with its parent.
 */
import { BuildChild } from "./child.ts";
import { LineSplitter } from "./line_splitter.ts";
import { type BuildJob, CANCEL, type ChildMessage, frameFrom } from "./messages.ts";

/** Exit statuses: an engine, or a report of why there is none. */
const STATUS = { built: 0, failed: 4 } as const;

/** Takes the job from standard input and builds. @returns the exit status */
export async function runBuildChild(): Promise<number> {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) Deno.addSignalListener(signal, waitForTheParent);
  const lines = linesOf(Deno.stdin.readable);
  const first = await lines.next();
  if (first.done === true) throw new Error("The build child got no job on standard input");
  const job = JSON.parse(first.value) as BuildJob;
  const child = new BuildChild(job, say);
  obey(lines, child, job.output);
  const report = await child.run();
  say({ event: "report", report });
  return STATUS[report.outcome];
}

/** The parent decides when the build ends: it asks through the pipe, or kills. */
function waitForTheParent(): void {}

/**
 * Takes wishes until the pipe closes: then nobody waits for the engine, and the child must not outlive its parent. It
 * ends itself also when the builder cannot be asked to.
 */
async function obey(lines: AsyncGenerator<string>, child: BuildChild, output: string): Promise<void> {
  for await (const line of lines) if (line === CANCEL && !child.cancel()) break;
  try {
    Deno.removeSync(output);
  } catch {
    // it was not written yet
  }
  Deno.kill(Deno.pid, "SIGKILL");
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const splitter = new LineSplitter({ limit: Infinity });
  for await (const chunk of stream) yield* splitter.push(chunk);
}

const encoder = new TextEncoder();

function say(message: ChildMessage): void {
  const bytes = encoder.encode(frameFrom(message));
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

if (import.meta.main) Deno.exit(await runBuildChild());
