/** Models spoilt on purpose, as a faulty pass would: the checker must notice each. */

import type { NodeProto, TensorProto } from "../../src/onnx/proto.ts";
import type { OnnxModel } from "../../src/onnx/read.ts";
import { writeModel } from "../../src/onnx/write.ts";
import type { Expectations } from "./checker.ts";

interface Spoilt {
  /** The model of an exporter that is spoilt. */
  readonly file: string;
  readonly make: (model: OnnxModel) => Uint8Array;
  readonly expect: Expectations;
  readonly says: RegExp;
}

const STATIC = "torch_yolov8_12_static.onnx";
const MARKED = "hand_future_15.onnx";
const WITH_NMS = "nms_corners_14_static.onnx";

const withGraph = (model: OnnxModel, graph: Partial<OnnxModel["graph"]>): Uint8Array =>
  writeModel({ ...model, graph: { ...model.graph, ...graph } });

const withNodes = (model: OnnxModel, change: (node: NodeProto) => NodeProto): Uint8Array =>
  withGraph(model, { node: model.graph.node.map(change) });

function withOtherBit(tensor: TensorProto): TensorProto {
  const data = tensor.raw_data!.slice();
  data[2]! ^= 1;
  return { ...tensor, raw_data: data };
}

const withoutMarks = (node: NodeProto): NodeProto => {
  const { unknown: _unknown, ...rest } = node;
  return rest;
};

/** By what was done. */
export const SPOILT: Readonly<Record<string, Spoilt>> = {
  "one bit of a weight": {
    file: STATIC,
    make: (model) => {
      const weight = model.graph.initializer.find(({ dims, data_type }) => dims.length === 4 && data_type === 1)!;
      const initializer = model.graph.initializer.map((one) => one === weight ? withOtherBit(one) : one);
      return withGraph(model, { initializer });
    },
    expect: {},
    says: /output "output0" differs by up to/,
  },
  "nodes in the wrong order": {
    file: STATIC,
    make: (model) => withGraph(model, { node: [...model.graph.node].reverse() }),
    expect: {},
    says: /topologically sorted/,
  },
  "an output declared with another shape": {
    file: STATIC,
    make: (model) => {
      const [output] = model.graph.output;
      const shape = { dim: [{ dim_value: 1 }, { dim_value: 8 }, { dim_value: 7 }] };
      const type = { tensor_type: { ...output!.type!.tensor_type, shape } };
      return withGraph(model, { output: [{ ...output!, type }] });
    },
    expect: {},
    says: /official checker says/,
  },
  "metadata that is lost": {
    file: STATIC,
    make: (model) => writeModel({ ...model, metadata_props: [] }),
    expect: {},
    says: /metadata differ/,
  },
  "unknown fields that are lost": {
    file: MARKED,
    make: (model) => withNodes(model, withoutMarks),
    expect: {},
    says: /node ".*" lost unknown fields/,
  },
  "INT64 constants beyond INT32": {
    file: "hand_subgraphs_13.onnx",
    make: (model) => writeModel(model),
    expect: { within_int32: true },
    says: /INT64 constant ".*" is beyond INT32/,
  },
  "shape arithmetic that is left": {
    file: "torch_ir3_9_static.onnx",
    make: (model) => writeModel(model),
    expect: { no_shape: true },
    says: /Shape nodes are left/,
  },
  "weights that are still f32": {
    file: STATIC,
    make: (model) => writeModel(model),
    expect: { half: true },
    says: /weights of convolutions are still f32/,
  },
  "a batch that is not free": {
    file: STATIC,
    make: (model) => writeModel(model),
    expect: { batch: null },
    says: /has batch 1, wanted is None/,
  },
  "an attribute of EfficientNMS_TRT that changed": {
    file: WITH_NMS,
    make: (model) =>
      withNodes(model, (node) => ({
        ...node,
        attribute: node.attribute.map((one) => one.name === "iou_threshold" ? { ...one, f: 0.5 } : one),
      })),
    expect: { nms: true, same_nms: true },
    says: /has other attributes/,
  },
  "EfficientNMS_TRT that is still there": {
    file: WITH_NMS,
    make: (model) => writeModel(model),
    expect: { nms: false },
    says: /EfficientNMS_TRT is still there/,
  },
};
