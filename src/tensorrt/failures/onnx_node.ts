/** Which node of the model a log speaks of. */

/** A node of the ONNX graph; each part is null where the log does not tell. */
export interface OnnxNode {
  /** Position in the graph, from 0. */
  readonly index: number | null;
  readonly operator: string | null;
  readonly name: string | null;
  /** First output. */
  readonly output: string | null;
}

/** Every release, by the parser: `While parsing node number 1 [EfficientNMS_TRT -> "num"]:`. */
const PARSING = /While parsing node number (\d{1,9}) \[([^\s\]]{1,120})(?: -> "([^"\n]{0,300})")?/;
/** TensorRT 10 and later, in a parser error's own words. */
const IN_NODE = /In node (-?\d{1,9}) with name: ([^\n]{0,300}) and operator: ([^\s(]{1,120})/;
/** The node's text up to TensorRT-RTX 1.4; attributes are indented. */
const NAME_FIELD = /^(?:[\w.]{1,60}:\d{1,6}: )?name: "([^"\n]{0,300})"/m;
/** TensorRT-RTX 1.7. */
const NODE_NAME = /^Node name: ([^\n]{1,300})$/m;
const NO_IMPLEMENTATION = "Could not find any implementation for node ";
/** What follows the name of such a node. */
const NAME_ENDS = [" due to ", ".)", ". In ", "\n"] as const;
const NAME_LIMIT = 300;
/** Messages after "While parsing" in which the node's text is looked for. */
const BLOCK_LIMIT = 400;

/** The node that the message at `index` names, with what the messages after it add; null without one. */
export function nodeAt(texts: readonly string[], index: number): OnnxNode | null {
  const text = texts[index] ?? "";
  const parsing = PARSING.exec(text);
  if (parsing !== null) {
    return {
      index: Number(parsing[1]),
      operator: parsing[2]!,
      name: nameInBlock(texts, index),
      output: parsing[3] ?? null,
    };
  }
  const inNode = IN_NODE.exec(text);
  if (inNode !== null) {
    const position = Number(inNode[1]);
    return { index: position < 0 ? null : position, operator: inNode[3]!, name: inNode[2] || null, output: null };
  }
  const at = text.indexOf(NO_IMPLEMENTATION);
  if (at < 0) return null;
  const rest = text.slice(at + NO_IMPLEMENTATION.length, at + NO_IMPLEMENTATION.length + NAME_LIMIT);
  const ends = NAME_ENDS.map((end) => rest.indexOf(end)).filter((end) => end >= 0);
  const name = rest.slice(0, Math.min(rest.length, ...ends)).replace(/[.)]+$/, "").trim();
  return name === "" ? null : { index: null, operator: null, name, output: null };
}

function nameInBlock(texts: readonly string[], from: number): string | null {
  const end = Math.min(texts.length, from + BLOCK_LIMIT);
  for (let index = from; index < end; index++) {
    const text = texts[index]!;
    const name = (NODE_NAME.exec(text) ?? NAME_FIELD.exec(text))?.[1];
    if (name !== undefined) return name === "" ? null : name;
    if (text.includes("--- End node ---")) return null;
    if (index > from && PARSING.test(text)) return null;
  }
  return null;
}

/** `node 12 "/model.9/Concat" (Concat)`. */
export function nodeText({ index, operator, name, output }: OnnxNode): string {
  const label = name ?? output;
  return ["node", index, label === null ? null : `"${label}"`, operator === null ? null : `(${operator})`]
    .filter((part) => part !== null).join(" ");
}
