/**
 * `int32`: INT64 constants become INT32 where the operator takes either, and what stays INT64 is clamped to INT32.
 *
 * TensorRT before 9.3 has no INT64: its parser casts every INT64 constant and clamps what does not fit, whether or not
 * that means the same. Here a clamp is made only where it does. Values that are no constants keep their types, so that
 * the result is valid by the standard.
 *
 * Counts: `constants_cast`, `constants_clamped`, `values_clamped` (elements of those). Remarks name each clamp.
 */
import { TrtdError } from "../../../errors.ts";
import { elementCount, forEachInt64 } from "../../element_types.ts";
import { domainOf } from "../../graph/nodes.ts";
import {
  ATTRIBUTE_TYPE,
  type AttributeProto,
  DATA_TYPE,
  type ModelProto,
  type NodeProto,
  type TensorProto,
} from "../../proto.ts";
import { quoted } from "../../quoted.ts";
import { EVALUATED_ELEMENTS_MAX, int64Elements } from "../../infer/evaluate_tensor.ts";
import { attribute, isOperator } from "../../graph/graph_index.ts";
import { ClampCheck, clampedToInt32 } from "./int32_clamp.ts";
import { indexInputs } from "./int32_types.ts";
import { Names, titleOf } from "../../graph/names.ts";
import type { Pass } from "../pass.ts";
import { Edits, type Scope, scopesOf, type Use } from "../../graph/scopes.ts";
import { sortedModel } from "../../graph/sorted_graph.ts";

/** From this IR version on an initializer that is an input too is a default, which a caller may replace. */
const IR_VERSION_DEFAULTS = 4;

/** An INT64 constant: an initializer, or the output of a Constant or ConstantOfShape node. */
interface Site {
  readonly scope: Scope;
  readonly name: string;
  /** Undefined for an initializer. */
  readonly node: NodeProto | undefined;
  /** As a tensor, whatever form the file has. */
  readonly tensor: TensorProto;
  /** Whether the constant may become INT32: it is no default value that a caller can replace, and no filling. */
  readonly isFixed: boolean;
  /** How many elements are outside INT32. */
  readonly outside: number;
}

export const int32Pass: Pass = {
  name: "int32",
  version: 1,
  summary: "INT32 constants where the operator takes them, values beyond INT32 clamped to what means the same",
  run(given) {
    const { model, remarks } = sortedModel(given);
    const scopes = scopesOf(model);
    const sites = scopes.flatMap((scope) => sitesOf(scope, model.ir_version ?? 0));
    refuseSparse(scopes);
    const clamp = clampSites(sites);
    const edits = new Edits();
    const cast = castSites(sites, { edits, model });
    for (const site of clamp.sites) if (!cast.whole.has(site)) setTensor(edits, site, clampedTensor(site.tensor));
    const slices = clampSliceAttributes(scopes, edits);
    const result = edits.apply(model);
    return {
      model: result,
      report: {
        pass: "int32",
        version: int32Pass.version,
        changed: result !== given,
        counts: {
          constants_cast: cast.count,
          constants_clamped: clamp.sites.length + slices.length,
          values_clamped: clamp.sites.reduce((sum, { outside }) => sum + outside, 0) + slices.length,
        },
        remarks: [...remarks, ...clamp.sites.map(remarkOf), ...slices, ...keptRemarks(scopes)],
      },
    };
  },
};

function sitesOf(scope: Scope, irVersion: number): Site[] {
  const sites: Site[] = [];
  const add = (site: Omit<Site, "outside" | "scope">) =>
    sites.push({ ...site, scope, outside: outsideInt32(site.tensor) });
  for (const tensor of scope.graph.initializer) {
    if (tensor.data_type !== DATA_TYPE.INT64) continue;
    const { name = "" } = tensor;
    const isDefault = irVersion >= IR_VERSION_DEFAULTS || scope.outer !== null;
    add({ name, node: undefined, tensor, isFixed: !isDefault || !scope.isInput(name) });
  }
  for (const node of scope.graph.node) {
    const isConstant = isOperator(node, "Constant");
    if (!isConstant && !isOperator(node, "ConstantOfShape")) continue;
    const tensor = constantTensor(node);
    if (tensor !== undefined) add({ name: node.output[0] ?? "", node, tensor, isFixed: isConstant });
  }
  return sites;
}

