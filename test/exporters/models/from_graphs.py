"""Models that exporters' users finish by hand: EfficientNMS_TRT appended, fp16, old IR, subgraphs, fields from the future."""

import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from catalogue import Catalogue, Entry
from from_torch import HEIGHT, WIDTH, export_classic, for_nms, label
from networks import CLASSES, Queries, YoloV5, YoloV8, seeded
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16
from torch import Tensor, nn

# Name, coding of the boxes, sigmoid inside, class agnostic, opset, axes, domain of the node, other things.
NMS = (
    ("corners", "corners", 0, 0, 14, "static", "", ""),
    ("activation", "corners", 1, 0, 13, "batch", "TRT", ""),
    ("centres", "centres", 0, 1, 17, "batch", "", ""),
    ("centresactivation", "centres", 1, 1, 11, "static", "TRT", ""),
    ("anchors", "anchors", 0, 0, 16, "static", "", ""),
    ("anchorscentres", "anchors", 1, 1, 18, "batch", "TRT", ""),
    ("rank4", "corners", 0, 0, 12, "batch", "", "rank4"),
    ("perclass", "corners", 0, 0, 12, "static", "", "perclass"),
    ("half", "corners", 0, 0, 17, "batch", "TRT", "half"),
)
DETECTIONS = 20


def append_nms(model: onnx.ModelProto, name: str, activation: int, agnostic: int, domain: str) -> onnx.ModelProto:
    """The outputs of the graph become the inputs of the node; its four outputs become those of the graph."""
    graph = model.graph
    inputs = [output.name for output in graph.output]
    element = graph.output[0].type.tensor_type.elem_type
    batch = graph.input[0].type.tensor_type.shape.dim[0]
    size = batch.dim_param or batch.dim_value
    outputs = (
        ("num_dets", TensorProto.INT32, [size, 1]),
        ("det_boxes", element, [size, DETECTIONS, 4]),
        ("det_scores", element, [size, DETECTIONS]),
        ("det_classes", TensorProto.INT32, [size, DETECTIONS]),
    )
    node = helper.make_node(
        "EfficientNMS_TRT",
        inputs,
        [output for output, _, _ in outputs],
        name="nms",
        domain=domain,
        background_class=-1,
        box_coding=1 if "centres" in name else 0,
        class_agnostic=agnostic,
        iou_threshold=0.45,
        max_output_boxes=DETECTIONS,
        plugin_version="1",
        score_activation=activation,
        score_threshold=0.25,
    )
    graph.node.append(node)
    del graph.output[:]
    graph.output.extend(helper.make_tensor_value_info(*output) for output in outputs)
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


def with_rank4_boxes(model: onnx.ModelProto, classes: int) -> onnx.ModelProto:
    """Boxes as [N, A, 1, 4], which mmdeploy and others write, or [N, A, C, 4]. Needs an opset before 13."""
    graph = model.graph
    boxes = graph.output[0]
    graph.node.append(helper.make_node("Unsqueeze", [boxes.name], ["boxes4"], axes=[2], name="rank4"))
    if classes > 1:
        graph.initializer.append(constant("repeats", [1, 1, classes, 1]))
        graph.node.append(helper.make_node("Tile", ["boxes4", "repeats"], ["boxes_each"], name="each"))
    shape = [dim.dim_param or dim.dim_value for dim in boxes.type.tensor_type.shape.dim]
    name = "boxes_each" if classes > 1 else "boxes4"
    graph.output[0].CopyFrom(helper.make_tensor_value_info(name, TensorProto.FLOAT, [*shape[:2], classes, 4]))
    return model


def make_nms(catalogue: Catalogue) -> None:
    for name, coding, activation, agnostic, opset, dynamic, domain, other in NMS:
        file = f"nms_{name}_{opset}_{dynamic}.onnx"
        path = catalogue.path(file)
        for_nms(path, coding, activation == 0, opset, dynamic)
        model = onnx.load(path)
        if other in ("rank4", "perclass"):
            model = with_rank4_boxes(model, 1 if other == "rank4" else CLASSES)
        if other == "half":
            model = convert_float_to_float16(model, keep_io_types=["images"])
        onnx.save(append_nms(model, name, activation, agnostic, domain), path)
        label(path)
        options = f"{name}, domain {domain or 'default'}, {dynamic} axes"
        batch = 1 if dynamic == "static" else None
        catalogue.add(
            Entry(file, "torch.onnx, EfficientNMS_TRT appended", torch_version(), options, "efficient_nms", {}, batch)
        )


