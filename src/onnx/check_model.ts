/** What a model must be before any runtime sees it. */
import { TrtdError } from "../errors.ts";
import { checkGraphs } from "./check_graph.ts";
import { checkShape, checkSparseTensor, checkTensor } from "./check_tensor.ts";
import { ATTRIBUTE_TYPE, type AttributeProto, DATA_LOCATION, type ModelProto, type NodeProto } from "./proto.ts";
import { quoted } from "./quoted.ts";
import { walk } from "./graph/walk.ts";

/** IR versions have counted up from 1 since 2017; a number beyond this is not one. */
const IR_VERSION_MAX = 1000;
/** From this IR version on a model must import its operator sets. Source: onnx.proto, IR_VERSION_2017_11_3. */
const IR_VERSION_WITH_OPSETS = 3;

/**
 * Refuse a decoded model that breaks ONNX's rules or is a danger to a runtime. External data is refused before anything
 * else, in every message that can hold a tensor.
 * @throws {TrtdError} `MODEL_EXTERNAL_DATA`, `MODEL_DIMENSIONS_INVALID`, `MODEL_INPUT_MISSING`, `MODEL_CYCLE`,
 * `MODEL_NESTING_TOO_DEEP`, `MODEL_INVALID`
 */
export function checkModel(model: ModelProto): void {
  checkExternalData(model);
  checkHeader(model);
  walk("ModelProto", model, (type, message, path) => {
    if (type === "TensorProto") checkTensor(message, path);
    else if (type === "SparseTensorProto") checkSparseTensor(message, path);
    else if (type === "TensorShapeProto") checkShape(message, path);
    else if (type === "AttributeProto") checkAttribute(message, path);
  });
  checkGraphs(model);
}

function checkExternalData(model: ModelProto): void {
  walk("ModelProto", model, (type, message, path) => {
    if (type === "TensorProto") {
      if (message.data_location === DATA_LOCATION.EXTERNAL || message.external_data.length > 0) {
        throw new TrtdError("MODEL_EXTERNAL_DATA", `The tensor ${path()} keeps its data in another file`);
      }
      if (message.data_location !== undefined && message.data_location !== DATA_LOCATION.DEFAULT) {
        throw new TrtdError(
          "MODEL_EXTERNAL_DATA",
          `The tensor ${path()} keeps its data at the unknown location ${message.data_location}`,
        );
      }
    } else if (type === "NodeProto" && isExternalContext(message)) {
      throw new TrtdError("MODEL_EXTERNAL_DATA", `The EPContext node ${path()} names a file with a compiled model`, {
        remedy: "Use the original ONNX model; trtd keeps compiled engines itself",
      });
    }
  });
}

/** ONNX Runtime's EPContext opens the file that its attribute names unless `embed_mode` is 1 (the default). */
function isExternalContext(node: NodeProto): boolean {
  return node.op_type === "EPContext" && node.attribute.some(({ name, i }) => name === "embed_mode" && i !== 1n);
}

function checkHeader(model: ModelProto): void {
  const { ir_version: version } = model;
  if (version === undefined || version < 1 || version > IR_VERSION_MAX) {
    throw new TrtdError("MODEL_INVALID", `The model's ir_version is ${version ?? "missing"}`);
  }
  if (version >= IR_VERSION_WITH_OPSETS && model.opset_import.length === 0) {
    throw new TrtdError("MODEL_INVALID", "The model imports no operator set; perhaps its file was cut short");
  }
  const imported = new Set<string>();
  for (const { domain = "", version = 0 } of model.opset_import) {
    const name = domain === "" ? "ai.onnx" : domain;
    if (imported.has(name)) {
      throw new TrtdError("MODEL_INVALID", `The model imports operator set ${quoted(name)} twice`);
    }
    if (version < 1) throw new TrtdError("MODEL_INVALID", `The model imports version ${version} of ${quoted(name)}`);
    imported.add(name);
  }
}

/** Payload fields by the attribute type that they belong to. */
const PAYLOADS = {
  f: "FLOAT",
  i: "INT",
  s: "STRING",
  t: "TENSOR",
  g: "GRAPH",
  tp: "TYPE_PROTO",
  sparse_tensor: "SPARSE_TENSOR",
  floats: "FLOATS",
  ints: "INTS",
  strings: "STRINGS",
  tensors: "TENSORS",
  graphs: "GRAPHS",
  type_protos: "TYPE_PROTOS",
  sparse_tensors: "SPARSE_TENSORS",
} as const satisfies Partial<Record<keyof AttributeProto, keyof typeof ATTRIBUTE_TYPE>>;

function checkAttribute(attribute: AttributeProto, path: () => string): void {
  if (!attribute.name) throw new TrtdError("MODEL_INVALID", `${path()} has no name`);
  let found: string | undefined;
  for (const [field, type] of Object.entries(PAYLOADS)) {
    const value = attribute[field as keyof typeof PAYLOADS];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    if (found !== undefined) throw new TrtdError("MODEL_INVALID", `${path()} has both "${found}" and "${field}"`);
    found = field;
    if (attribute.type !== undefined && attribute.type !== ATTRIBUTE_TYPE[type]) {
      throw new TrtdError("MODEL_INVALID", `${path()} has the type ${attribute.type} but holds "${field}"`);
    }
  }
}
