/** Visit every message of a model, wherever the schema allows one. */
import { isMessageKind, type Message, type MessageName, type Messages, type NamedField, tableOf } from "../proto.ts";
import { quoted } from "../quoted.ts";

/** A message with its type; `path()` names its place for an error message, for example `graph.node[3].attribute[0].t`. */
export type Visit = (
  ...args: { [M in MessageName]: [type: M, message: Messages[M], path: () => string] }[MessageName]
) => void;

interface Frame {
  readonly type: MessageName;
  readonly message: Message;
  readonly field: NamedField | null;
  readonly index: number;
  nextField: number;
  nextItem: number;
}

const MESSAGE_FIELDS = tableOf((fields) => fields.filter((field) => isMessageKind(field.kind)));

/**
 * Visit a message and all within it, parents first. It follows the schema rather than a list of known places, so that
 * no place is forgotten, and it does not recurse.
 */
export function walk(type: MessageName, root: Message, visit: Visit): void {
  const stack: Frame[] = [];
  const path = () => pathOf(stack);
  const enter = (type: MessageName, message: Message, field: NamedField | null, index: number) => {
    stack.push({ type, message, field, index, nextField: 0, nextItem: 0 });
    visit(type as never, message as never, path);
  };
  enter(type, root, null, 0);
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const field = MESSAGE_FIELDS[frame.type][frame.nextField];
    if (field === undefined) {
      stack.pop();
      continue;
    }
    const value = (frame.message as unknown as Record<string, unknown>)[field.name];
    const index = frame.nextItem++;
    const child = (field.repeated ? (value as Message[])[index] : index === 0 ? value : undefined) as
      | Message
      | undefined;
    if (child === undefined) {
      frame.nextField++;
      frame.nextItem = 0;
    } else {
      enter(field.kind as MessageName, child, field, index);
    }
  }
}

function pathOf(stack: readonly Frame[]): string {
  const steps = stack.slice(1).map(({ field, index }) => field!.repeated ? `${field!.name}[${index}]` : field!.name);
  const { name } = stack.at(-1)!.message as { name?: string };
  return steps.join(".") + (name ? ` ${quoted(name)}` : "");
}
