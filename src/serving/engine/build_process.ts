/** The manager's side of one build: a child process of this program. */
import type { Config } from "../../config/config.ts";
import { TrtdError } from "../../errors.ts";
import type { SelfCommand } from "../../self_command.ts";
import { askChild, childCommand } from "./ask_child.ts";
import { type BuildLine, buildLineSchema, type BuildQuestion, ENGINE_BUILD_COMMAND } from "./build_messages.ts";

/** Time for the child to end its own children after it was asked to. */
const CANCEL_GRACE_MS = 5000;

type Ended = Extract<BuildLine, { type: "ended" }>;

/** A build that is under way. */
export interface RunningBuild {
  /** Resolves with how it ended; never rejects. */
  readonly ended: Promise<Ended>;
  /** End it, politely first. Calling it twice is harmless. */
  cancel(): void;
}

export interface BuildProcessOptions {
  readonly question: BuildQuestion;
  /** The server's settings. */
  readonly config: Config;
  onLine(line: BuildLine): void;
  /** More arguments for the child, such as `--log-level`. @default none */
  readonly args?: readonly string[];
  /** How the child is started. @default this program */
  readonly command?: SelfCommand;
}

/** Start the child. It ends by itself when this process does. */
export function startBuild({ question, config, onLine, args = [], command }: BuildProcessOptions): RunningBuild {
  let last: Ended | undefined;
  const child = askChild(question, {
    command: command ?? childCommand(ENGINE_BUILD_COMMAND, args),
    config,
    onLine(value) {
      const line = buildLineSchema.parse(value);
      if (line.type === "ended") last = line;
      else onLine(line);
    },
  });
  let cancelled = false;
  const cancel = () => {
    if (cancelled) return;
    cancelled = true;
    child.close();
    const timer = setTimeout(child.kill, CANCEL_GRACE_MS);
    void child.ended.then(() => clearTimeout(timer));
  };
  const ended = child.ended.then(({ code, signal, problem }): Ended => {
    if (last !== undefined) return last;
    if (cancelled) return { type: "ended", result: "cancelled", error: null };
    const how = problem === null ? signal ?? `exit status ${code}` : `nonsense: ${problem.message}`;
    const { code: name, message, remedy } = new TrtdError("BUILD_CRASHED", `The process that builds ended with ${how}`);
    return { type: "ended", result: "failed", error: { code: name, detail: message, remedy } };
  });
  return { ended, cancel };
}
