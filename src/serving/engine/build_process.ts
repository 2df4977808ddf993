/** The manager's side of one build: a child process of this program. */
import { TrtdError } from "../../errors.ts";
import { killGroup } from "../../kill_group.ts";
import { type SelfCommand, selfCommand } from "../../self_command.ts";
import { thisProgram } from "../worker/worker_command.ts";
import { type BuildLine, buildLineSchema, type BuildQuestion, ENGINE_BUILD_COMMAND } from "./build_messages.ts";

/** Time for the child to end its own children after it was asked to. */
const CANCEL_GRACE_MS = 5000;
const LINE_CHARACTERS_MAX = 65_536;

/** A build that is under way. */
export interface RunningBuild {
  /** Resolves with how it ended; never rejects. */
  readonly ended: Promise<Extract<BuildLine, { type: "ended" }>>;
  /** End it, politely first. Calling it twice is harmless. */
  cancel(): void;
}

export interface BuildProcessOptions {
  readonly question: BuildQuestion;
  onLine(line: BuildLine): void;
  /** More arguments for the child, such as `--log-level`. @default none */
  readonly args?: readonly string[];
  /** How the child is started. @default this program */
  readonly command?: SelfCommand;
}

/** Start the child. It ends by itself when this process does. */
export function startBuild({ question, onLine, args = [], command }: BuildProcessOptions): RunningBuild {
  const { path, args: all } = command ?? buildCommand(args);
  const child = new Deno.Command(path, {
    args: all,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
    detached: true,
  })
    .spawn();
  const control = child.stdin.getWriter();
  let cancelled = false;
  const cancel = () => {
    if (cancelled) return;
    cancelled = true;
    void control.close().catch(() => {});
    const timer = setTimeout(() => killGroup(child.pid), CANCEL_GRACE_MS);
    void child.status.then(() => clearTimeout(timer));
  };
  const run = async (): Promise<Extract<BuildLine, { type: "ended" }>> => {
    let last: Extract<BuildLine, { type: "ended" }> | undefined;
    let broken: unknown;
    const asked = control.write(new TextEncoder().encode(`${JSON.stringify(question)}\n`)).catch(() => {});
    const reading = readLines(child.stdout, (line) => {
      if (line.type === "ended") last = line;
      else onLine(line);
    }).catch((error) => {
      broken = error;
      killGroup(child.pid);
    });
    await asked;
    const { code, signal } = await child.status;
    await reading;
    killGroup(child.pid);
    await control.close().catch(() => {});
    if (last !== undefined) return last;
    if (cancelled) return { type: "ended", result: "cancelled", error: null };
    const how = broken === undefined ? signal ?? `exit status ${code}` : `nonsense: ${broken}`;
    const { code: name, message, remedy } = new TrtdError("BUILD_CRASHED", `The process that builds ended with ${how}`);
    return { type: "ended", result: "failed", error: { code: name, detail: message, remedy } };
  };
  return { ended: run(), cancel };
}

function buildCommand(args: readonly string[]): SelfCommand {
  const program = thisProgram();
  const entry = [program.mainUrl, ENGINE_BUILD_COMMAND] as const;
  return selfCommand(program, { command: ENGINE_BUILD_COMMAND, entry, flags: ["--allow-all"], args });
}

async function readLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLine: (line: BuildLine) => void,
): Promise<void> {
  let rest = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    for (const line of lines) onLine(buildLineSchema.parse(JSON.parse(line)));
    if (rest.length > LINE_CHARACTERS_MAX) throw new Error("A line is too long");
  }
}