class Sized(nn.Module):
    """D-FINE's form: a second input with the picture's size in INT64, labels in INT64."""

    def __init__(self):
        super().__init__()
        self.queries = Queries()

    def forward(self, images: Tensor, orig_target_sizes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = self.queries(images)
        scores, index = torch.topk(y[..., 4:].flatten(1), 12, dim=-1)
        labels = index - index // CLASSES * CLASSES
        boxes = y[..., :4].gather(1, (index // CLASSES).unsqueeze(-1).repeat(1, 1, 4))
        low, high = boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2
        return labels, torch.cat([low, high], -1) * orig_target_sizes.repeat(1, 2).unsqueeze(1), scores


class Scripted(nn.Module):
    """Control flow that stays in the graph: Loop over the pictures, If on the size of the picture."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        y = self.conv(images)
        if y.shape[2] > 16:
            y = y[:, :, 1::2]
        else:
            y = y * 2.0
        total = torch.zeros([y.shape[1], y.shape[3]])
        for i in range(y.shape[2]):
            total = total * 0.5 + y[:, :, i].sum(0)
        return total


def torch_version() -> str:
    return torch.__version__.split("+")[0]


def make_torch_variants(catalogue: Catalogue) -> None:
    version = torch_version()

    def add(file: str, options: str, head: str | None, batch: int | None, exporter="torch.onnx, TorchScript", **more):
        catalogue.add(Entry(file, exporter, version, options, head, batch=batch, **more))

    pictures = torch.zeros(2, 3, HEIGHT, WIDTH)
    file = "torch_sized_16_batch.onnx"
    path = catalogue.path(file)
    sizes = torch.tensor([[WIDTH, HEIGHT]] * 2)
    outputs = ["labels", "boxes", "scores"]
    torch.onnx.export(
        seeded(Sized(), 5),
        (pictures, sizes),
        str(path),
        dynamo=False,
        opset_version=16,
        input_names=["images", "orig_target_sizes"],
        output_names=outputs,
        dynamic_axes={name: {0: "batch"} for name in ("images", "orig_target_sizes", *outputs)},
    )
    label(path)
    add(file, "INT64 input and output, batch axes", "dfine", None)

    file = "torch_scripted_14_batch.onnx"
    scripted = torch.jit.script(seeded(Scripted(), 6))
    export_classic(scripted, catalogue.path(file), 14, "batch", ["output0"])
    excused = dict.fromkeys(("static-batch", "dynamic-batch"), "its output is the sum of all pictures")
    add(file, "torch.jit.script: Loop and If, batch axes", None, None, excused=excused)

    file = "torch_ir3_9_static.onnx"
    path = catalogue.path(file)
    torch.onnx.export(
        seeded(YoloV5(), 7),
        (pictures[:1],),
        str(path),
        dynamo=False,
        opset_version=9,
        input_names=["images"],
        output_names=["output0"],
        keep_initializers_as_inputs=True,
    )
    model = onnx.load(path)
    model.ir_version = 3
    onnx.save(model, path)
    label(path)
    add(file, "initializers as inputs, IR 3, static axes", "yolov5", 1)

    file = "torch_half_17_batch.onnx"
    path = catalogue.path(file)
    network = seeded(YoloV8(), 8).half()
    export_classic(network, path, 17, "batch", ["output0"], (pictures.half(),))
    label(path)
    add(file, "network.half(), batch axes", "yolov8", None)

    for keep, opset in ((True, 13), (False, 18)):
        file = f"converted_half_{opset}_batch.onnx"
        path = catalogue.path(file)
        export_classic(seeded(YoloV8(), 9), path, opset, "batch", ["output0"])
        onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=keep), path)
        label(path)
        what = f"fp16 by ONNX Runtime {onnxruntime.__version__}, {'f32' if keep else 'fp16'} inputs, batch axes"
        add(file, what, "yolov8", None)

    file = "torch_boxesscores_15_batch.onnx"
    path = catalogue.path(file)
    for_nms(path, "corners", True, 15, "batch")
    label(path)
    add(file, "boxes and scores apart, batch axes", "boxes_scores", None)


def constant(name: str, values: list, kind=np.int64) -> TensorProto:
    return numpy_helper.from_array(np.array(values, kind), name)


def make_by_hand(catalogue: Catalogue) -> None:
    def save(file: str, model: onnx.ModelProto, options: str, **more) -> None:
        onnx.save(model, catalogue.path(file))
        catalogue.add(Entry(file, "onnx.helper", onnx.__version__, options, None, **more))

    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 16, 24])
    save("hand_subgraphs_13.onnx", subgraphs(images), "If and Loop read outer constants, batch axis", batch=None)
    save("hand_functions_18.onnx", functions(images), "a function of the model's own, batch axis", batch=None)

    model = onnx.load(catalogue.path("torch_boxesscores_15_batch.onnx"))
    mark(model)
    file = "hand_future_15.onnx"
    onnx.save(model, catalogue.path(file))
    entry = Entry(file, "onnx.helper", onnx.__version__, "fields of a later ONNX everywhere", "boxes_scores")
    entry.batch = None
    catalogue.add(entry)


def subgraphs(images: onnx.ValueInfoProto) -> onnx.ModelProto:
    """Slices in both branches of an If that read outer INT64 constants; a Loop that stacks what it sees."""
    limit = 2**63 - 1

    def branch(name: str, starts: str) -> onnx.GraphProto:
        nodes = [helper.make_node("Slice", ["features", starts, "ends", "axes"], [name], name=f"{name}_slice")]
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        own = [] if starts == "outer_starts" else [constant(starts, [-limit - 1, 0])]
        return helper.make_graph(nodes, name, [], [output], own)

    body = helper.make_graph(
        [
            helper.make_node("Gather", ["rows", "step"], ["row"], axis=2, name="take"),
            helper.make_node("Add", ["carried", "row"], ["carried_on"], name="sum"),
            helper.make_node("Identity", ["carried_on"], ["seen"], name="see"),
            helper.make_node("Identity", ["going"], ["going_on"], name="go"),
        ],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("going_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried_on", TensorProto.FLOAT, None),
            helper.make_tensor_value_info("seen", TensorProto.FLOAT, None),
        ],
    )
    generator = np.random.default_rng(1)
    weight = numpy_helper.from_array(generator.normal(size=(4, 3, 3, 3)).astype(np.float32), "weight")
    nodes = [
        helper.make_node("Conv", ["images", "weight"], ["features"], pads=[1, 1, 1, 1], name="conv"),
        helper.make_node("Shape", ["images"], ["shape"], name="shape"),
        helper.make_node("Gather", ["shape", "two"], ["height"], name="height"),
        helper.make_node("Greater", ["height", "ten"], ["tall"], name="tall"),
        helper.make_node(
            "If",
            ["tall"],
            ["rows"],
            then_branch=branch("then_rows", "outer_starts"),
            else_branch=branch("else_rows", "own_starts"),
            name="if",
        ),
        helper.make_node("ReduceMean", ["rows"], ["first"], axes=[2], keepdims=0, name="first"),
        helper.make_node("Loop", ["trips", "yes", "first"], ["last", "history"], body=body, name="loop"),
        helper.make_node("Transpose", ["history"], ["stacked"], perm=[1, 2, 0, 3], name="stack"),
    ]
    outputs = [
        helper.make_tensor_value_info("last", TensorProto.FLOAT, ["batch", 4, 24]),
        helper.make_tensor_value_info("stacked", TensorProto.FLOAT, ["batch", 4, 5, 24]),
    ]
    constants = [
        weight,
        constant("two", 2),
        constant("ten", 10),
        constant("outer_starts", [2, -limit]),
        constant("ends", [limit, 2**40]),
        constant("axes", [2, 3]),
        constant("trips", 5),
        constant("yes", True, np.bool_),
    ]
    graph = helper.make_graph(nodes, "subgraphs", [images], outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


def functions(images: onnx.ValueInfoProto) -> onnx.ModelProto:
    """Swish and a tail slice as functions of the model, with INT64 constants inside."""
    base = helper.make_opsetid("", 18)
    swish = helper.make_function(
        "trtd.test",
        "Swish",
        ["x"],
        ["y"],
        [helper.make_node("Sigmoid", ["x"], ["s"]), helper.make_node("Mul", ["x", "s"], ["y"])],
        [base],
    )
    tail = helper.make_function(
        "trtd.test",
        "Tail",
        ["x"],
        ["y"],
        [
            helper.make_node("Constant", [], ["from"], value_ints=[1]),
            helper.make_node("Constant", [], ["to"], value=constant("", [2**63 - 1])),
            helper.make_node("Constant", [], ["axis"], value_ints=[3]),
            helper.make_node("Slice", ["x", "from", "to", "axis"], ["y"]),
        ],
        [base],
    )
    generator = np.random.default_rng(2)
    weight = numpy_helper.from_array(generator.normal(size=(6, 3, 3, 3)).astype(np.float32), "weight")
    nodes = [
        helper.make_node("Conv", ["images", "weight"], ["features"], pads=[1, 1, 1, 1], name="conv"),
        helper.make_node("Swish", ["features"], ["active"], domain="trtd.test", name="swish"),
        helper.make_node("Tail", ["active"], ["output0"], domain="trtd.test", name="tail"),
    ]
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["batch", 6, 16, 23])
    graph = helper.make_graph(nodes, "functions", [images], [output], [weight])
    imports = [base, helper.make_opsetid("trtd.test", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8, functions=[swish, tail])


# Field 777, length-delimited, "later": no ONNX has it.
LATER = b"\xca\x30\x05later"


def mark(model: onnx.ModelProto) -> None:
    """Puts a field that nobody knows, documentation and metadata at every level."""
    graph = model.graph
    first = graph.node[0].attribute[0]
    for message in (model, graph, first, *graph.node, *graph.initializer, *graph.input, *graph.output):
        message.MergeFromString(LATER)
    for message in (model, graph, *graph.node[:5], *graph.input):
        message.doc_string = "said by the test"
        if hasattr(message, "metadata_props"):
            entry = message.metadata_props.add()
            entry.key, entry.value = "trtd.test", "kept"
    model.domain, model.model_version = "trtd.test", 7


def make(catalogue: Catalogue) -> None:
    warnings.filterwarnings("ignore")
    make_nms(catalogue)
    make_torch_variants(catalogue)
    make_by_hand(catalogue)
