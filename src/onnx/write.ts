/** Encode ONNX messages. */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FIELDS, isMessageKind, type Message, type MessageName, type ModelProto, type NamedField } from "./proto.ts";

/** Byte strings from this length on are passed through as they are, without a copy until the end. */
const VIEW_BYTES = 512;

interface Chunks {
  length: number;
  readonly parts: Uint8Array[];
}

/**
 * Encode a model: known and unknown fields in ascending order of their numbers, as protobuf's own libraries do, so that
 * a model that such a library wrote is written back byte for byte.
 * @returns the pieces of the file in order; large tensors are the caller's own arrays, not copies
 */
export function modelChunks(model: ModelProto): Uint8Array[] {
  return encode("ModelProto", model).parts;
}

/** Encode a model as {@link modelChunks} does, into one array of its own. */
export function writeModel(model: ModelProto): Uint8Array<ArrayBuffer> {
  const { length, parts } = encode("ModelProto", model);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function encode(type: MessageName, message: Message): Chunks {
  const chunks: Chunks = { length: 0, parts: [] };
  const writer = new BinaryWriter();
  const flush = () => {
    const bytes = writer.finish();
    if (bytes.length > 0) append(chunks, bytes);
  };
  const unknown = [...message.unknown ?? []].sort((a, b) => a.no - b.no);
  let nextUnknown = 0;
  const writeUnknown = (below: number) => {
    for (let field = unknown[nextUnknown]; field !== undefined && field.no < below; field = unknown[++nextUnknown]) {
      writer.tag(field.no, field.wireType).raw(field.data);
    }
  };
  const writeBytes = (no: number, value: Uint8Array) => {
    writer.tag(no, WireType.LengthDelimited).uint32(value.length);
    if (value.length < VIEW_BYTES) {
      writer.raw(value);
    } else {
      flush();
      append(chunks, value);
    }
  };
  const values = message as unknown as Record<string, unknown>;
  for (const field of FIELDS[type]) {
    writeUnknown(field.no);
    const value = values[field.name];
    if (value === undefined) continue;
    const list = field.repeated ? value as readonly unknown[] : [value];
    if (isMessageKind(field.kind)) {
      for (const item of list) {
        const child = encode(field.kind, item as Message);
        writer.tag(field.no, WireType.LengthDelimited).uint32(child.length);
        flush();
        for (const part of child.parts) append(chunks, part);
      }
    } else if (message.packed?.includes(field.no) && list.length > 0) {
      writer.tag(field.no, WireType.LengthDelimited).fork();
      for (const item of list) writeScalar(writer, field, item);
      writer.join();
    } else {
      for (const item of list) {
        if (item instanceof Uint8Array) {
          writeBytes(field.no, item);
        } else {
          writer.tag(field.no, wireTypeOf(field));
          writeScalar(writer, field, item);
        }
      }
    }
  }
  writeUnknown(Infinity);
  flush();
  return chunks;
}

/** Join small pieces, so that a node of ten fields is not ten pieces. */
function append(chunks: Chunks, part: Uint8Array): void {
  chunks.length += part.length;
  const last = chunks.parts.at(-1);
  if (last !== undefined && last.length + part.length < VIEW_BYTES) {
    const joined = new Uint8Array(last.length + part.length);
    joined.set(last);
    joined.set(part, last.length);
    chunks.parts[chunks.parts.length - 1] = joined;
  } else {
    chunks.parts.push(part);
  }
}

/** Wire type in which a field's single elements are written. */
export function wireTypeOf(field: NamedField): WireType {
  switch (field.kind) {
    case "int32":
    case "int64":
    case "size":
      return WireType.Varint;
    case "float":
      return WireType.Bit32;
    default:
      return WireType.LengthDelimited;
  }
}

function writeScalar(writer: BinaryWriter, field: NamedField, value: unknown): void {
  switch (field.kind) {
    case "string":
      writer.string(value as string);
      break;
    case "int32":
      writer.int32(value as number);
      break;
    case "int64":
    case "size":
      writer.int64(value as bigint | number);
      break;
    case "float":
      writer.float(value as number);
      break;
    default:
      throw new TypeError(`Field "${field.name}" takes bytes`);
  }
}
