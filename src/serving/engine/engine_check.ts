/** Looks up, when the server starts, which engines of the cache fit, in a child process: this one loads no native code. */
import { getLogger } from "@logtape/logtape";
import { type Difference, differenceText } from "../../cache/key.ts";
import type { Config } from "../../config/config.ts";
import type { Model } from "../../models/model.ts";
import { plainText } from "../../onnx/quoted.ts";
import type { SelfCommand } from "../../self_command.ts";
import { askChild, type AskedChild, childCommand } from "./ask_child.ts";
import {
  ENGINE_LOOKUP_COMMAND,
  engineAnswerSchema,
  type EngineLookup,
  type EngineQuestion,
  type EngineStatus,
} from "./engine_messages.ts";
import { mayHaveEngines } from "./engine_presence.ts";

const log = getLogger(["trtd", "serving"]);

/** Longest time that readiness waits for the answer. */
const TIMEOUT_MS = 10_000;

export interface EngineCheckOptions {
  readonly models: readonly Model[];
  /** Absolute paths of the folders `trt` that engines may lie in. */
  readonly roots: readonly string[];
  readonly config: Config;
  /** Ask about models of which there is no engine, too: this machine may build one. @default false */
  readonly mayBuild?: boolean;
  /** More arguments for the child, such as `--log-level`. @default none */
  readonly args?: readonly string[];
  /** Told once for each model about which there is something to count: a hit, a miss or a lookup that failed. */
  readonly onLookup?: (model: string, status: EngineStatus) => void;
  /** Milliseconds after which the child is killed. @default 10000 */
  readonly timeoutMs?: number;
  /** How the child is started. @default this program */
  readonly command?: SelfCommand;
}

/** The lookup of a server's start. It never fails: what cannot be found out is a status and a log line. */
export class EngineCheck {
  /** Resolves when every status is settled. */
  readonly done: Promise<void>;
  readonly #options: EngineCheckOptions;
  readonly #statuses = new Map<string, EngineStatus>();
  #pending = true;
  #closed = false;
  #child: AskedChild | undefined;

  /** Begins at once. */
  constructor(options: EngineCheckOptions) {
    this.#options = options;
    this.done = this.#run();
  }

  /** Whether statuses may still change. */
  get pending(): boolean {
    return this.#pending;
  }

  /** What the cache has for a served model. */
  status(model: string): EngineStatus {
    return this.#statuses.get(model) ?? statusOf("unknown", "The cache of engines is being compared with this machine");
  }

  /** Ends the child. Calling it twice is harmless. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#child?.kill();
    await this.done;
  }

  async #run(): Promise<void> {
    const { models, roots, config } = this.#options;
    const asked: Model[] = [];
    for (const model of models) {
      if (config.backend === "onnxruntime") {
        this.#statuses.set(model.name, statusOf("none", 'The setting "backend" asks for no engine'));
      } else if (this.#options.mayBuild || await mayHaveEngines(roots, model.name)) asked.push(model);
      else this.#statuses.set(model.name, statusOf("none", `There is no engine of "${model.name}"`));
    }
    if (asked.length > 0 && !this.#closed) await this.#ask(asked);
    this.#pending = false;
  }

  async #ask(models: readonly Model[]): Promise<void> {
    const answers = new Map<string, EngineLookup>();
    let failure = "It did not answer";
    try {
      for (const answer of await this.#answers(models)) answers.set(answer.name, answer);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    if (this.#closed) return;
    for (const { name } of models) {
      const answer = answers.get(name);
      const status = answer === undefined
        ? statusOf("unknown", `The cache of engines could not be compared with this machine: ${failure}`)
        : statusFrom(answer);
      this.#statuses.set(name, status);
      tell(name, status, answer);
      if (status.cache !== "none") this.#options.onLookup?.(name, status);
    }
  }

  async #answers(models: readonly Model[]): Promise<readonly EngineLookup[]> {
    const { config, command, args = [], timeoutMs = TIMEOUT_MS } = this.#options;
    const question: EngineQuestion = { models: models.map(({ name, path }) => ({ name, path })) };
    const answers: EngineLookup[] = [];
    const child = askChild(question, {
      command: command ?? childCommand(ENGINE_LOOKUP_COMMAND, args),
      config,
      onLine: (value) => void answers.push(...engineAnswerSchema.parse(value).models),
    });
    this.#child = child;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill();
    }, timeoutMs);
    const { code, signal, problem } = await child.ended;
    clearTimeout(timer);
    this.#child = undefined;
    if (late) throw new Error(`No answer came in ${timeoutMs} ms`);
    if (problem !== null) throw problem;
    if (signal !== null || code !== 0) throw new Error(`The process ended with ${signal ?? `exit status ${code}`}`);
    return answers;
  }
}

const statusOf = (cache: EngineStatus["cache"], why: string): EngineStatus => ({
  cache,
  path: null,
  missed_because: [],
  detail: why,
});

const statusFrom = ({ cache, path, missed_because, detail }: EngineLookup): EngineStatus => ({
  cache,
  path,
  missed_because,
  detail,
});

const textsOf = (differences: EngineStatus["missed_because"]): string =>
  differences.map((one) => plainText(differenceText(one as Difference))).join(", ");

function tell(model: string, { cache, path, missed_because, detail }: EngineStatus, lookup?: EngineLookup): void {
  const { changes = [], rebuilt = [], remarks = [] } = lookup ?? {};
  for (const remark of remarks) log.warning("Engine of {model}: {remark}", { model, remark });
  if (changes.length > 0) {
    log.warning("Changed since the engines of {model} were built: {differences}", {
      model,
      differences: textsOf(changes),
    });
  }
  if (cache === "miss") {
    log.warning("The cache has no engine of {model} that fits: {differences}", {
      model,
      path,
      differences: textsOf(missed_because),
      missed_because,
    });
  } else log[cache === "hit" ? "info" : "warning"]("Engine of {model}: {detail}", { model, path, detail });
  for (const { path: engine, differences, expected_s: seconds } of rebuilt) {
    const time = seconds === null ? "" : `, ${seconds.toFixed(0)} s the last time`;
    log.warning("To be built again for this machine: {engine} ({why})", {
      engine,
      why: `${textsOf(differences)}${time}`,
    });
  }
}
