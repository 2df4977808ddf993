/** Decode and check an ONNX file before any runtime sees it. */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { TrtdError } from "../errors.ts";
import { checkModel } from "./check_model.ts";
import { foreignFormat } from "./foreign_formats.ts";
import {
  FIELDS,
  isMessageKind,
  type Message,
  type MessageName,
  type ModelProto,
  type NamedField,
  tableOf,
  type UnknownField,
} from "./proto.ts";
import { wireTypeOf } from "./write.ts";

export interface ReadLimits {
  /** Largest file in bytes; protobuf itself allows no more than the default. @default 2147483647 */
  readonly maxBytes?: number;
  /**
   * Messages within messages. Each subgraph takes three (graph, node, attribute).
   * @default 100, the limit of protobuf's own C++ and Python readers
   */
  readonly maxDepth?: number;
  /**
   * Bound on memory: a message counts 4 and 1 for each of its lists, a byte string 4, a text or an unpacked number 1.
   * Exporters write 30 to 120 a node; 4,000,000 are at most 256 MB.
   * @default 4000000
   */
  readonly maxItems?: number;
}

/** Default of {@link ReadLimits.maxBytes}: 2 GiB - 1. */
export const MODEL_BYTES_MAX = 2 ** 31 - 1;
const DEPTH_MAX = 100;
const ITEMS_MAX = 4_000_000;
const OBJECT_ITEMS = 4;

/** A model that {@link readModel} has accepted. */
export type OnnxModel = ModelProto & { graph: NonNullable<ModelProto["graph"]> };

/**
 * Read a model and refuse what no runtime should see. Tensor data stays where it is: every `raw_data` is a view into
 * `bytes`, which must not change afterwards.
 * @throws {TrtdError} `MODEL_TOO_LARGE`, `MODEL_NOT_PROTOBUF`, `MODEL_TRUNCATED`, `MODEL_NESTING_TOO_DEEP`,
 * `MODEL_EXTERNAL_DATA`, `MODEL_DIMENSIONS_INVALID`, `MODEL_INPUT_MISSING`, `MODEL_CYCLE`, `MODEL_INVALID`
 */
export function readModel(bytes: Uint8Array, limits: ReadLimits = {}): OnnxModel {
  const model = decodeModel(bytes, limits);
  checkModel(model);
  return model as OnnxModel;
}

/**
 * Decode only: the wire format and the types of fields are checked, what the model means is not.
 * @throws {TrtdError} the codes of {@link readModel} that need no graph
 */
export function decodeModel(bytes: Uint8Array, limits: ReadLimits = {}): ModelProto {
  const { maxBytes = MODEL_BYTES_MAX } = limits;
  if (bytes.length > maxBytes) {
    throw new TrtdError("MODEL_TOO_LARGE", `The model has ${bytes.length} bytes, the limit is ${maxBytes}`);
  }
  const foreign = foreignFormat(bytes);
  if (foreign !== null) throw new TrtdError("MODEL_NOT_PROTOBUF", `The file is ${foreign}, not an ONNX model`);
  return new Decoder(bytes, limits).decode();
}

interface Frame {
  readonly type: MessageName;
  readonly message: Message & Record<string, unknown>;
  readonly end: number;
  /** How the parent holds this message; for error messages. */
  readonly field: NamedField | null;
  readonly index: number;
  /** Pieces of packed fields that came in more than one. */
  pieces?: Map<NamedField, Uint8Array[]>;
}

const FIELDS_BY_NUMBER = tableOf((fields) => new Map(fields.map((field) => [field.no, field])));
const LIST_NAMES = tableOf((fields) => fields.filter((field) => field.repeated).map((field) => field.name));

const PACKED_WIRE_TYPES = {
  packed32: WireType.Bit32,
  packed64: WireType.Bit64,
  packedVarint: WireType.Varint,
} as const;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** An explicit stack instead of recursion, so that no file can overflow the engine's own. */
class Decoder {
  readonly #bytes: Uint8Array;
  readonly #reader: BinaryReader;
  readonly #maxDepth: number;
  readonly #maxItems: number;
  readonly #stack: Frame[] = [];
  #items = 0;

  constructor(bytes: Uint8Array, { maxDepth = DEPTH_MAX, maxItems = ITEMS_MAX }: ReadLimits) {
    this.#bytes = bytes;
    this.#reader = new BinaryReader(bytes, (part) => utf8.decode(part));
    this.#maxDepth = maxDepth;
    this.#maxItems = maxItems;
  }

