/** The fp16 pass's decisions, carried out. */
import { TrtdError } from "../../../errors.ts";
import { DATA_TYPE, type GraphProto, type NodeProto, type ValueInfoProto } from "../../proto.ts";
import { quoted } from "../../quoted.ts";
import type { Choice } from "./fp16_choice.ts";
import { halfTensor } from "./fp16_constants.ts";
import { castNode, halfConstant, withFloatType, withParts } from "./fp16_nodes.ts";
import { isF32Input, isIndifferent } from "./fp16_operators.ts";
import { allRooms, type Form, isFloat, type Read, type Room, type Step, type Value } from "./fp16_values.ts";
import { nodeOf } from "../../graph/graph_index.ts";
import type { Names } from "../../graph/names.ts";

const { FLOAT, FLOAT16 } = DATA_TYPE;

export interface Rewritten {
  readonly graph: GraphProto;
  /** Whether the graph differs from the given one. */
  readonly changed: boolean;
  readonly castsAdded: number;
  readonly castsRemoved: number;
  /** Constants that became f16. */
  readonly halved: readonly Value[];
}

/** How a value is had in another type than its own: by a Cast, an old one where there is one, or by a second constant. */
interface Source {
  readonly kind: "cast" | "copy";
  readonly name: string;
  readonly old: NodeProto | null;
}

/** What becomes of one value. */
interface Fate {
  /** Its name in the new model, which differs from the old one when a Cast to an output takes that. */
  name: string;
  /** Types that its readers want. */
  readonly wants: Set<number>;
  readonly others: Map<number, Source>;
}

export interface RewriteOptions {
  /** `fp16`: the main graph's inputs and outputs become f16 too. */
  readonly io: "f32" | "fp16";
  /** Those of the whole model. */
  readonly names: Names;
}

/** Make the new graph; what stays as it is is shared with the old one. */
export function rewrite(root: Room, choice: Choice, { io, names }: RewriteOptions): Rewritten {
  return new Rewriter(root, choice, io, names).run();
}

class Rewriter {
  readonly #fates = new Map<Value, Fate>();
  readonly #forms = new Map<Value, Form[]>();
  readonly #used = new Set<Form>();
  /** Outputs that are another name for a value. */
  readonly #aliases = new Map<Room, { readonly name: string; readonly value: Value; readonly type: number }[]>();
  readonly #rooms: readonly Room[];
  #castsAdded = 0;
  #renamed = false;

  constructor(
    private readonly root: Room,
    private readonly choice: Choice,
    private readonly io: RewriteOptions["io"],
    private readonly names: Names,
  ) {
    this.#rooms = [...allRooms(root)];
    for (const room of this.#rooms) {
      for (const value of room.values) {
        this.#fates.set(value, { name: value.name, wants: new Set(), others: new Map() });
      }
      for (const form of room.forms) {
        const forms = this.#forms.get(form.value) ?? [];
        this.#forms.set(form.value, [...forms, form]);
      }
    }
  }

  run(): Rewritten {
    for (const step of this.choice.converted) {
      for (const value of step.makes) if (value?.type === FLOAT) value.halved = true;
    }
    if (this.io === "fp16") {
      for (const value of inputsOf(this.root)) value.halved = true;
    }
    for (const room of this.#rooms) for (const step of room.steps) this.#collectWants(step);
    for (const room of this.#rooms) {
      for (const output of room.graph.output) this.#wantOutput(room, output);
    }
    const constants = this.#rooms.flatMap((room) => room.values.filter(({ tensor }) => tensor !== null));
    for (const value of constants) this.#halveConstant(value);
    for (const room of this.#rooms) for (const output of room.graph.output) this.#nameOutput(room, output);
    for (const value of this.#fates.keys()) this.#makeOthers(value);
    const graph = this.#graphOf(this.root);
    const removed = this.#rooms.flatMap(({ forms }) => forms).filter((form) => !this.#used.has(form)).length;
    const isTouched = [...this.#fates].some(([{ halved }, { others }]) =>
      halved || [...others.values()].some(({ kind }) => kind === "copy")
    );
    return {
      graph,
      changed: isTouched || this.#renamed || this.#castsAdded + removed + this.#aliases.size > 0,
      castsAdded: this.#castsAdded,
      castsRemoved: removed,
      halved: constants.filter((value) => value.halved || this.#fates.get(value)!.others.get(FLOAT16)?.kind === "copy"),
    };
  }

  /** The type that a node wants to read at a place. */
  #wanted({ node }: Step, converted: boolean, read: Read, at: number): number | undefined {
    if (isIndifferent(node) && isFloat(read.type)) return typeAfter(read.value);
    if (converted && read.type === FLOAT && !isF32Input(node, at)) return FLOAT16;
    return read.type;
  }

  #collectWants(step: Step): void {
    if (isIndifferent(step.node)) return;
    const converted = this.choice.converted.has(step);
    step.reads.forEach((read, at) => {
      if (read === null) return;
      const type = this.#wanted(step, converted, read, at);
      if (isFloat(type)) this.#fates.get(read.value)!.wants.add(type!);
    });
  }

  /** The type that an output is to have; undefined for what is no float. */
  #outputType(room: Room, { name }: ValueInfoProto): number | undefined {
    const type = room.types.get(name);
    if (!isFloat(type)) return undefined;
    const value = room.find(name ?? "");
    // An output that is a constant has no node before which a Cast would make sense.
    const fixed = value?.tensor !== null && value?.name === name;
    return room === this.root && this.io === "fp16" && !fixed ? FLOAT16 : type;
  }

  #wantOutput(room: Room, output: ValueInfoProto): void {
    const type = this.#outputType(room, output);
    const value = room.outputValue(output);
    if (type !== undefined && value !== undefined) this.#fates.get(value)!.wants.add(type);
  }

