/** Things of which each does one piece of work at a time. */

/** A pool: who finds all at work waits in line. */
export class Lanes<T> {
  /** Free and at work. */
  readonly all: readonly T[];
  readonly #free: T[];
  readonly #waiting: ((lane: T) => void)[] = [];
  readonly #idle: (() => void)[] = [];

  constructor(all: readonly T[]) {
    this.all = all;
    this.#free = [...all];
  }

  get size(): number {
    return this.all.length;
  }

  /**
   * Do work on a free lane.
   * @param prefer which of several free lanes is best; else the one that was used last
   */
  async use<R>(work: (lane: T) => Promise<R>, prefer: (lane: T) => boolean = () => false): Promise<R> {
    const lane = this.#take(prefer) ?? await new Promise<T>((resolve) => this.#waiting.push(resolve));
    try {
      return await work(lane);
    } finally {
      this.#give(lane);
    }
  }

  /** Resolves when no work is under way and none waits. */
  async idle(): Promise<void> {
    if (this.#free.length === this.all.length) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #take(prefer: (lane: T) => boolean): T | undefined {
    const at = this.#free.findLastIndex(prefer);
    return at < 0 ? this.#free.pop() : this.#free.splice(at, 1)[0];
  }

  #give(lane: T): void {
    const next = this.#waiting.shift();
    if (next !== undefined) return next(lane);
    this.#free.push(lane);
    if (this.#free.length === this.all.length) { for (const resolve of this.#idle.splice(0)) resolve(); }
  }
}
