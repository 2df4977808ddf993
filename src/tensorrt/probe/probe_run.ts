/** One child of the same program, from its start to a judged end. */
import {
  PROBE_MARK,
  type ProbeFacts,
  type ProbeFailure,
  type ProbeLine,
  type ProbeRequest,
  type ProbeStep,
} from "./probe_messages.ts";

/** How a child is started. */
export interface ProbeCommand {
  readonly path: string;
  readonly args: readonly string[];
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

export type ProbeEnd =
  | { readonly kind: "done" }
  | { readonly kind: "crashed"; readonly signal: string; readonly step: ProbeStep | null }
  | { readonly kind: "timed-out"; readonly afterMs: number; readonly step: ProbeStep | null }
  /** It ended by itself without an answer. */
  | { readonly kind: "failed"; readonly code: number; readonly step: ProbeStep | null }
  | { readonly kind: "not-started"; readonly reason: string };

export interface ProbeOutcome {
  readonly end: ProbeEnd;
  readonly facts: { readonly [K in ProbeStep]?: readonly ProbeFacts[K][] };
  readonly failures: readonly ProbeFailure[];
  /** The last of what it wrote to standard error. */
  readonly said: string;
  readonly ms: number;
}

/** Characters of standard error that are kept, and of a line of standard output. */
const KEPT_TEXT = 2000;
const LONGEST_LINE = 64 * 1024;

/** Runs a child to its end, which is judged by its status; it is killed when `timeoutMs` is over. Never throws. */
export async function runProbe(
  request: ProbeRequest,
  command: ProbeCommand,
  { timeoutMs }: { readonly timeoutMs: number },
): Promise<ProbeOutcome> {
  const begun = performance.now();
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(command.path, {
      args: [...command.args, JSON.stringify(request)],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      ...(command.env === undefined ? {} : { env: { ...command.env } }),
    }).spawn();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { end: { kind: "not-started", reason }, facts: {}, failures: [], said: "", ms: 0 };
  }
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    try {
      child.kill("SIGKILL");
    } catch {
      // it ended in between
    }
  }, timeoutMs);
  const heard = new Heard();
  let said = "";
  const outputs = Promise.all([
    eachText(child.stdout, (text) => heard.take(text)),
    eachText(child.stderr, (text) => said = (said + text).slice(-KEPT_TEXT)),
  ]);
  const { code, signal } = await child.status;
  clearTimeout(timer);
  await within(outputs, 1000);
  const { facts, failures, step, done } = heard;
  const end: ProbeEnd = done
    ? { kind: "done" }
    : timedOut
    ? { kind: "timed-out", afterMs: timeoutMs, step }
    : signal !== null
    ? { kind: "crashed", signal, step }
    : { kind: "failed", code, step };
  return { end, facts, failures, said: said.trim(), ms: performance.now() - begun };
}

async function eachText(stream: ReadableStream<Uint8Array<ArrayBuffer>>, take: (text: string) => void): Promise<void> {
  for await (const text of stream.pipeThrough(new TextDecoderStream())) take(text);
}

/** A grandchild can hold the pipe of a dead child. */
async function within(work: Promise<unknown>, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  try {
    await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The answers in a child's standard output, read line by line; what a library prints between them is dropped. */
class Heard {
  readonly facts: { [K in ProbeStep]?: ProbeFacts[K][] } = {};
  readonly failures: ProbeFailure[] = [];
  /** The last step begun. */
  step: ProbeStep | null = null;
  done = false;
  #rest = "";

  take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!.slice(-LONGEST_LINE);
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    const at = line.indexOf(PROBE_MARK);
    if (at < 0) return;
    let value: ProbeLine;
    try {
      value = JSON.parse(line.slice(at + PROBE_MARK.length));
    } catch {
      return;
    }
    if ("begin" in value) this.step = value.begin;
    else if ("fact" in value) ((this.facts[value.fact] ??= []) as unknown[]).push(value.value);
    else if ("failure" in value) this.failures.push(value.failure);
    else this.done = true;
  }
}