  /** A constant that is only read as f16 is stored as f16; one that is read as both has a copy. */
  #halveConstant(value: Value): void {
    const fate = this.#fates.get(value)!;
    if (value.type !== FLOAT || value.halved || !fate.wants.has(FLOAT16)) return;
    if (!fate.wants.has(FLOAT) && (this.choice.losses.get(value)?.outOfRange ?? 0) === 0) value.halved = true;
    else if (!value.isInput) {
      fate.others.set(FLOAT16, { kind: "copy", name: this.names.take(`${value.name}/fp16`), old: null });
    }
  }

  /** Give an output its name where the value behind it is of another type. */
  #nameOutput(room: Room, output: ValueInfoProto): void {
    const type = this.#outputType(room, output);
    const value = room.outputValue(output);
    const name = output.name ?? "";
    if (type === undefined || value === undefined) return;
    const fate = this.#fates.get(value)!;
    const form = this.#forms.get(value)?.find((form) => form.room === room && form.name === name);
    const own = typeAfter(value);
    if (form === undefined && own === type) return;
    if (value.room !== room && (form === undefined || own !== type)) {
      throw new TrtdError("PASS_REFUSED", `A graph within the model hands on ${quoted(name)} of the graph around it`);
    }
    if (form === undefined) {
      fate.name = this.names.take(`${name}/${type === FLOAT ? "fp16" : "f32"}`);
      fate.others.set(type, this.#newCast(name));
    } else if (own !== type && !fate.others.has(type)) {
      this.#used.add(form);
      fate.others.set(type, { kind: "cast", name, old: form.node });
    } else if (own === type && value.maker !== null && value.room === room && !this.#isOutput(room, fate.name)) {
      fate.name = name;
      this.#renamed = true;
    } else {
      this.#aliases.set(room, [...this.#aliases.get(room) ?? [], { name, value, type }]);
    }
  }

  #isOutput(room: Room, name: string): boolean {
    return room.graph.output.some((output) => output.name === name);
  }

  #makeOthers(value: Value): void {
    const fate = this.#fates.get(value)!;
    const own = typeAfter(value);
    for (const type of [FLOAT, FLOAT16]) {
      if (type === own || !fate.wants.has(type) || fate.others.has(type)) continue;
      const form = this.#forms.get(value)?.find((form) =>
        form.room === value.room && form.type === type && !this.#isOutput(form.room, form.name)
      );
      if (form === undefined) {
        const name = this.names.take(`${value.name}/${type === FLOAT ? "f32" : "fp16"}`);
        fate.others.set(type, this.#newCast(name));
      } else {
        this.#used.add(form);
        fate.others.set(type, { kind: "cast", name: form.name, old: form.node });
      }
    }
  }

  #newCast(name: string): Source {
    this.#castsAdded++;
    return { kind: "cast", name, old: null };
  }

  #graphOf(room: Room): GraphProto {
    const { graph } = room;
    const node: NodeProto[] = [];
    const bySource = new Map(room.steps.map((step) => [step.node, step]));
    const constants = new Map(room.values.flatMap((value) => value.constant === null ? [] : [[value.constant, value]]));
    const castsOf = (value: Value | null): NodeProto[] =>
      value === null ? [] : [FLOAT, FLOAT16].flatMap((type) => {
        const { name: from, others } = this.#fates.get(value)!;
        const other = others.get(type);
        return other?.kind === "cast" ? [castNode({ ...other, from, type })] : [];
      });
    for (const value of room.values) if (value.maker === null && value.constant === null) node.push(...castsOf(value));
    for (const old of graph.node) {
      const step = bySource.get(old);
      const value = constants.get(old);
      if (step !== undefined) {
        node.push(this.#nodeOf(step));
        for (const made of step.makes) node.push(...castsOf(made));
      } else if (value !== undefined) {
        node.push(...this.#constantNodes(value), ...castsOf(value));
      }
    }
    for (const { name, value, type } of this.#aliases.get(room) ?? []) {
      node.push(nodeOf("Identity", { inputs: [this.#nameFor(value, type)], outputs: [name], name: `${name}/node` }));
    }
    return {
      ...graph,
      node,
      initializer: this.#initializersOf(room),
      input: graph.input.map((input) => retyped(input, room.find(input.name ?? ""))),
      output: graph.output.map((output) => {
        const type = this.#outputType(room, output);
        return type === undefined ? output : withFloatType(output, type);
      }),
      value_info: this.#declarationsOf(room),
    };
  }

  #nodeOf(step: Step): NodeProto {
    const { node, reads, makes, rooms } = step;
    const converted = this.choice.converted.has(step);
    const input = node.input.map((name, at) => {
      const read = reads[at];
      return read ? this.#nameFor(read.value, this.#wanted(step, converted, read, at)) : name;
    });
    const output = node.output.map((name, at) => makes[at] ? this.#fates.get(makes[at]!)!.name : name);
    const inner = new Map(rooms.map((room) => [room.graph, this.#graphOf(room)]));
    const attribute = node.attribute.map((one) => {
      if (one.g !== undefined) return { ...one, g: inner.get(one.g)! };
      if (one.graphs.length > 0) return { ...one, graphs: one.graphs.map((graph) => inner.get(graph)!) };
      return converted && one.name === "to" ? { ...one, i: BigInt(FLOAT16) } : one;
    });
    return withParts(node, { input, output, attribute });
  }

  #nameFor(value: Value, type: number | undefined): string {
    const fate = this.#fates.get(value)!;
    return type === undefined || type === typeAfter(value) ? fate.name : fate.others.get(type)?.name ?? fate.name;
  }

  #constantNodes(value: Value): NodeProto[] {
    const constant = value.constant!;
    const copy = this.#fates.get(value)!.others.get(FLOAT16);
    const half = (output: string, name: string | undefined) => halfConstant(constant, value.tensor!, { output, name });
    if (value.halved) return [half(value.name, constant.name)];
    return copy?.kind === "copy" ? [constant, half(copy.name, `${copy.name}/node`)] : [constant];
  }

  #initializersOf(room: Room): GraphProto["initializer"] {
    const values = new Map(room.values.filter(({ tensor }) => tensor !== null).map((value) => [value.tensor!, value]));
    return room.graph.initializer.flatMap((tensor) => {
      const value = values.get(tensor);
      if (value === undefined) return [tensor];
      if (value.halved) return [halfTensor(tensor, tensor.name)];
      const copy = this.#fates.get(value)!.others.get(FLOAT16);
      return copy?.kind === "copy" ? [tensor, halfTensor(tensor, copy.name)] : [tensor];
    });
  }

  /** The declared types of values, without those of values that are gone. */
  #declarationsOf(room: Room): ValueInfoProto[] {
    const gone = new Set(room.forms.filter((form) => !this.#used.has(form)).map(({ name }) => name));
    for (const value of room.values) {
      const { name, others } = this.#fates.get(value)!;
      if (name !== value.name && ![...others.values()].some((other) => other.name === value.name)) gone.add(value.name);
    }
    return room.graph.value_info.flatMap((declared) => {
      const value = room.find(declared.name ?? "");
      if (gone.has(declared.name ?? "")) return [];
      return [value === undefined || this.#fates.get(value)!.name !== value.name ? declared : retyped(declared, value)];
    });
  }
}

/** A value's type in the new model. */
const typeAfter = (value: Value): number | undefined => value.halved ? FLOAT16 : value.type;

function retyped(declared: ValueInfoProto, value: Value | undefined): ValueInfoProto {
  return value?.halved === true && value.name === declared.name ? withFloatType(declared, FLOAT16) : declared;
}

/** The inputs of the main graph that `io: "fp16"` is about: those without a default. */
export const inputsOf = (root: Room): Value[] =>
  root.values.filter(({ isInput, tensor, type }) => isInput && tensor === null && type === FLOAT);
