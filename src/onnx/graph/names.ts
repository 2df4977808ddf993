/** Names in a model: new ones, and those of nodes in messages. */
import type { ModelProto, NodeProto } from "../proto.ts";
import { quoted, shortText } from "../quoted.ts";
import { walk } from "./walk.ts";

/** Gives out names of values and of nodes that are unique in the whole model, subgraphs and functions too. */
export class Names {
  readonly #taken = new Set<string>();

  constructor(model: ModelProto) {
    walk("ModelProto", model, (...[type, message]) => {
      if (type === "NodeProto") {
        for (const name of [...message.input, ...message.output, message.name ?? ""]) this.#taken.add(name);
      } else if (type === "TensorProto" || type === "ValueInfoProto") {
        this.#taken.add(message.name ?? "");
      }
    });
  }

  /** The wanted name, or with a number behind it when it is taken; taken from now on. */
  take(wanted: string): string {
    let name = wanted;
    for (let count = 2; this.#taken.has(name); count++) name = `${wanted}_${count}`;
    this.#taken.add(name);
    return name;
  }
}

const OPERATOR_COLUMNS = 40;

/** A node as messages name it. */
export const titleOf = ({ name, op_type: operator = "", output }: NodeProto): string =>
  `the node ${quoted(name || output[0])} (${shortText(operator, OPERATOR_COLUMNS)})`;
