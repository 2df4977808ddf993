"""What a model's graph says: the official checker's verdict, what a rewrite lost, and what it should have done."""

import copy
from collections import Counter

import numpy as np
import onnx
from google.protobuf.unknown_fields import UnknownFieldSet
from onnx import AttributeProto, TensorProto, helper, numpy_helper

INT32 = (-(2**31), 2**31 - 1)
NMS = "EfficientNMS_TRT"
# Metadata of trtd's own.
NOTES = "trtd.efficient_nms"
# Weights of a convolution that only decodes distributions, which may stay in f32: YOLOv8 has 16.
DECODING = 64


def cut(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without EfficientNMS_TRT, whose inputs become outputs; the model itself when it has none."""
    nodes = [node for node in model.graph.node if node.op_type == NMS]
    if not nodes:
        return model
    model = copy.deepcopy(model)
    [node] = [node for node in model.graph.node if node.op_type == NMS]
    model.graph.node.remove(node)
    types = value_types(model)
    dropped = set(node.output)
    kept = [copy.deepcopy(output) for output in model.graph.output if output.name not in dropped]
    del model.graph.output[:]
    for name in node.input:
        model.graph.output.append(helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), None))
    model.graph.output.extend(kept)
    return model


def value_types(model: onnx.ModelProto) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model).graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for value in (*graph.value_info, *graph.input, *graph.output):
        types[value.name] = value.type.tensor_type.elem_type
    return types


def checked(model: onnx.ModelProto) -> str | None:
    """What the official checker says, shape inference included; EfficientNMS_TRT counts as an operator of another domain."""
    if any(node.op_type == NMS and node.domain in ("", "ai.onnx") for node in model.graph.node):
        model = copy.deepcopy(model)
        next(node for node in model.graph.node if node.op_type == NMS).domain = "trtd.checked"
        model.opset_import.append(helper.make_opsetid("trtd.checked", 1))
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:
        return " ".join(str(error).split())[:300]
    return None


def all_graphs(graph: onnx.GraphProto):
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs:
                yield from all_graphs(inner)


def all_nodes(model: onnx.ModelProto):
    for graph in all_graphs(model.graph):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def beyond_int32(model: onnx.ModelProto) -> list[str]:
    """INT64 constants that TensorRT 8 would clamp by itself."""
    found = []

    def look(name: str, values) -> None:
        values = np.asarray(values)
        if values.dtype == np.int64 and values.size and (values.min() < INT32[0] or values.max() > INT32[1]):
            found.append(name)

    for graph in all_graphs(model.graph):
        for tensor in graph.initializer:
            if tensor.data_type == TensorProto.INT64:
                look(tensor.name, numpy_helper.to_array(tensor))
    for node in all_nodes(model):
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.type == AttributeProto.TENSOR and attribute.t.data_type == TensorProto.INT64:
                    look(node.output[0], numpy_helper.to_array(attribute.t))
                if attribute.type in (AttributeProto.INT, AttributeProto.INTS):
                    look(node.output[0], np.array([attribute.i, *attribute.ints], np.int64))
    return found


def marks(message) -> list:
    """What a rewrite must carry along although it does not know it."""
    fields = UnknownFieldSet(message)
    unknown = sorted((field.field_number, field.wire_type, str(field.data)) for field in fields) if len(fields) else []
    metadata = sorted((entry.key, entry.value) for entry in getattr(message, "metadata_props", ()))
    return [unknown, getattr(message, "doc_string", ""), metadata]


def lost(original: onnx.ModelProto, result: onnx.ModelProto, noted: bool) -> list[str]:
    """Fields, documentation and metadata that the result misses, for everything that is still there by name."""
    problems = []
    for name in ("producer_name", "producer_version", "domain", "model_version", "ir_version"):
        # Initializers that are no inputs begin with IR version 4.
        if name == "ir_version" and original.ir_version == 3 and result.ir_version == 4:
            continue
        if getattr(original, name) != getattr(result, name):
            problems.append(f"{name} was {getattr(original, name)!r}, is {getattr(result, name)!r}")
    # trtd notes there what it cut off.
    own = [entry for entry in result.metadata_props if entry.key.startswith(NOTES)]
    after = marks(result)
    after[2] = [pair for pair in after[2] if not pair[0].startswith(NOTES)]
    if marks(original) != after or (own and not noted):
        problems.append("the model's own unknown fields, documentation or metadata differ")
    if marks(original.graph) != marks(result.graph) or original.graph.name != result.graph.name:
        problems.append("the graph's name, unknown fields, documentation or metadata differ")
    versions = {item.domain: item.version for item in result.opset_import}
    for item in original.opset_import:
        if item.domain in ("", "ai.onnx") and versions.get(item.domain) != item.version:
            problems.append(f"the opset was {item.version}, is {versions.get(item.domain)}")

    def compare(kind: str, before, after, key) -> None:
        new = {key(item): item for item in after}
        names = Counter(key(item) for item in before)
        for item in before:
            other = new.get(key(item))
            if other is not None and names[key(item)] == 1 and marks(item) != marks(other):
                problems.append(f'{kind} "{item.name}" lost unknown fields, documentation or metadata')

    compare("node", original.graph.node, result.graph.node, lambda node: (node.name, node.op_type, tuple(node.output)))
    compare("initializer", original.graph.initializer, result.graph.initializer, lambda t: (t.name, t.data_type))
    compare("input", original.graph.input, result.graph.input, lambda value: value.name)
    compare("output", original.graph.output, result.graph.output, lambda value: value.name)
    return problems[:10]


def unused(graph: onnx.GraphProto) -> list[str]:
    """Nodes of the main graph that no output depends on."""
    needed = {output.name for output in graph.output}
    dead = []
    for node in reversed(graph.node):
        if not needed.intersection(node.output):
            dead.append(node.name or node.output[0])
            continue
        needed.update(node.input)
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs:
                needed.update(name for one in all_graphs(inner) for item in one.node for name in item.input)
                needed.update(output.name for one in all_graphs(inner) for output in one.output)
    return dead


def expectation_problems(original: onnx.ModelProto, result: onnx.ModelProto, expect: dict) -> list[str]:
    problems = []
    operators = [node.op_type for node in all_nodes(result)]
    if expect.get("within_int32"):
        problems += [f'INT64 constant "{name}" is beyond INT32' for name in beyond_int32(result)[:5]]
    if expect.get("no_shape") and "Shape" in [node.op_type for node in result.graph.node]:
        problems.append(f"{operators.count('Shape')} Shape nodes are left although all shapes are fixed")
    if "nms" in expect and (NMS in operators) != expect["nms"]:
        problems.append(f"EfficientNMS_TRT is {'missing' if expect['nms'] else 'still there'}")
    if expect.get("same_nms"):
        before, after = ([n for n in model.graph.node if n.op_type == NMS] for model in (original, result))
        described = [[sorted(str(a) for a in node.attribute) for node in nodes] for nodes in (before, after)]
        if described[0] != described[1]:
            problems.append(f"EfficientNMS_TRT has other attributes: {described[1]} instead of {described[0]}")
        shapes = [[str(value) for value in model.graph.output] for model in (original, result)]
        if shapes[0] != shapes[1]:
            problems.append(f"the graph's outputs are {shapes[1]} instead of {shapes[0]}")
    if "batch" in expect:
        for value in (*result.graph.input, *result.graph.output):
            if value.name in {tensor.name for tensor in result.graph.initializer}:
                continue
            dims = value.type.tensor_type.shape.dim
            if not dims:
                continue
            size = dims[0].dim_value if dims[0].HasField("dim_value") else None
            if size != expect["batch"]:
                problems.append(f'"{value.name}" has batch {size}, wanted is {expect["batch"]}')
    if expect.get("half"):
        constants = {tensor.name: tensor for tensor in result.graph.initializer}
        weights = [constants[n.input[1]] for n in result.graph.node if n.op_type == "Conv" and n.input[1] in constants]
        full = [t.name for t in weights if t.data_type == TensorProto.FLOAT and np.prod(t.dims) > DECODING]
        if full:
            problems.append(f"weights of convolutions are still f32: {full[:5]}")
        doubled = [n.name or n.output[0] for n in result.graph.node if is_needless_cast(result.graph, n)]
        if doubled and not any(is_needless_cast(original.graph, n) for n in original.graph.node):
            problems.append(f"needless casts: {doubled[:5]}")
    return problems


def is_needless_cast(graph: onnx.GraphProto, node: onnx.NodeProto) -> bool:
    """A Cast of the same value to the same type as another one."""
    if node.op_type != "Cast":
        return False
    to = helper.get_node_attr_value(node, "to")
    same = [n for n in graph.node if n.op_type == "Cast" and n.input == node.input]
    return len([n for n in same if helper.get_node_attr_value(n, "to") == to]) > 1
