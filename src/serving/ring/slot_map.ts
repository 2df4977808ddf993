/** Which slots of a ring are taken: a picture has one slot or several that follow each other. */

export class SlotMap {
  /** Slots of the run that begins there; 0 inside a run, -1 where a slot is free. */
  readonly #runs: Int32Array;
  #free: number;

  /** @param slots 1 or more, all free */
  constructor(slots: number) {
    if (!Number.isInteger(slots) || slots < 1) {
      throw new RangeError(`"slots" must be an integer from 1, current value is ${slots}`);
    }
    this.#runs = new Int32Array(slots).fill(-1);
    this.#free = slots;
  }

  get slots(): number {
    return this.#runs.length;
  }

  get free(): number {
    return this.#free;
  }

  /** Whether {@link take} would find a place. */
  fits(count: number): boolean {
    return this.#find(count) >= 0;
  }

  /** Take `count` slots in a row, the first that are free. @returns the first of them; null when there are none */
  take(count: number): number | null {
    const first = this.#find(count);
    if (first < 0) return null;
    this.#runs.fill(0, first, first + count);
    this.#runs[first] = count;
    this.#free -= count;
    return first;
  }

  /** Give back what {@link take} returned. @throws {RangeError} when no run begins there */
  give(first: number): void {
    const count = this.#runs[first] ?? -1;
    if (count < 1) throw new RangeError(`No taken slots begin at ${first}`);
    this.#runs.fill(-1, first, first + count);
    this.#free += count;
  }

  #find(count: number): number {
    if (count < 1 || count > this.#free) return -1;
    let length = 0;
    for (let at = 0; at < this.#runs.length; at++) {
      length = this.#runs[at] === -1 ? length + 1 : 0;
      if (length === count) return at - count + 1;
    }
    return -1;
  }
}
