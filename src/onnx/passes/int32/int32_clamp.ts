/** Whether a value may be clamped to INT32 without changing what the model computes. */
import { domainOf } from "../../graph/nodes.ts";
import { DATA_TYPE, type NodeProto } from "../../proto.ts";
import { quoted } from "../../quoted.ts";
import { evaluate } from "../../infer/evaluate.ts";
import type { CallContext } from "../../infer/evaluate_call.ts";
import { type Element, isComplete, isInteger, type KnownTensor } from "../../infer/evaluate_tensor.ts";
import { attribute } from "../../graph/graph_index.ts";
import { titleOf } from "../../graph/names.ts";
import type { Scope, Use } from "../../graph/scopes.ts";
import { Knowledge } from "../../infer/shapes.ts";

export const INT32_MAX = 2n ** 31n - 1n;
export const INT32_MIN = -(2n ** 31n);

/** The nearest INT32. */
export const clampedToInt32 = (value: bigint): bigint =>
  value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : value;

/** Inputs of which only the direction counts: nothing they bound reaches 2^31, TensorRT's limit. */
const SATURATING: Readonly<Record<string, readonly number[]>> = {
  Loop: [0],
  NonMaxSuppression: [2],
  Slice: [1, 2, 4],
  Trilu: [1],
};

/** Inputs whose elements are not looked at. */
const IGNORED: Readonly<Record<string, readonly number[]>> = {
  EyeLike: [0],
  RandomNormalLike: [0],
  RandomUniformLike: [0],
  Shape: [0],
  Size: [0],
};

/** Inputs whose elements come out as they are, in another place. */
const MOVING: Readonly<Record<string, readonly number[] | "all">> = {
  Concat: "all",
  DepthToSpace: [0],
  Expand: [0],
  Flatten: [0],
  Gather: [0],
  GatherElements: [0],
  GatherND: [0],
  Identity: [0],
  Pad: [0, 2],
  Reshape: [0],
  Scatter: [0, 2],
  ScatterElements: [0, 2],
  ScatterND: [0, 2],
  Slice: [0],
  SpaceToDepth: [0],
  Split: [0],
  Squeeze: [0],
  Tile: [0],
  Transpose: [0],
  Unsqueeze: [0],
  Where: [1, 2],
};

/** Clamping before them and after them is the same. */
const MONOTONE: readonly string[] = ["Clip", "Max", "Min"];

const includes = (inputs: readonly number[] | "all" | undefined, at: number): boolean =>
  inputs === "all" || (inputs?.includes(at) ?? false);

/** Follows a clamped value to everything that it reaches. */
export class ClampCheck {
  readonly #knowledge = new Map<Scope, Knowledge>();
  readonly #seen = new Map<Scope, Set<string>>();

  /**
   * Why a value that the scope defines must not be clamped; null when the results stay the same.
   * @param clamped the value as it was, when its elements are known
   */
  objection(scope: Scope, name: string, clamped?: KnownTensor): string | null {
    const seen = this.#seen.get(scope) ?? new Set();
    this.#seen.set(scope, seen);
    if (seen.has(name)) return null;
    seen.add(name);
    for (const use of scope.uses(name)) {
      const objection = use.node === undefined
        ? this.#atOutput(use)
        : this.#atNode(use, use.node, { scope, name, clamped });
      if (objection !== null) return objection;
    }
    return null;
  }

