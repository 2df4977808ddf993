/** Nested phases of the builder as one number. */
import type { BuildProgress } from "./messages.ts";

/** The records of the shim's ring that matter here. */
export type PhaseEvent =
  | { readonly kind: "phase-start"; readonly phase: string; readonly parent: string | null; readonly steps: number }
  | { readonly kind: "phase-step"; readonly phase: string; readonly step: number }
  | { readonly kind: "phase-finish"; readonly phase: string };

interface Phase {
  readonly name: string;
  readonly steps: number;
  done: number;
}

/**
 * Phases of IProgressMonitor: each has a number of steps, and a phase inside another is a part of its running step.
 * The fraction never falls, whatever a library reports.
 */
export class ProgressTree {
  #open: Phase[] = [];
  #fraction = 0;

  /** Takes one record. @returns whether it was one of progress */
  take(event: PhaseEvent): boolean {
    switch (event.kind) {
      case "phase-start": {
        const parent = this.#open.findIndex(({ name }) => name === event.parent);
        this.#open = event.parent === null ? [] : this.#open.slice(0, parent + 1);
        this.#open.push({ name: event.phase, steps: Math.max(1, event.steps), done: 0 });
        break;
      }
      case "phase-step": {
        const phase = this.#open.findLast(({ name }) => name === event.phase);
        if (phase !== undefined) phase.done = Math.min(phase.steps, Math.max(phase.done, event.step + 1));
        break;
      }
      case "phase-finish": {
        const at = this.#open.findLastIndex(({ name }) => name === event.phase);
        if (at > 0) this.#open.length = at;
        else if (at === 0) this.#open[0]!.done = this.#open[0]!.steps;
        break;
      }
      default:
        return false;
    }
    this.#fraction = Math.max(this.#fraction, this.#compute());
    return true;
  }

  /** Where the build stands. */
  get progress(): BuildProgress {
    return { phase: this.#open.at(-1)?.name ?? "", fraction: this.#fraction };
  }

  #compute(): number {
    return this.#open.reduceRight((inner, { done, steps }) => Math.min(1, (done + Math.min(inner, 1)) / steps), 0);
  }
}

/**
 * What the log of a release without IProgressMonitor says about where the build stands, as fraction of the whole.
 * Source: texts in TensorRT-RTX 1.4.0.76 and libnvinfer_lean 10.16.1 where they are shared, public verbose logs of 8.6.
 */
const LOGGED_PHASES: readonly (readonly [RegExp, string, number])[] = [
  [/Applying generic optimizations to the graph/, "Optimizing the graph", 0.05],
  [/Constructing optimization profile number|=+ Computing costs for/, "Timing tactics", 0.1],
  [/Formats and tactics selection completed/, "Choosing tactics", 0.85],
  [/Engine generation completed in/, "Writing the engine", 0.95],
];

/** The phase that a log line begins, null for none. */
export function loggedPhase(line: string): BuildProgress | null {
  const row = LOGGED_PHASES.find(([pattern]) => pattern.test(line));
  return row === undefined ? null : { phase: row[1], fraction: row[2] };
}
