/**
 * `cv::resize` INTER_LINEAR on 8-bit RGB, bit-exact with OpenCV 4 and 5: weights of 11 bits, horizontal pass to 19
 * bits, vertical pass with OpenCV's two shifts. The passes run in WebAssembly (letterbox.c); tables are made here.
 */
import { LETTERBOX_WASM } from "./letterbox_wasm.ts";
import { roundHalfEven } from "./rounding.ts";

/** Rows that are made at once: small enough for the second-level cache. */
const BAND_ROWS = 16;
const WEIGHT_ONE = 2048;
const PAGE_BYTES = 65536;

/** 1/255 in two parts: the first has 16 bits, so that its product with a byte is exact in f32. */
const UNIT_HIGH = Math.floor(2 ** 23 / 255) / 2 ** 23;
const UNIT_LOW = 1 / 255 - UNIT_HIGH;

interface Passes {
  stretch(source: number, offsets: number, weights: number, into: number, n: number): void;
  blend(
    upper: number,
    lower: number,
    n: number,
    weightUpper: number,
    weightLower: number,
    red: number,
    green: number,
    blue: number,
    high: number,
    low: number,
  ): void;
  halve(
    upper: number,
    lower: number,
    n: number,
    red: number,
    green: number,
    blue: number,
    high: number,
    low: number,
  ): void;
}

let compiled: WebAssembly.Module | undefined;

/** Source indices and weights (0..2048) of each target index of one axis. */
interface Axis {
  readonly lower: Int32Array;
  readonly upper: Int32Array;
  readonly weightLower: Int32Array;
  readonly weightUpper: Int32Array;
}

/** @param horizontal whether weights collapse at the border (as OpenCV does on rows), not only indices */
function axisOf(source: number, target: number, horizontal: boolean): Axis {
  const scale = 1 / (target / source);
  const make = () => new Int32Array(target);
  const axis = { lower: make(), upper: make(), weightLower: make(), weightUpper: make() };
  for (let i = 0; i < target; i++) {
    const position = Math.fround((i + 0.5) * scale - 0.5);
    let at = Math.floor(position), fraction = Math.fround(position - at);
    if (horizontal && at < 0) at = 0, fraction = 0;
    if (horizontal && at >= source - 1) at = source - 1, fraction = 0;
    axis.lower[i] = Math.min(Math.max(at, 0), source - 1);
    axis.upper[i] = Math.min(Math.max(at + 1, 0), source - 1);
    axis.weightLower[i] = roundHalfEven(Math.fround(Math.fround(1 - fraction) * WEIGHT_ONE));
    axis.weightUpper[i] = roundHalfEven(Math.fround(fraction * WEIGHT_ONE));
  }
  return axis;
}

export interface ResizeShape {
  readonly sourceWidth: number;
  readonly sourceHeight: number;
  readonly width: number;
  readonly height: number;
  /** Floats from one row of a band to the next: at least `left + width`, and `left + 4`. */
  readonly stride: number;
  /** Columns before the picture; they and those after it hold anything. */
  readonly left: number;
  /** What becomes of a byte: divided by 255, correctly rounded to f32, or itself. */
  readonly range: 1 | 255;
}

/** Rows of a scaled picture, `stride` floats each: red, green and blue. Valid until the next band. */
export interface Band {
  readonly from: number;
  readonly colors: readonly [Float32Array, Float32Array, Float32Array];
}

/** Scales pictures, one at a time; its memory grows to what the widest needed. */
export class LinearResize {
  #memory = new WebAssembly.Memory({ initial: 1 });
  #passes: Passes;
  #shape: ResizeShape | undefined;
  #vertical: Axis = axisOf(1, 1, false);
  /** Buffers in the memory, `source` for two rows; the passes read whole vectors, so each has room behind it. */
  #buffers = { source: 0, offsets: 0, weights: 0, rows: [0, 0], planes: [0, 0, 0] };
  /** Pixels of a row that the passes make: they need four. */
  #columns = 0;