  #atOutput({ scope, at }: Use): string | null {
    const { owner, outer } = scope;
    if (outer === null || owner === null) return `${quoted(scope.graph.output[at]?.name)} is an output`;
    const name = owner.output[at];
    if (owner.op_type !== "If" || name === undefined) return `the graph of ${titleOf(owner)} hands it on`;
    return name === "" ? null : this.objection(outer, name);
  }

  #atNode(use: Use, node: NodeProto, from: { scope: Scope; name: string; clamped: KnownTensor | undefined }) {
    const { op_type: operator = "" } = node;
    const { scope, at } = use;
    if (domainOf(node.domain) === "ai.onnx") {
      if (includes(SATURATING[operator], at) || includes(IGNORED[operator], at)) return null;
      const to = attribute(node, "to")?.i;
      if (operator === "Cast" && to === BigInt(DATA_TYPE.BOOL)) return null;
      const isMoving = includes(MOVING[operator], at) || (operator === "Cast" && to === BigInt(DATA_TYPE.INT64));
      if (isMoving || MONOTONE.includes(operator)) {
        if (accumulates(node)) return `${titleOf(node)} computes with it`;
        if (this.#isBeaten(use, node, from.clamped)) return null;
        return node.output.reduce<string | null>(
          (found, output) => found ?? (output === "" ? null : this.objection(scope, output)),
          null,
        );
      }
      if (this.#isSameResult(use, node, from.clamped)) return null;
    }
    return `${titleOf(node)} computes with it`;
  }

  /** Whether the value is a bound of Min, Max or Clip beyond INT32 that what it bounds can never reach. */
  #isBeaten({ scope, at }: Use, node: NodeProto, clamped: KnownTensor | undefined): boolean {
    const { op_type: operator, input } = node;
    const isUpper = operator === "Min" || (operator === "Clip" && at === 2);
    const isLower = operator === "Max" || (operator === "Clip" && at === 1);
    if (!isUpper && !isLower) return false;
    const isFar = clamped?.elements.every((element) =>
      typeof element === "bigint" && (isUpper ? element >= INT32_MAX : element <= INT32_MIN)
    );
    const others = input.filter((name, index) => index !== at && name !== "");
    const isInside = (name: string) => this.#isInt32(scope, name);
    return isFar === true && (operator === "Clip" ? others.every(isInside) : others.some(isInside));
  }

  /** Whether all elements of a value are known to be in INT32's range: constants and sizes. */
  #isInt32(scope: Scope, name: string): boolean {
    const owner = scope.owning(name);
    if (owner === undefined) return false;
    const known = this.#knowledgeOf(owner).value(name);
    if (known !== undefined && isComplete(known)) return isInteger(known.type) && known.elements.every(isInInt32);
    const maker = owner.makers.get(name);
    if (maker === undefined || domainOf(maker.domain) !== "ai.onnx") return false;
    const { op_type: operator = "", input } = maker;
    if (operator === "Shape" || operator === "Size") return true;
    const moved = MOVING[operator];
    const sources = moved === "all" ? input : moved?.map((at) => input[at] ?? "");
    return sources !== undefined && operator !== "Pad" &&
      sources.every((source) => source !== "" && this.#isInt32(owner, source));
  }

  /** Compute the node with the value as it was and as it will be. */
  #isSameResult({ scope, at }: Use, node: NodeProto, clamped: KnownTensor | undefined): boolean {
    if (clamped === undefined) return false;
    const others = node.input.filter((name, index) => index !== at && name !== "");
    if (!others.every((name) => this.#isInt32(scope, name))) return false;
    const known = (index: number) => {
      const name = node.input[index] ?? "";
      const owner = scope.owning(name);
      return owner === undefined ? undefined : this.#knowledgeOf(owner).value(name);
    };
    const compute = (value: KnownTensor) => {
      const context: CallContext = {
        opset: scope.opset,
        known: (index) => index === at ? value : known(index),
        shape: (index) => index === at ? value.dims : known(index)?.dims,
      };
      return evaluate(node, context);
    };
    const before = compute(clamped);
    const after = compute({ ...clamped, elements: clamped.elements.map(clampedElement) });
    return before !== undefined && after !== undefined &&
      before.every((tensor, output) =>
        isComplete(tensor) &&
        tensor.elements.every((element, index) => Object.is(element, after[output]?.elements[index]))
      );
  }

  #knowledgeOf(scope: Scope): Knowledge {
    const knowledge = this.#knowledge.get(scope) ?? new Knowledge(scope.graph, scope.opset);
    this.#knowledge.set(scope, knowledge);
    return knowledge;
  }
}

const isInInt32 = (element: Element): boolean => typeof element === "bigint" && clampedToInt32(element) === element;

const clampedElement = (element: Element): Element => typeof element === "bigint" ? clampedToInt32(element) : element;

/** Whether a Scatter node adds or multiplies where it writes. */
function accumulates(node: NodeProto): boolean {
  const reduction = attribute(node, "reduction")?.s;
  return reduction !== undefined && new TextDecoder().decode(reduction) !== "none";
}
