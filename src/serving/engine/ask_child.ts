/** A child of this program that is asked one question, and answers in lines of JSON: it looks engines up, or builds one. */
import { type Config, INHERITED_VARIABLE, inheritedFrom } from "../../config/config.ts";
import { killGroup } from "../../kill_group.ts";
import { type SelfCommand, selfCommand } from "../../self_command.ts";
import { thisProgram } from "../worker/worker_command.ts";

/** Of a line: a lookup is one line for all served models. */
const ANSWER_CHARACTERS_MAX = 4_194_304;

export interface AskChildOptions {
  /** How the child is started. */
  readonly command: SelfCommand;
  /** Becomes the child's own settings, without the secrets. */
  readonly config: Config;
  /** Takes a line's value. What it throws ends the child. */
  onLine(value: unknown): void;
}

/** How the child ended. */
export interface AskedEnd {
  /** Exit status, 128 + number after a signal. */
  readonly code: number;
  readonly signal: string | null;
  /** What was wrong with its lines, null when nothing was. */
  readonly problem: Error | null;
}

export interface AskedChild {
  /** Resolves when no process of its group is left and its last line was taken; never rejects. */
  readonly ended: Promise<AskedEnd>;
  /** Close its input: nobody waits for the answer any more. */
  close(): void;
  /** End it at once, and whatever it started. */
  kill(): void;
}

/** Executable and arguments of the child that is the command `name`. */
export function childCommand(name: string, args: readonly string[]): SelfCommand {
  const program = thisProgram();
  return selfCommand(program, { command: name, entry: [program.mainUrl, name], flags: ["--allow-all"], args });
}

/**
 * Starts the child and asks it: one line of JSON on its standard input, which stays open. The child leads a process
 * group, and ends by itself when this process does.
 */
export function askChild(question: unknown, { command, config, onLine }: AskChildOptions): AskedChild {
  const child = new Deno.Command(command.path, {
    args: command.args,
    env: { [INHERITED_VARIABLE]: inheritedFrom(config) },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
    detached: true,
  }).spawn();
  const kill = () => killGroup(child.pid);
  const input = child.stdin.getWriter();
  const close = () => void input.close().catch(() => {});
  const run = async (): Promise<AskedEnd> => {
    let problem: Error | null = null;
    input.write(new TextEncoder().encode(`${JSON.stringify(question)}\n`)).catch(() => {});
    const reading = readLines(child.stdout, onLine).catch((error) => {
      problem = error instanceof Error ? error : new Error(String(error));
      kill();
    });
    const { code, signal } = await child.status;
    kill();
    await reading;
    close();
    return { code, signal, problem };
  };
  return { ended: run(), close, kill };
}

async function readLines(stream: ReadableStream<Uint8Array<ArrayBuffer>>, onLine: AskChildOptions["onLine"]) {
  let rest = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    if (rest.length > ANSWER_CHARACTERS_MAX) throw new Error("The answer is too long");
    for (const line of lines) onLine(JSON.parse(line));
  }
}