  decode(): ModelProto {
    this.#push("ModelProto", this.#bytes.length, null, 0);
    const root = this.#stack[0]!.message as unknown as ModelProto;
    try {
      for (let frame = this.#stack.at(-1); frame !== undefined; frame = this.#stack.at(-1)) {
        if (this.#reader.pos === frame.end) this.#pop(frame);
        else this.#field(frame);
      }
    } catch (thrown) {
      if (thrown instanceof TrtdError) throw this.#recognized() ? thrown : notOnnx(thrown);
      const atRoot = this.#stack.length === 1;
      if (atRoot && thrown instanceof RangeError && this.#recognized()) throw this.#truncated();
      throw this.#recognized() ? this.#invalid((thrown as Error).message) : notOnnx(thrown);
    }
    if (root.graph === undefined) {
      if (this.#recognized()) {
        throw new TrtdError("MODEL_TRUNCATED", `The file ends at byte ${this.#bytes.length}, before its graph`);
      }
      throw notOnnx(undefined);
    }
    return root;
  }

  /** Whether the file starts as ONNX files do: with `ir_version`, which every exporter writes first, or the graph. */
  #recognized(): boolean {
    return this.#bytes[0] === 0x08 || this.#bytes[0] === 0x3a;
  }

  #push(type: MessageName, end: number, field: NamedField | null, index: number): Message {
    if (this.#stack.length >= this.#maxDepth) {
      throw new TrtdError(
        "MODEL_NESTING_TOO_DEEP",
        `The model nests more than ${this.#maxDepth} messages at byte ${this.#reader.pos}`,
      );
    }
    const message: Record<string, unknown> = {};
    for (const name of LIST_NAMES[type]) message[name] = [];
    this.#stack.push({ type, message, end, field, index });
    return message;
  }

