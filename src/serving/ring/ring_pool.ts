/** The rings of a server, all made at its start: later it has given up the right to open anything under /dev. */
import { TrtdError } from "../../errors.ts";
import { Ring, type RingOptions } from "./ring.ts";

export interface RingUsage {
  readonly bytes: number;
  readonly usedBytes: number;
}

export class RingPool {
  readonly #all: readonly Ring[];
  readonly #free: Ring[];

  private constructor(rings: readonly Ring[]) {
    this.#all = rings;
    this.#free = [...rings];
  }

  /** Make so many rings. @throws {TrtdError} `SHARED_MEMORY_UNAVAILABLE`; nothing is left behind */
  static create(count: number, options: RingOptions): RingPool {
    const rings: Ring[] = [];
    try {
      while (rings.length < count) rings.push(Ring.create(options));
      return new RingPool(rings);
    } catch (error) {
      for (const ring of rings) ring.close();
      throw error;
    }
  }

  /** An empty ring that nobody else has. @throws {TrtdError} `SHARED_MEMORY_UNAVAILABLE` when all are in use */
  take(): Ring {
    const ring = this.#free.pop();
    if (ring === undefined) {
      throw new TrtdError("SHARED_MEMORY_UNAVAILABLE", `All ${this.#all.length} rings belong to workers that live`);
    }
    return ring;
  }

  /** Give a ring back once whoever read it has ended. */
  give(ring: Ring): void {
    if (this.#free.includes(ring)) return;
    ring.reset();
    this.#free.push(ring);
  }

  /** Bytes of all rings, and of their slots that are taken. */
  get usage(): RingUsage {
    return {
      bytes: this.#all.reduce((sum, { bytes }) => sum + bytes, 0),
      usedBytes: this.#all.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
    };
  }

  /** Remove all of them. Calling it twice is harmless. */
  close(): void {
    for (const ring of this.#all) ring.close();
  }
}