/** The INT64 tensor that a Constant or ConstantOfShape node holds. */
function constantTensor(node: NodeProto): TensorProto | undefined {
  const tensor = attribute(node, "value")?.t;
  if (tensor !== undefined) return tensor.data_type === DATA_TYPE.INT64 ? tensor : undefined;
  if (!isOperator(node, "Constant")) return undefined;
  const given = node.attribute.find(({ name }) => name === "value_int" || name === "value_ints");
  if (given === undefined || given.ref_attr_name) return undefined;
  const values = given.name === "value_int" ? [given.i ?? 0n] : given.ints;
  return tensorOfInts(values, given.name === "value_int" ? [] : [values.length]);
}

function tensorOfInts(values: readonly bigint[], dims: number[]): TensorProto {
  const raw_data = new Uint8Array(BigInt64Array.from(values).buffer);
  return { dims, data_type: DATA_TYPE.INT64, string_data: [], raw_data, external_data: [], metadata_props: [] };
}

function outsideInt32(tensor: TensorProto): number {
  let count = 0;
  forEachInt64(tensor, (low, high) => {
    if (high !== low >> 31) count++;
  });
  return count;
}

function refuseSparse(scopes: readonly Scope[]): void {
  for (const { graph } of scopes) {
    const nodes = graph.node.flatMap(({ attribute }) => attribute.flatMap(({ sparse_tensor: one }) => one ?? []));
    for (const { values } of [...graph.sparse_initializer, ...nodes]) {
      if (values?.data_type === DATA_TYPE.INT64 && outsideInt32(values) > 0) {
        throw new TrtdError("PASS_REFUSED", `The sparse constant ${quoted(values.name)} has values beyond INT32`);
      }
    }
  }
}

/** What operators that nobody knows hold beyond INT32 is theirs. */
function keptRemarks(scopes: readonly Scope[]): string[] {
  return scopes.flatMap(({ graph }) => graph.node).flatMap((node) => {
    if (isOperator(node, "Constant", "ConstantOfShape")) return [];
    const isFar = (tensor: TensorProto) => tensor.data_type === DATA_TYPE.INT64 && outsideInt32(tensor) > 0;
    const names = node.attribute.filter(({ t, tensors }) => [...t === undefined ? [] : [t], ...tensors].some(isFar));
    return names.map(({ name }) => `The attribute ${quoted(name)} of ${titleOf(node)} stays beyond INT32`);
  });
}

/** The constants that need clamping. @throws {TrtdError} `PASS_REFUSED` when that would change a result */
function clampSites(sites: readonly Site[]): { sites: Site[] } {
  const outside = sites.filter((site) => site.outside > 0);
  const check = new ClampCheck();
  for (const site of outside) {
    const { scope, name, tensor, node } = site;
    const isWhole = node === undefined || isOperator(node, "Constant");
    const known = isWhole && elementCount(tensor.dims) <= EVALUATED_ELEMENTS_MAX
      ? { type: DATA_TYPE.INT64, dims: tensor.dims, elements: int64Elements(tensor) }
      : undefined;
    const objection = check.objection(scope, name, known);
    if (objection === null) continue;
    throw new TrtdError(
      "PASS_REFUSED",
      `The constant ${quoted(name)} holds ${exampleOf(tensor)}, beyond INT32, and ${objection}`,
    );
  }
  return { sites: outside };
}

const exampleOf = (tensor: TensorProto): bigint =>
  int64Elements(tensor).find((value) => clampedToInt32(value) !== value)!;

function remarkOf({ name, tensor, outside, scope }: Site): string {
  const value = exampleOf(tensor);
  const more = outside > 1 ? ` and ${outside - 1} more` : "";
  const reader = scope.uses(name).find(({ node }) => node !== undefined)?.node;
  const where = reader === undefined ? "" : `, read by ${titleOf(reader)}`;
  return `The constant ${quoted(name)} held ${value}${more}, now ${clampedToInt32(value)}${where}`;
}

/** An INT64 tensor within INT32. */
function clampedTensor(tensor: TensorProto): TensorProto {
  const { int64_data: _, ...rest } = tensor;
  const values = BigInt64Array.from(int64Elements(tensor), clampedToInt32);
  return { ...rest, raw_data: new Uint8Array(values.buffer) };
}

function int32Tensor(tensor: TensorProto): TensorProto {
  const { int64_data: _, ...rest } = tensor;
  const values = new Int32Array(elementCount(tensor.dims));
  let at = 0;
  forEachInt64(tensor, (low, high) => {
    values[at++] = high === low >> 31 ? low : high < 0 ? -(2 ** 31) : 2 ** 31 - 1;
  });
  return { ...rest, data_type: DATA_TYPE.INT32, raw_data: new Uint8Array(values.buffer) };
}

