/** Random small graphs of shape arithmetic that are valid in their opset. */
import { DATA_TYPE, type ModelProto, type NodeProto, type TensorProto } from "../../../src/onnx/proto.ts";
import { evaluate } from "../../../src/onnx/infer/evaluate.ts";
import { knownFromTensor, type KnownTensor } from "../../../src/onnx/infer/evaluate_tensor.ts";
import {
  type AttributeValue,
  type DataTypeName,
  floatTensor,
  int64Tensor,
  model,
  node,
  rawBytes,
  tensor,
  value,
} from "../build_model.ts";

export interface RandomGraph {
  readonly model: ModelProto;
  /** What the graph's input has when it runs. */
  readonly inputDims: readonly number[];
  /** Operators that are in it. */
  readonly operators: readonly string[];
}

export interface RandomOptions {
  /** Version of the default operator set, 9 to 21. */
  readonly opset: number;
  /** Drawn numbers, each 0 or more; a step takes eight. */
  readonly draws: readonly number[];
  /** Whether slice ends beyond INT32 occur. @default false */
  readonly far?: boolean;
}

const { FLOAT, INT32, INT64, BOOL } = DATA_TYPE;
const TYPE_NAMES: Readonly<Record<number, DataTypeName>> = {
  [FLOAT]: "FLOAT",
  [INT32]: "INT32",
  [INT64]: "INT64",
  [BOOL]: "BOOL",
};

const INPUT_DIMS = [2, 3, 4, 5] as const;
const DRAWS_PER_STEP = 8;
const FAR = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 40n, -(2n ** 33n)] as const;
/** ONNX Runtime 1.30 refuses to divide by a zero of a constant, so nothing here divides by a drawn number. */
const DIVISORS = [-3, -2, -1, 1, 2, 3, 7] as const;

/** Build a graph: constants and `Shape` of the input first, then as many nodes as the draws allow. */
export function randomGraph({ opset, draws, far = false }: RandomOptions): RandomGraph {
  const builder = new Builder(opset, far);
  for (let at = 0; at + DRAWS_PER_STEP <= draws.length; at += DRAWS_PER_STEP) {
    builder.step(draws.slice(at, at + DRAWS_PER_STEP));
  }
  return builder.finish();
}

class Builder {
  readonly #opset: number;
  readonly #far: boolean;
  readonly #nodes: NodeProto[] = [];
  readonly #initializers: TensorProto[] = [];
  readonly #pool = new Map<string, KnownTensor>();
  #count = 0;

  constructor(opset: number, far: boolean) {
    this.#opset = opset;
    this.#far = far;
    const constants = [
      int64Tensor("i0", [4], [2, 3, -1, 5]),
      int64Tensor("i1", [], [3]),
      int64Tensor("i2", [2, 3], [1, -2, 3, 4, 0, 7]),
      tensor("j0", "INT32", [3], rawBytes(Int32Array.of(4, -5, 6))),
      floatTensor("f0", [2, 2], [1.5, -2.25, 0.1, 3]),
      floatTensor("f1", [3], [0.5, 2, -7.75]),
      tensor("b0", "BOOL", [4], Uint8Array.of(1, 0, 0, 1)),
    ];
    for (const one of constants) {
      this.#initializers.push(one);
      this.#pool.set(one.name!, knownFromTensor(one)!);
    }
    this.#add("Shape", ["x"], {});
  }

