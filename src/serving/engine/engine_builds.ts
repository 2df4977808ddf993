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

/** A kind of GPU that engines are built for, by its name; null: the only one. */
export type BuiltFor = string | null;

export interface EngineBuildsOptions {
  readonly models: readonly string[];
  /** Kinds of GPU, each with engines of its own. @default [null] */
  readonly kinds?: readonly BuiltFor[];
  /** Starts the build of a model's engine. */
  startBuild(model: string, onLine: (line: BuildLine) => void, kind: BuiltFor): RunningBuild;
  /** The engine is in the cache and agrees with ONNX Runtime: the workers change over. */
  takeOver(model: string, kind: BuiltFor): Promise<void>;
  readonly clock: Clock;
  readonly onEvent?: (event: BuildEnded) => void;
}

interface Row {
  readonly model: string;
  readonly kind: BuiltFor;
  status: Omit<BuildStatus, "elapsed_s">;
  beganMs: number | null;
  endedMs: number | null;
  build: RunningBuild | null;
}

const UNDER_WAY: readonly BuildStatus["state"][] = ["waiting", "running", "checking"];

/** Of several builds of one model, what is told first. */
const TOLD: readonly BuildStatus["state"][] = [
  "running",
  "checking",
  "waiting",
  "failed",
  "cancelled",
  "done",
  "none",
];

export class EngineBuilds {
  readonly #options: EngineBuildsOptions;
  readonly #rows: ReadonlyMap<string, readonly Row[]>;
  readonly #listeners = new Map<string, Set<() => void>>();
  #turn: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: EngineBuildsOptions) {
    this.#options = options;
    const kinds = options.kinds ?? [null];
    this.#rows = new Map(options.models.map((model) => [model, kinds.map((kind) => newRow(model, kind))]));
  }

  /** What becomes of a model's engine; of several the one that is being built, then one that there is not. */
  status(model: string): BuildStatus {
    const rank = ({ status }: Row) => TOLD.indexOf(status.state);
    const { status, beganMs, endedMs } = this.#rowsOf(model).toSorted((a, b) => rank(a) - rank(b))[0]!;
    const ms = beganMs === null ? null : (endedMs ?? this.#options.clock.now()) - beganMs;
    return { ...status, elapsed_s: ms === null ? null : Math.round(ms / 100) / 10 };
  }

  /** Whether a build of the model is under way. @param kind @default any */
  isUnderWay(model: string, kind?: BuiltFor): boolean {
    return this.#rowsOf(model).some((row) => (kind === undefined || row.kind === kind) && isUnderWay(row));
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

  /** Build a model's engine as soon as no other one is built. One that is under way goes on. @param kind @default the first */
  start(model: string, kind: BuiltFor = this.#rowsOf(model)[0]!.kind): void {
    const row = this.#rowsOf(model).find((one) => one.kind === kind);
    if (this.#closed || row === undefined || isUnderWay(row)) return;
    Object.assign(row, newRow(model, kind));
    this.#set(row, { state: "waiting" });
    this.#turn = this.#turn.then(() => this.#run(row));
  }

  /** End the builds of a model. @throws {TrtdError} `BUILD_NOT_RUNNING` */
  cancel(model: string): void {
    const rows = this.#rowsOf(model).filter(({ status: { state } }) => state === "waiting" || state === "running");
    if (rows.length === 0) throw new TrtdError("BUILD_NOT_RUNNING", `No engine of "${model}" is being built`);
    for (const row of rows) {
      if (row.build === null) this.#set(row, { state: "cancelled" });
      else row.build.cancel();
    }
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
    const rows = [...this.#rows.values()].flat();
    for (const row of rows) {
      if (row.status.state === "waiting") this.#set(row, { state: "cancelled" });
      row.build?.cancel();
      this.#changed(row);
    }
    await Promise.all(rows.map(({ build }) => build?.ended));
  }

  async #run(row: Row): Promise<void> {
    const { clock, onEvent } = this.#options;
    const { model, kind } = row;
    if (this.#closed || row.status.state !== "waiting") return;
    row.beganMs = clock.now();
    this.#set(row, { state: "running", phase: "starting", percent: 0 });
    const on = kind === null ? "" : ` for ${kind}`;
    log.info("The engine of {model}{on} is built; the CPU answers meanwhile", { model, on });
    const ended = await this.#build(row);
    if (ended.result === "built" && !this.#closed) {
      try {
        this.#set(row, { state: "checking", phase: "changing over", percent: 100 });
        await this.#options.takeOver(model, kind);
        this.#end(row, { state: "done", phase: null, percent: 100 });
        log.info("The engine of {model}{on} is built and answers", { model, on });
      } catch (thrown) {
        const { code, message: detail, remedy } = trtdErrorFrom(thrown);
        this.#end(row, { state: "failed", error: { code, detail, remedy } });
        log.error("The engine of {model}{on} was built, but no worker runs it: {detail}", { model, on, detail });
      }
    } else if (ended.result === "cancelled" || this.#closed) this.#end(row, { state: "cancelled" });
    else {
      this.#end(row, { state: "failed", error: ended.error });
      log.warning("There is no engine of {model}{on}: {detail}", { model, on, detail: ended.error?.detail });
    }
    onEvent?.({ type: "build_ended", model, result: ended.result, seconds: (clock.now() - row.beganMs) / 1000 });
  }

  async #build(row: Row): Promise<Awaited<RunningBuild["ended"]>> {
    try {
      row.build = this.#options.startBuild(row.model, (line) => this.#take(row, line), row.kind);
      return await row.build.ended;
    } catch (thrown) {
      const { code, message: detail, remedy } = trtdErrorFrom(thrown);
      return { type: "ended", result: "failed", error: { code, detail, remedy } };
    } finally {
      row.build = null;
    }
  }

  #take(row: Row, line: BuildLine): void {
    const { percent } = row.status;
    if (line.type === "expected") this.#set(row, { expected_s: line.seconds });
    else if (line.type === "checking") this.#set(row, { state: "checking", phase: "checking" });
    else if (line.type === "progress") {
      const next = Math.max(percent ?? 0, Math.min(99, Math.floor(100 * line.fraction)));
      this.#set(row, { percent: next, ...(line.phase === "" ? {} : { phase: line.phase }) });
    }
  }

  #end(row: Row, change: Partial<Row["status"]>): void {
    row.endedMs = this.#options.clock.now();
    this.#set(row, change);
  }

  #set(row: Row, change: Partial<Row["status"]>): void {
    row.status = { ...row.status, ...change };
    this.#changed(row);
  }

  #changed({ model }: Row): void {
    for (const listener of [...this.#listeners.get(model) ?? []]) listener();
  }

  #rowsOf(model: string): readonly Row[] {
    const rows = this.#rows.get(model);
    if (rows === undefined) throw new TrtdError("MODEL_NOT_FOUND", `The model "${model}" is not served here`);
    return rows;
  }
}

const isUnderWay = ({ status }: Row): boolean => UNDER_WAY.includes(status.state);

function newRow(model: string, kind: BuiltFor): Row {
  return {
    model,
    kind,
    status: {
      model,
      ...(kind === null ? {} : { gpu: kind }),
      state: "none",
      phase: null,
      percent: null,
      expected_s: null,
      error: null,
    },
    beganMs: null,
    endedMs: null,
    build: null,
  };
}
