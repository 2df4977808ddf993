/** Numbers by labels. Kept without prom-client: loading it takes longer than a quarter of the server's whole start. */

export type Labels = Readonly<Record<string, string>>;

export interface CountRow {
  readonly labels: Labels;
  readonly value: number;
}

/** Numbers that only grow. */
export class Counts {
  readonly #rows = new Map<string, { readonly labels: Labels; value: number }>();

  /** @param by 0 shows the labels before there is anything to count */
  add(labels: Labels, by = 1): void {
    const key = keyOf(labels);
    const found = this.#rows.get(key);
    if (found === undefined) this.#rows.set(key, { labels, value: by });
    else found.value += by;
  }

  get rows(): Iterable<CountRow> {
    return this.#rows.values();
  }
}

export interface DistributionRow {
  readonly labels: Labels;
  /** Observations in each bucket, without those of smaller ones; the last is for what is over every bound. */
  readonly buckets: readonly number[];
  readonly sum: number;
}

/** How often values lay between bounds. */
export class Distribution {
  /** Upper bounds, ascending. */
  readonly bounds: readonly number[];
  readonly #rows = new Map<string, { readonly labels: Labels; readonly buckets: number[]; sum: number }>();

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
  }

  /** A value that is no number is left out. */
  observe(labels: Labels, value: number): void {
    if (!Number.isFinite(value)) return;
    const key = keyOf(labels);
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = { labels, buckets: new Array(this.bounds.length + 1).fill(0), sum: 0 };
      this.#rows.set(key, row);
    }
    const at = this.bounds.findIndex((bound) => value <= bound);
    row.buckets[at < 0 ? this.bounds.length : at]!++;
    row.sum += value;
  }

  get rows(): Iterable<DistributionRow> {
    return this.#rows.values();
  }
}

/** Callers give their labels in one order. */
function keyOf(labels: Labels): string {
  let key = "";
  for (const value of Object.values(labels)) key += `${value}\0`;
  return key;
}
