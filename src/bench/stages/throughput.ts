/** How many pictures pass a second, by pictures of a run and runs at once. */
import { TrtdError } from "../../errors.ts";
import { shareInside, type Spread, spreadOf } from "../statistics.ts";
import { batchOf } from "./latency.ts";
import type { MeasureOptions } from "./measure.ts";
import type { Subject, Way } from "./subject.ts";

/** Pictures a second with some size of batch and some runs at once. */
export interface Cell {
  readonly batch: number;
  readonly lanes: number;
  /** Median over the rounds; null when it could not be measured. */
  readonly pixels_per_s: Spread | null;
  readonly jpeg_per_s: Spread | null;
  /** Why not. */
  readonly error: string | null;
}

export interface CellTimes {
  readonly batch: number;
  readonly lanes: number;
  readonly rates: Record<Way, number[]>;
  error: string | null;
}

/** One round's measurements, each to be called in its turn; they add to `cells`. */
export function throughputTurns(
  subject: Subject,
  cells: Map<string, CellTimes>,
  options: MeasureOptions,
): (() => Promise<void>)[] {
  const batches = options.batches.filter((batch) => batch <= subject.batchMax);
  const lanes = options.lanes.filter((count) => count <= subject.lanesMax);
  return batches.flatMap((batch) =>
    lanes.flatMap((count) => {
      const key = `${batch}x${count}`;
      const cell = cells.get(key) ?? { batch, lanes: count, rates: { jpeg: [], pixels: [] }, error: null };
      cells.set(key, cell);
      return (["pixels", "jpeg"] as const).map((way) => async () => {
        if (cell.error !== null) return;
        try {
          cell.rates[way].push(await rateOf(subject, { way, batch, lanes: count }, options));
        } catch (error) {
          // Memory may end at a size; a device that is gone ends everything.
          if (!(error instanceof TrtdError) || error.code !== "OUT_OF_GPU_MEMORY") throw error;
          cell.error = error.message;
        }
      });
    })
  );
}

/** Pictures a second of runs that follow each other in each lane, counted for a window after a first run. */
async function rateOf(
  subject: Subject,
  { way, batch, lanes }: { way: Way; batch: number; lanes: number },
  { samples, windowMs }: MeasureOptions,
): Promise<number> {
  const pictures = batchOf(samples, batch);
  const lane = Array.from({ length: lanes });
  await Promise.all(lane.map(() => subject.run(way, pictures)));
  const from = performance.now(), until = from + windowMs;
  let passed = 0;
  await Promise.all(lane.map(async () => {
    for (let start = from; start < until;) {
      await subject.run(way, pictures);
      const end = performance.now();
      passed += batch * shareInside(start, end, from, until);
      start = end;
    }
  }));
  return passed / windowMs * 1000;
}

export const cellOf = ({ batch, lanes, rates, error }: CellTimes): Cell => ({
  batch,
  lanes,
  pixels_per_s: rates.pixels.length === 0 ? null : spreadOf(rates.pixels),
  jpeg_per_s: rates.jpeg.length === 0 ? null : spreadOf(rates.jpeg),
  error,
});

/** The cell with the highest rate. */
export function bestCell(cells: readonly Cell[], way: Way): { readonly cell: Cell; readonly perSecond: number } | null {
  const rated = cells.flatMap((cell) => {
    const rate = way === "jpeg" ? cell.jpeg_per_s : cell.pixels_per_s;
    return rate === null ? [] : [{ cell, perSecond: rate.median }];
  });
  return rated.sort((a, b) => b.perSecond - a.perSecond)[0] ?? null;
}