  #pop(frame: Frame): void {
    for (const [field, pieces] of frame.pieces ?? []) frame.message[field.name] = joined(pieces);
    this.#stack.pop();
  }

  #field(frame: Frame): void {
    const reader = this.#reader;
    const [no, wireType] = reader.tag();
    const field = FIELDS_BY_NUMBER[frame.type].get(no);
    if (wireType === WireType.StartGroup || wireType === WireType.EndGroup) {
      throw this.#invalid(`Field ${no} is a group, which ONNX does not use`);
    }
    if (field === undefined) {
      if (wireType === WireType.LengthDelimited) this.#peekLength(frame, `field ${no}`);
      const unknown: UnknownField[] = frame.message.unknown ??= [];
      this.#count(2 * OBJECT_ITEMS);
      unknown.push({ no, wireType, data: reader.skip(wireType) });
    } else if (wireType === WireType.LengthDelimited) {
      this.#delimited(frame, field);
    } else {
      this.#plain(frame, field, wireType);
    }
    if (reader.pos > frame.end) throw this.#invalid(`Field ${no} runs over the end of its message`);
  }

  #delimited(frame: Frame, field: NamedField): void {
    const { message } = frame;
    const reader = this.#reader;
    const length = this.#peekLength(frame, `"${field.name}"`);
    if (isMessageKind(field.kind)) {
      this.#count(OBJECT_ITEMS + LIST_NAMES[field.kind].length);
      const end = this.#readLength() + reader.pos;
      const list = message[field.name] as unknown[] | undefined;
      if (!field.repeated) this.#once(frame, field);
      const child = this.#push(field.kind, end, field, field.repeated ? list!.length : 0);
      if (field.repeated) list!.push(child);
      else message[field.name] = child;
    } else if (field.kind === "string" || field.kind === "bytes") {
      this.#count(field.kind === "string" ? 1 : OBJECT_ITEMS);
      const value = field.kind === "string" ? this.#string(field) : reader.bytes();
      if (field.repeated) {
        (message[field.name] as unknown[]).push(value);
      } else {
        this.#once(frame, field);
        message[field.name] = value;
      }
    } else if (field.kind in PACKED_WIRE_TYPES) {
      this.#piece(frame, field, reader.bytes());
    } else if (field.repeated) {
      const end = this.#readLength() + reader.pos;
      this.#count(length);
      const list = message[field.name] as unknown[];
      while (reader.pos < end) list.push(this.#scalar(field));
      if (reader.pos > end) throw this.#invalid(`"${field.name}" runs over its end`);
      const packed = message.packed ??= [];
      if (!packed.includes(field.no)) packed.push(field.no);
    } else {
      throw this.#wrongType(field, WireType.LengthDelimited);
    }
  }

  #plain(frame: Frame, field: NamedField, wireType: WireType): void {
    const { message } = frame;
    if (field.kind in PACKED_WIRE_TYPES) {
      if (PACKED_WIRE_TYPES[field.kind as keyof typeof PACKED_WIRE_TYPES] !== wireType) {
        throw this.#wrongType(field, wireType);
      }
      this.#piece(frame, field, this.#reader.skip(wireType));
    } else if (wireTypeOf(field) !== wireType) {
      throw this.#wrongType(field, wireType);
    } else if (field.repeated) {
      this.#count(1);
      (message[field.name] as unknown[]).push(this.#scalar(field));
    } else {
      this.#once(frame, field);
      message[field.name] = this.#scalar(field);
    }
  }

  #piece(frame: Frame, field: NamedField, piece: Uint8Array): void {
    this.#count(OBJECT_ITEMS);
    const earlier = frame.message[field.name] as Uint8Array | undefined;
    if (earlier === undefined) {
      frame.message[field.name] = piece;
      return;
    }
    frame.pieces ??= new Map();
    const pieces = frame.pieces.get(field);
    if (pieces === undefined) frame.pieces.set(field, [earlier, piece]);
    else pieces.push(piece);
  }

  #scalar(field: NamedField): unknown {
    switch (field.kind) {
      case "float":
        return this.#reader.float();
      case "int64":
        return BigInt(this.#reader.int64());
      case "int32":
      case "size": {
        const value = Number(this.#reader.int64());
        const inRange = field.kind === "int32" ? (value | 0) === value : Number.isSafeInteger(value);
        if (inRange) return value;
        if (field.name === "dims" || field.name === "dim_value") {
          throw new TrtdError("MODEL_DIMENSIONS_INVALID", `${this.#where()} has the dimension ${value}`);
        }
        throw this.#invalid(`"${field.name}" is ${value}, which is out of range`);
      }
      default:
        throw this.#invalid(`"${field.name}" is not a number`);
    }
  }

  #string(field: NamedField): string {
    try {
      return this.#reader.string(true);
    } catch (thrown) {
      if (thrown instanceof RangeError) throw thrown;
      throw this.#invalid(`"${field.name}" is not UTF-8`);
    }
  }

  /** Refuse a second value where readers disagree about which one counts. */
  #once(frame: Frame, field: NamedField): void {
    const { message } = frame;
    if (message[field.name] !== undefined) throw this.#invalid(`"${field.name}" occurs twice`);
    if (field.oneof === undefined) return;
    for (const other of FIELDS[frame.type]) {
      if (other.oneof === field.oneof && message[other.name] !== undefined) {
        throw this.#invalid(`"${field.name}" and "${other.name}" exclude each other`);
      }
    }
  }

  /** The length ahead, checked against the message around it; the position stays. */
  #peekLength(frame: Frame, what: string): number {
    const start = this.#reader.pos;
    const length = this.#readLength();
    if (this.#reader.pos + length > frame.end) {
      if (this.#stack.length === 1) throw this.#recognized() ? this.#truncated() : notOnnx(undefined);
      throw this.#invalid(`${what} of ${length} bytes runs over the end of its message`);
    }
    this.#reader.pos = start;
    return length;
  }

  #readLength(): number {
    const start = this.#reader.pos;
    const length = this.#reader.uint32();
    const size = this.#reader.pos - start;
    if (size > 5 || (size === 5 && this.#bytes[this.#reader.pos - 1]! > 0x0f)) {
      throw this.#invalid("A length overflows");
    }
    return length;
  }

  #count(items: number): void {
    this.#items += items;
    if (this.#items > this.#maxItems) {
      throw new TrtdError("MODEL_TOO_LARGE", `The model has more than ${this.#maxItems} parts`, {
        remedy: "Simplify the model; no detector needs so many nodes",
      });
    }
  }

  #truncated(): TrtdError {
    return new TrtdError(
      "MODEL_TRUNCATED",
      `The file ends at byte ${this.#bytes.length}, within a field that goes on`,
    );
  }

  #wrongType(field: NamedField, wireType: WireType): TrtdError {
    return this.#invalid(`"${field.name}" has the wire type ${wireType}, not ${wireTypeOf(field)}`);
  }

  #invalid(what: string): TrtdError {
    return new TrtdError("MODEL_INVALID", `${this.#where()} is malformed at byte ${this.#reader.pos}: ${what}`);
  }

  #where(): string {
    const steps = this.#stack.slice(1).map(({ field, index }) =>
      field!.repeated ? `${field!.name}[${index}]` : field!.name
    );
    return steps.length === 0 ? "The model" : steps.join(".");
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

const notOnnx = (cause: unknown): TrtdError =>
  new TrtdError("MODEL_NOT_PROTOBUF", "The file does not start as an ONNX model does", { cause });
