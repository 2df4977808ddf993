/** What the cache has for the served models, for each kind of GPU that they run on. */
import { type GpuKind, gpuLabel } from "../policy/places.ts";
import { EngineCheck, type EngineCheckOptions } from "./engine_check.ts";
import type { EngineStatus } from "./engine_messages.ts";

/** What is told first of several. */
const TOLD: readonly EngineStatus["cache"][] = ["unknown", "miss", "none", "hit"];

const BEFORE: EngineStatus = {
  cache: "unknown",
  path: null,
  missed_because: [],
  detail: "The cache of engines is being compared with this machine",
};

interface Row {
  readonly kind: GpuKind;
  /** Null before its turn. */
  check: EngineCheck | null;
}

/** An {@link EngineCheck} for each kind, one after the other. */
export class EngineChecks {
  /** Resolves when every status is settled. */
  readonly done: Promise<void>;
  readonly #rows: readonly Row[];
  #pending = true;
  #closed = false;

  /** Begins at once. @param optionsFor the options of a kind's lookup */
  constructor(kinds: readonly GpuKind[], optionsFor: (kind: GpuKind) => EngineCheckOptions) {
    this.#rows = kinds.map((kind) => ({ kind, check: null }));
    this.done = this.#run(optionsFor);
  }

  /** Whether statuses may still change. */
  get pending(): boolean {
    return this.#pending;
  }

  /** What the cache has for a served model. Of several kinds of GPU: one that lacks an engine first, with the GPUs' names. */
  status(model: string): EngineStatus {
    const all = this.#rows.map(({ kind, check }) => ({ kind, status: check?.status(model) ?? BEFORE }));
    const rank = ({ status }: { status: EngineStatus }) => TOLD.indexOf(status.cache);
    const { kind, status } = all.toSorted((a, b) => rank(a) - rank(b))[0]!;
    if (kind.name === null) return status;
    const gpus = kind.places.flatMap(({ gpu }) => gpu === null ? [] : [gpuLabel(gpu)]).join(", ");
    return { ...status, detail: `${gpus}: ${status.detail}` };
  }

  /** Kinds for which no engine of a model fits. */
  missing(model: string): readonly GpuKind[] {
    return this.#rows.filter(({ check }) => check?.status(model).cache === "miss").map(({ kind }) => kind);
  }

  /** Kinds for which an engine of a model fitted that is no longer there: a worker set it aside. */
  async gone(model: string): Promise<readonly GpuKind[]> {
    const found = await Promise.all(this.#rows.map(async ({ kind, check }) => {
      const { cache, path } = check?.status(model) ?? BEFORE;
      return cache === "hit" && path !== null && !await isThere(path) ? [kind] : [];
    }));
    return found.flat();
  }

  /** Ends the child. Calling it twice is harmless. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#rows.map(({ check }) => check?.close()));
    await this.done;
  }

  async #run(optionsFor: (kind: GpuKind) => EngineCheckOptions): Promise<void> {
    for (const row of this.#rows) {
      if (this.#closed) break;
      row.check = new EngineCheck(optionsFor(row.kind));
      await row.check.done;
    }
    this.#pending = false;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