  constructor() {
    compiled ??= new WebAssembly.Module(Uint8Array.from(atob(LETTERBOX_WASM), (c) => c.charCodeAt(0)));
    const instance = new WebAssembly.Instance(compiled, { env: { memory: this.#memory } });
    this.#passes = instance.exports as unknown as Passes;
  }

  /**
   * Scale one picture, {@link BAND_ROWS} rows at a time.
   * @param data RGB u8 of the shape's source size
   */
  *bands(data: Uint8Array, shape: ResizeShape): Generator<Band> {
    this.#prepare(shape);
    const { stride, height } = shape;
    // OpenCV takes the mean of 2x2 pixels where both sides are exactly halved.
    const halves = shape.sourceWidth === 2 * shape.width && shape.sourceHeight === 2 * height;
    const row = halves ? this.#halvedRows(data, shape) : this.#blendedRows(data, shape);
    for (let from = 0; from < height; from += BAND_ROWS) {
      const to = Math.min(from + BAND_ROWS, height);
      for (let i = from; i < to; i++) row(i, 4 * ((i - from) * stride + shape.left));
      const color = (plane: number) =>
        new Float32Array(this.#memory.buffer, this.#buffers.planes[plane], (to - from) * stride);
      yield { from, colors: [color(0), color(1), color(2)] };
    }
  }

  /** A function that makes row `i` at byte `at` of the planes. */
  #blendedRows(data: Uint8Array, shape: ResizeShape): (i: number, at: number) => void {
    const { source, offsets, weights, rows, planes } = this.#buffers;
    const { lower, upper, weightLower, weightUpper } = this.#vertical;
    const [high, low] = shape.range === 1 ? [UNIT_HIGH, UNIT_LOW] : [1, 0];
    const columns = this.#columns, passes = this.#passes, rowBytes = 3 * shape.sourceWidth;
    const sourceRow = new Uint8Array(this.#memory.buffer, source, rowBytes);
    const held = [-1, -1];
    /** Address of a stretched row; `other` must stay. */
    const stretched = (row: number, other: number): number => {
      for (let slot = 0; slot < 2; slot++) if (held[slot] === row) return rows[slot]!;
      const slot = held[0] === other ? 1 : 0;
      sourceRow.set(data.subarray(row * rowBytes, (row + 1) * rowBytes));
      passes.stretch(source, offsets, weights, rows[slot]!, columns);
      held[slot] = row;
      return rows[slot]!;
    };
    return (i, at) => {
      const first = stretched(lower[i]!, upper[i]!), second = stretched(upper[i]!, lower[i]!);
      const [red, green, blue] = [planes[0]! + at, planes[1]! + at, planes[2]! + at];
      passes.blend(first, second, columns, weightLower[i]!, weightUpper[i]!, red, green, blue, high, low);
    };
  }

  #halvedRows(data: Uint8Array, shape: ResizeShape): (i: number, at: number) => void {
    const { source, planes } = this.#buffers;
    const [high, low] = shape.range === 1 ? [UNIT_HIGH, UNIT_LOW] : [1, 0];
    const columns = this.#columns, passes = this.#passes, rowBytes = 3 * shape.sourceWidth;
    const sourceRows = new Uint8Array(this.#memory.buffer, source, 2 * rowBytes);
    return (i, at) => {
      sourceRows.set(data.subarray(2 * i * rowBytes, 2 * (i + 1) * rowBytes));
      const [red, green, blue] = [planes[0]! + at, planes[1]! + at, planes[2]! + at];
      passes.halve(source, source + rowBytes, columns, red, green, blue, high, low);
    };
  }

  #prepare(shape: ResizeShape): void {
    const keys = Object.keys(shape) as (keyof ResizeShape)[];
    if (keys.every((key) => this.#shape?.[key] === shape[key])) return;
    this.#shape = shape;
    this.#columns = Math.max(4, shape.width);
    this.#vertical = axisOf(shape.sourceHeight, shape.height, false);
    let end = 0;
    const take = (bytes: number) => {
      const at = end;
      end += (bytes + 31) & ~15;
      return at;
    };
    const table = () => take(4 * this.#columns);
    const plane = () => take(4 * BAND_ROWS * shape.stride);
    this.#buffers = {
      source: take(6 * Math.max(4, shape.sourceWidth)),
      offsets: table(),
      weights: table(),
      rows: [take(8 * this.#columns), take(8 * this.#columns)],
      planes: [plane(), plane(), plane()],
    };
    const missing = end - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
    const horizontal = axisOf(shape.sourceWidth, shape.width, true);
    const offsets = new Int32Array(this.#memory.buffer, this.#buffers.offsets, this.#columns + 1).fill(0);
    const weights = new Int32Array(this.#memory.buffer, this.#buffers.weights, this.#columns + 1).fill(0);
    for (let i = 0; i < shape.width; i++) {
      offsets[i] = 3 * horizontal.lower[i]!;
      weights[i] = horizontal.weightLower[i]! | (horizontal.weightUpper[i]! << 16);
    }
  }
}
