/** Engines that the cache lacks: built one after the other behind the service, then taken over. */
import { getLogger } from "@logtape/logtape";
import { TrtdError, trtdErrorFrom } from "../../errors.ts";
import type { Clock } from "../clock.ts";
import type { BuildLine, BuildStatus } from "./build_messages.ts";
import type { RunningBuild } from "./build_process.ts";

const log = getLogger(["trtd", "serving"]);

/** Told once for each build that was begun. */
export interface BuildEnded {
  readonly type: "build_ended";
  readonly model: string;
  readonly result: "built" | "failed" | "cancelled" | "refused";
  readonly seconds: number;
}

export interface EngineBuildsOptions {
  readonly models: readonly string[];
  /** Starts the build of a model's engine. */
  startBuild(model: string, onLine: (line: BuildLine) => void): RunningBuild;
  /** The engine is in the cache and agrees with ONNX Runtime: the workers change over. */
  takeOver(model: string): Promise<void>;
  readonly clock: Clock;
  readonly onEvent?: (event: BuildEnded) => void;
}

interface Row {
  status: Omit<BuildStatus, "elapsed_s">;
  beganMs: number | null;
  endedMs: number | null;
  build: RunningBuild | null;
}

const UNDER_WAY: readonly BuildStatus["state"][] = ["waiting", "running", "checking"];

export class EngineBuilds {
  readonly #options: EngineBuildsOptions;
  readonly #rows: ReadonlyMap<string, Row>;
  readonly #listeners = new Map<string, Set<() => void>>();
  #turn: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: EngineBuildsOptions) {
    this.#options = options;
    this.#rows = new Map(options.models.map((model) => [model, newRow(model, "none")]));
  }

  /** What becomes of a model's engine. */
  status(model: string): BuildStatus {
    const { status, beganMs, endedMs } = this.#row(model);
    const ms = beganMs === null ? null : (endedMs ?? this.#options.clock.now()) - beganMs;
    return { ...status, elapsed_s: ms === null ? null : Math.round(ms / 100) / 10 };
  }

  /** Whether a build of the model is under way. */
  isUnderWay(model: string): boolean {
    return UNDER_WAY.includes(this.#row(model).status.state);
  }

  /** Whole seconds until the engine may be there, 1 to 3600; a minute when nobody knows. */
  retryAfterS(model: string): number {
    const { expected_s: expected, elapsed_s: elapsed, percent } = this.status(model);
    const left = expected !== null
      ? expected - (elapsed ?? 0)
      : elapsed !== null && percent !== null && percent >= 5
      ? elapsed * (100 / percent - 1)
      : 60;
    return Math.max(1, Math.min(3600, Math.ceil(left)));
  }

  /** Build a model's engine as soon as no other one is built. One that is under way goes on. */
  start(model: string): void {
    const row = this.#row(model);
    if (this.#closed || this.isUnderWay(model)) return;
    Object.assign(row, newRow(model, "waiting"));
    this.#changed(model);
    this.#turn = this.#turn.then(() => this.#run(model, row));
  }

  /** End a build. @throws {TrtdError} `BUILD_NOT_RUNNING` */
  cancel(model: string): void {
    const row = this.#row(model);
    if (row.status.state !== "waiting" && row.status.state !== "running") {
      throw new TrtdError("BUILD_NOT_RUNNING", `No engine of "${model}" is being built`);
    }
    if (row.build === null) this.#set(model, { state: "cancelled" });
    else row.build.cancel();
  }

  /** Call `listener` when a status changes. @returns what ends that */
  watch(model: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(model) ?? new Set();
    this.#listeners.set(model, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Whether nothing will change any more: watchers may go. */
  get closed(): boolean {
    return this.#closed;
  }

  /** End all builds. Calling it twice is harmless. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const [model, { build, status }] of this.#rows) {
      if (status.state === "waiting") this.#set(model, { state: "cancelled" });
      build?.cancel();
      this.#changed(model);
    }
    await Promise.all([...this.#rows.values()].map(({ build }) => build?.ended));
  }

  async #run(model: string, row: Row): Promise<void> {
    const { clock, onEvent } = this.#options;
    if (this.#closed || row.status.state !== "waiting") return;
    row.beganMs = clock.now();
    this.#set(model, { state: "running", phase: "starting", percent: 0 });
    log.info("The engine of {model} is built; the CPU answers meanwhile", { model });
    const ended = await this.#build(model, row);
    if (ended.result === "built" && !this.#closed) {
      try {
        this.#set(model, { state: "checking", phase: "changing over", percent: 100 });
        await this.#options.takeOver(model);
        this.#end(row, model, { state: "done", phase: null, percent: 100 });
        log.info("The engine of {model} is built and answers", { model });
      } catch (thrown) {
        const { code, message: detail, remedy } = trtdErrorFrom(thrown);
        this.#end(row, model, { state: "failed", error: { code, detail, remedy } });
        log.error("The engine of {model} was built, but no worker runs it: {detail}", { model, detail });
      }
    } else if (ended.result === "cancelled" || this.#closed) this.#end(row, model, { state: "cancelled" });
    else {
      this.#end(row, model, { state: "failed", error: ended.error });
      log.warning("There is no engine of {model}: {detail}", { model, detail: ended.error?.detail });
    }
    onEvent?.({ type: "build_ended", model, result: ended.result, seconds: (clock.now() - row.beganMs) / 1000 });
  }

  async #build(model: string, row: Row): Promise<Awaited<RunningBuild["ended"]>> {
    try {
      row.build = this.#options.startBuild(model, (line) => this.#take(model, line));
      return await row.build.ended;
    } catch (thrown) {
      const { code, message: detail, remedy } = trtdErrorFrom(thrown);
      return { type: "ended", result: "failed", error: { code, detail, remedy } };
    } finally {
      row.build = null;
    }
  }

  #take(model: string, line: BuildLine): void {
    const { percent } = this.#row(model).status;
    if (line.type === "expected") this.#set(model, { expected_s: line.seconds });
    else if (line.type === "checking") this.#set(model, { state: "checking", phase: "checking" });
    else if (line.type === "progress") {
      const next = Math.max(percent ?? 0, Math.min(99, Math.floor(100 * line.fraction)));
      this.#set(model, { percent: next, ...(line.phase === "" ? {} : { phase: line.phase }) });
    }
  }

  #end(row: Row, model: string, change: Partial<Row["status"]>): void {
    row.endedMs = this.#options.clock.now();
    this.#set(model, change);
  }

  #set(model: string, change: Partial<Row["status"]>): void {
    const row = this.#row(model);
    row.status = { ...row.status, ...change };
    this.#changed(model);
  }

  #changed(model: string): void {
    for (const listener of [...this.#listeners.get(model) ?? []]) listener();
  }

  #row(model: string): Row {
    const row = this.#rows.get(model);
    if (row === undefined) throw new TrtdError("MODEL_NOT_FOUND", `The model "${model}" is not served here`);
    return row;
  }
}

function newRow(model: string, state: BuildStatus["state"]): Row {
  return {
    status: { model, state, phase: null, percent: null, expected_s: null, error: null },
    beganMs: null,
    endedMs: null,
    build: null,
  };
}