/** Put a tensor in the place of a constant's. */
function setTensor(edits: Edits, { node, tensor }: Site, now: TensorProto): void {
  if (node === undefined) edits.tensors.set(tensor, now);
  else edits.nodes.set(node, withTensor(edits.nodeAfter(node), now));
}

/** A Constant or ConstantOfShape node with another tensor; a number or a list of them stays one if it can. */
function withTensor(node: NodeProto, tensor: TensorProto): NodeProto {
  const replaced = (one: AttributeProto): AttributeProto => {
    if (one.name === "value") return { ...one, t: tensor };
    if (one.name !== "value_int" && one.name !== "value_ints") return one;
    if (tensor.data_type === DATA_TYPE.INT64) {
      const values = int64Elements(tensor);
      return one.name === "value_int" ? { ...one, i: values[0]! } : { ...one, ints: values };
    }
    const { i: _, ...rest } = one;
    return { ...rest, name: "value", ints: [], t: tensor, type: ATTRIBUTE_TYPE.TENSOR };
  };
  return { ...node, attribute: node.attribute.map(replaced) };
}

/** Turn constants into INT32: as a whole when every reader takes it, else in a copy for those that do. */
function castSites(
  sites: readonly Site[],
  { edits, model }: { edits: Edits; model: ModelProto },
): { count: number; whole: ReadonlySet<Site> } {
  const fixed = new Map<Scope, Map<string, Site>>();
  for (const site of sites) {
    if (!site.isFixed) continue;
    const names = fixed.get(site.scope) ?? new Map<string, Site>();
    fixed.set(site.scope, names.set(site.name, site));
  }
  const isFixed = (scope: Scope, name: string) => {
    const owner = scope.owning(name);
    return owner !== undefined && (fixed.get(owner)?.has(name) ?? false);
  };
  const takesInt32 = ({ scope, node, at }: Use): boolean => {
    if (node === undefined || domainOf(node.domain) !== "ai.onnx") return false;
    const group = indexInputs(node.op_type ?? "", at, scope.opset);
    return group?.inputs.every((input) => !node.input[input] || isFixed(scope, node.input[input])) ?? false;
  };
  const names = new Names(model);
  const whole = new Set<Site>();
  let count = 0;
  for (const site of sites) {
    const { scope, name } = site;
    const uses = scope.uses(name);
    const taking = site.isFixed ? uses.filter(takesInt32) : [];
    if (taking.length === 0) continue;
    count++;
    if (taking.length === uses.length) {
      setTensor(edits, site, int32Tensor(site.tensor));
      edits.setType(scope.graph, name, DATA_TYPE.INT32);
      whole.add(site);
    } else {
      const copy = addCopy(edits, site, names);
      for (const { node, at } of taking) edits.setInput(node!, at, copy);
    }
  }
  return { count, whole };
}

/** An INT32 copy of a constant beside it. */
function addCopy(edits: Edits, { scope, name, node, tensor }: Site, names: Names): string {
  const copy = names.take(`${name}_int32`);
  const value = { ...int32Tensor(tensor), name: copy };
  if (node === undefined) {
    edits.appendInitializer(scope.graph, value);
  } else {
    const { name: old, ...rest } = node;
    edits.insert(node, {
      ...withTensor(rest, value),
      ...(old === undefined ? {} : { name: names.take(`${old}_int32`) }),
      output: [copy],
    });
  }
  return copy;
}

/** Slice before version 10 has its ranges as attributes. */
function clampSliceAttributes(scopes: readonly Scope[], edits: Edits): string[] {
  const remarks: string[] = [];
  for (const { graph } of scopes) {
    for (const node of graph.node) {
      if (!isOperator(node, "Slice")) continue;
      const clamped = node.attribute.map((one) => {
        const isRange = one.name === "starts" || one.name === "ends";
        const far = isRange ? one.ints.find((value) => clampedToInt32(value) !== value) : undefined;
        if (far === undefined) return one;
        remarks.push(`The attribute ${quoted(one.name)} of ${titleOf(node)} held ${far}, now ${clampedToInt32(far)}`);
        return { ...one, ints: one.ints.map(clampedToInt32) };
      });
      if (clamped.some((one, at) => one !== node.attribute[at])) {
        edits.nodes.set(node, { ...edits.nodeAfter(node), attribute: clamped });
      }
    }
  }
  return remarks;
}