  step(draws: readonly number[]): void {
    const [which = 0, ...rest] = draws;
    const makers = Object.values(MAKERS);
    makers[which % makers.length]!(new Draws(rest, this.#pool), this);
  }

  get opset(): number {
    return this.#opset;
  }

  /** A slice end: small, or far beyond every axis. */
  end(drawn: number): bigint {
    return this.#far && drawn % 3 === 0 ? FAR[drawn % FAR.length]! : BigInt(drawn % 9) - 4n;
  }

  /** A constant of its own for one node. */
  constant(values: readonly (bigint | number)[], dims: readonly number[] = [values.length]): string {
    const name = `c${this.#count++}`;
    const made = int64Tensor(name, dims, values);
    this.#initializers.push(made);
    this.#pool.set(name, knownFromTensor(made)!);
    return name;
  }

  /** Add a node when the evaluation says that it is valid. */
  add(op: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>> = {}, outputs = 1) {
    this.#add(op, inputs, attributes, outputs);
  }

  #add(op: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>>, outputs = 1) {
    const names = Array.from({ length: outputs }, () => `v${this.#count++}`);
    const made = node(op, { inputs, outputs: names }, { attributes });
    const values = evaluate(made, {
      opset: this.#opset,
      known: (at) => this.#pool.get(inputs[at]!),
      shape: (at) => inputs[at] === "x" ? INPUT_DIMS : this.#pool.get(inputs[at]!)?.dims,
    });
    if (values === undefined || values.some(({ elements }) => elements.length > 300)) return;
    this.#nodes.push(made);
    names.forEach((name, at) => this.#pool.set(name, values[at]!));
  }

  /** Every made value is an output, behind an Identity node so that its maker can be folded. */
  finish(): RandomGraph {
    const made = this.#nodes.flatMap(({ output }) => output);
    const copies = made.map((name) => node("Identity", { inputs: [name], outputs: [`${name}_out`] }));
    const outputs = made.map((name) => {
      const { type, dims } = this.#pool.get(name)!;
      return value(`${name}_out`, dims, TYPE_NAMES[type]!);
    });
    return {
      model: model({
        node: [...this.#nodes, ...copies],
        initializer: this.#initializers,
        input: [value("x", ["n", 3, "h", 5])],
        output: outputs,
      }, { opset: this.#opset }),
      inputDims: INPUT_DIMS,
      operators: this.#nodes.map(({ op_type }) => op_type!),
    };
  }
}

/** Draws of one step, by what they choose. */
class Draws {
  readonly #pool: ReadonlyMap<string, KnownTensor>;
  readonly #rest: readonly number[];
  #at = 0;

  constructor(rest: readonly number[], pool: ReadonlyMap<string, KnownTensor>) {
    this.#rest = rest;
    this.#pool = pool;
  }

  next(): number {
    return this.#rest[this.#at++ % this.#rest.length] ?? 0;
  }

  below(limit: number): number {
    return this.next() % limit;
  }

  /** A value of one of the types; the newest are as likely as all older ones. */
  value(...types: number[]): string {
    const fitting = [...this.#pool].filter(([, { type }]) => types.includes(type)).map(([name]) => name);
    const drawn = this.next();
    const recent = fitting.slice(-4);
    return drawn % 2 === 0 ? recent[drawn % recent.length]! : fitting[drawn % fitting.length]!;
  }

  dims(name: string): readonly number[] {
    return this.#pool.get(name)!.dims;
  }

  type(name: string): number {
    return this.#pool.get(name)!.type;
  }

  /** An axis of a value, often counted from the end. */
  axis(name: string, extra = 0): bigint {
    const rank = Math.max(this.dims(name).length + extra, 1);
    const axis = this.below(rank);
    return BigInt(this.below(2) === 0 ? axis : axis - rank);
  }
}

type Maker = (draws: Draws, builder: Builder) => void;

const ANY = [FLOAT, INT32, INT64, BOOL];
const INTS = [INT32, INT64];
const NUMBERS = [FLOAT, INT32, INT64];

const binary = (op: string, types: readonly number[], since = 7): Maker => (draws, builder) => {
  if (builder.opset < since) return;
  const a = draws.value(...types);
  builder.add(op, [a, draws.value(draws.type(a))]);
};

const division = (op: string, attributes: Readonly<Record<string, AttributeValue>> = {}): Maker => (draws, builder) => {
  if (op === "Mod" && builder.opset < 10) return;
  builder.add(op, [draws.value(INT64), builder.constant([DIVISORS[draws.below(DIVISORS.length)]!], [])], attributes);
};

const unary = (op: string, types: readonly number[]): Maker => (draws, builder) =>
  builder.add(op, [draws.value(...types)]);

const reduction = (op: string, axesInputSince: number): Maker => (draws, builder) => {
  const data = draws.value(...INTS);
  if (draws.dims(data).length === 0) return;
  const axis = draws.axis(data);
  const keepdims = BigInt(draws.below(2));
  if (builder.opset < axesInputSince) {
    builder.add(op, [data], { keepdims, axes: [builder.opset < 11 && axis < 0 ? 0n : axis] });
  } else {
    builder.add(op, [data, builder.constant([axis])], { keepdims });
  }
};

const MAKERS: Readonly<Record<string, Maker>> = {
  Add: binary("Add", NUMBERS),
  Sub: binary("Sub", NUMBERS),
  Mul: binary("Mul", NUMBERS),
  Div: division("Div"),
  DivFloat: binary("Div", [FLOAT]),
  Mod: division("Mod"),
  Fmod: division("Mod", { fmod: 1n }),
  Min: binary("Min", INTS, 12),
  Max: binary("Max", NUMBERS, 12),
  Neg: unary("Neg", NUMBERS),
  Abs: unary("Abs", NUMBERS),
  Floor: unary("Floor", [FLOAT]),
  Ceil: unary("Ceil", [FLOAT]),
  Not: unary("Not", [BOOL]),
  And: binary("And", [BOOL]),
  Or: binary("Or", [BOOL]),
  Xor: binary("Xor", [BOOL]),
  Equal: binary("Equal", INTS),
  Less: binary("Less", NUMBERS, 9),
  Greater: binary("Greater", NUMBERS, 9),
  LessOrEqual: binary("LessOrEqual", NUMBERS, 12),
  GreaterOrEqual: binary("GreaterOrEqual", NUMBERS, 12),
  ReduceProd: reduction("ReduceProd", 18),
  ReduceSum: reduction("ReduceSum", 13),
  ReduceMin: reduction("ReduceMin", 18),
  ReduceMax: reduction("ReduceMax", 18),
  Identity: unary("Identity", ANY),

  Cast: (draws, builder) => {
    const to = ANY[draws.below(ANY.length)]!;
    builder.add("Cast", [draws.value(...ANY)], { to: BigInt(to) });
  },

  Shape: (draws, builder) => {
    const range: Record<string, AttributeValue> = builder.opset < 15
      ? {}
      : { start: BigInt(draws.below(5)) - 2n, end: BigInt(draws.below(7)) - 2n };
    builder.add("Shape", [draws.below(2) === 0 ? "x" : draws.value(...ANY)], range);
  },

  Size: (draws, builder) => builder.add("Size", [draws.below(2) === 0 ? "x" : draws.value(...ANY)]),

  Gather: (draws, builder) => {
    const data = draws.value(...ANY);
    const axis = draws.axis(data);
    const size = draws.dims(data).at(Number(axis)) ?? 1;
    const index = () => builder.opset < 11 ? draws.below(Math.max(size, 1)) : draws.below(2 * size || 1) - size;
    const isScalar = draws.below(2) === 0;
    builder.add("Gather", [data, isScalar ? builder.constant([index()], []) : builder.constant([index(), index()])], {
      axis,
    });
  },

  Slice: (draws, builder) => {
    const data = draws.value(...ANY);
    if (draws.dims(data).length === 0) return;
    const axis = draws.axis(data);
    const [start, end] = [builder.end(draws.next()), builder.end(draws.next())];
    if (builder.opset < 10) {
      builder.add("Slice", [data], { starts: [start], ends: [end], axes: [axis < 0 ? 0n : axis] });
      return;
    }
    const steps = [1, 1, 2, -1, -2, 3][draws.below(6)]!;
    const inputs = [[start], [end], [axis], [steps]].map((list) => builder.constant(list));
    builder.add("Slice", [data, ...inputs]);
  },

  Concat: (draws, builder) => {
    const first = draws.value(...ANY);
    if (draws.dims(first).length === 0) return;
    const more = draws.value(draws.type(first));
    builder.add("Concat", [first, more, first], { axis: builder.opset < 11 ? 0n : draws.axis(first) });
  },

  Unsqueeze: (draws, builder) => {
    const data = draws.value(...ANY);
    const axis = draws.axis(data, 1);
    if (builder.opset < 13) builder.add("Unsqueeze", [data], { axes: [builder.opset < 11 && axis < 0 ? 0n : axis] });
    else builder.add("Unsqueeze", [data, builder.constant([axis])]);
  },

  Squeeze: (draws, builder) => {
    const data = draws.value(...ANY);
    const axis = draws.dims(data).indexOf(1);
    if (axis < 0 || draws.below(2) === 0) builder.add("Squeeze", [data]);
    else if (builder.opset < 13) builder.add("Squeeze", [data], { axes: [BigInt(axis)] });
    else builder.add("Squeeze", [data, builder.constant([axis])]);
  },

  Reshape: (draws, builder) => {
    const data = draws.value(...ANY);
    const first = draws.dims(data)[0] ?? 1;
    const shapes = [[-1], [0, -1], [first, -1], [1, -1, first], [-1, 1]];
    builder.add("Reshape", [data, builder.constant(shapes[draws.below(shapes.length)]!)]);
  },

  Flatten: (draws, builder) => {
    const data = draws.value(...ANY);
    builder.add("Flatten", [data], { axis: BigInt(draws.below(draws.dims(data).length + 1)) });
  },

  Transpose: (draws, builder) => {
    const data = draws.value(...ANY);
    const rank = draws.dims(data).length;
    const turn = draws.below(rank + 1);
    const perm = Array.from({ length: rank }, (_, axis) => BigInt((axis + turn) % rank));
    builder.add("Transpose", [data], rank === 0 || turn === rank ? {} : { perm });
  },

  Expand: (draws, builder) => {
    const data = draws.value(...ANY);
    const shape = draws.dims(data).map((dim) => dim === 1 ? 1 + draws.below(3) : draws.below(2) === 0 ? 1 : dim);
    builder.add("Expand", [data, builder.constant([2, ...shape])]);
  },

  Tile: (draws, builder) => {
    const data = draws.value(...ANY);
    builder.add("Tile", [data, builder.constant(draws.dims(data).map(() => draws.below(3)))]);
  },

  Split: (draws, builder) => {
    const data = draws.value(...NUMBERS);
    const dims = draws.dims(data);
    if (dims.length === 0 || dims[0]! < 2) return;
    const sizes = [1, dims[0]! - 1];
    if (builder.opset < 13) builder.add("Split", [data], { axis: 0n, split: sizes.map(BigInt) }, 2);
    else if (builder.opset >= 18 && draws.below(2) === 0) {
      builder.add("Split", [data], { axis: 0n, num_outputs: 2n }, 2);
    } else builder.add("Split", [data, builder.constant(sizes)], { axis: 0n }, 2);
  },

  ConstantOfShape: (draws, builder) => {
    const fills: Record<string, AttributeValue>[] = [
      {},
      { value: int64Tensor("", [1], [-7]) },
      { value: floatTensor("", [1], [2.5]) },
    ];
    const shape = builder.constant(Array.from({ length: draws.below(3) }, () => draws.below(4)));
    builder.add("ConstantOfShape", [shape], fills[draws.below(fills.length)]!);
  },

  NonZero: (draws, builder) => {
    const data = draws.value(...ANY);
    if (draws.dims(data).length > 0) builder.add("NonZero", [data]);
  },

  Where: (draws, builder) => {
    const yes = draws.value(FLOAT, INT64);
    builder.add("Where", [draws.value(BOOL), yes, draws.value(draws.type(yes))]);
  },

  Range: (draws, builder) => {
    if (builder.opset < 11) return;
    const [start, limit] = [draws.below(9) - 4, draws.below(13) - 6];
    const step = [-3, -1, 1, 2][draws.below(4)]!;
    builder.add("Range", [start, limit, step].map((one) => builder.constant([one], [])));
  },
};
