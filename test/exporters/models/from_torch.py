"""Models of PyTorch's two exporters."""

import warnings

import onnx
import torch
from catalogue import Catalogue, Entry
from networks import CLASSES, Arithmetic, ForNms, Queries, YoloV5, YoloV8, YoloX, seeded
from torch import nn

HEIGHT, WIDTH = 96, 160
# Class names as Ultralytics writes them: without them many heads cannot be told apart.
LABELS = str({i: name for i, name in enumerate(("cat", "dog", "hen", "cow"))})
assert LABELS.count(":") == CLASSES

# Opsets are spread so that each network meets old and new ones.
CLASSIC = (
    ("yolov8", lambda: YoloV8(), "yolov8", (9, 12, 14, 18, 21)),
    ("yolov5", lambda: YoloV5(), "yolov5", (9, 10, 13, 17)),
    ("yolov5focus", lambda: YoloV5(focus=True), "yolov5", (11, 16)),
    ("yolox", lambda: YoloX(decoded=False), "yolox", (11, 16, 19)),
    ("yoloxdecoded", lambda: YoloX(decoded=True), "yolox_decoded", (12, 14, 17)),
    ("queries", lambda: Queries(), "rtdetr", (16, 20)),
    ("arithmetic", lambda: Arithmetic(), None, (11, 13, 14, 20)),
)
# Its operators begin at opset 18: for older ones it calls a converter, which fails or writes invalid Splits for these.
DYNAMO = (
    ("yolov8", lambda: YoloV8(), "yolov8", (18, 21)),
    ("yolov5focus", lambda: YoloV5(focus=True), "yolov5", (18,)),
    ("queries", lambda: Queries(), "rtdetr", (18, 20)),
    ("arithmetic", lambda: Arithmetic(), None, (18, 21)),
)
OUTPUTS = {"arithmetic": ["turned", "summed", "counted"]}


def label(path) -> None:
    model = onnx.load(path)
    entry = model.metadata_props.add()
    entry.key, entry.value = "names", LABELS
    onnx.save(model, path)


def export_classic(network: nn.Module, path, opset: int, dynamic: str, outputs: list[str], inputs=None) -> None:
    free = {"static": None, "batch": {0: "batch"}, "all": {0: "batch", 2: "height", 3: "width"}}[dynamic]
    axes = None if free is None else {"images": free, **{name: {0: "batch"} for name in outputs}}
    torch.onnx.export(
        network,
        inputs or (torch.zeros(1 if free is None else 2, 3, HEIGHT, WIDTH),),
        str(path),
        dynamo=False,
        opset_version=opset,
        input_names=["images"],
        output_names=outputs,
        dynamic_axes=axes,
    )


def make(catalogue: Catalogue) -> None:
    warnings.filterwarnings("ignore")
    version = torch.__version__.split("+")[0]
    modes = ("batch", "static", "all")
    turn = 0
    for name, build, head, opsets in CLASSIC:
        for opset in opsets:
            # GridSample in opset 16 and the padding of Arithmetic need a fixed size in the exporter.
            dynamic = modes[turn % (2 if name in ("queries", "arithmetic") else 3)]
            turn += 1
            file = f"torch_{name}_{opset}_{dynamic}.onnx"
            outputs = OUTPUTS.get(name, ["output0"])
            export_classic(seeded(build(), opset), catalogue.path(file), opset, dynamic, outputs)
            if head is not None:
                label(catalogue.path(file))
            axes = {} if dynamic != "all" else {"height": HEIGHT, "width": WIDTH}
            batch = 1 if dynamic == "static" else None
            catalogue.add(Entry(file, "torch.onnx, TorchScript", version, f"{name}, {dynamic} axes", head, axes, batch))
    for name, build, head, opsets in DYNAMO:
        for opset in opsets:
            dynamic = modes[turn % 2]
            turn += 1
            file = f"dynamo_{name}_{opset}_{dynamic}.onnx"
            shapes = None if dynamic == "static" else ({0: torch.export.Dim("batch", min=1, max=64)},)
            torch.onnx.export(
                seeded(build(), opset),
                (torch.zeros(1 if shapes is None else 2, 3, HEIGHT, WIDTH),),
                str(catalogue.path(file)),
                dynamo=True,
                external_data=False,
                opset_version=opset,
                input_names=["images"],
                output_names=OUTPUTS.get(name, ["output0"]),
                dynamic_shapes=shapes,
                verbose=False,
            )
            if head is not None:
                label(catalogue.path(file))
            batch = 1 if shapes is None else None
            catalogue.add(Entry(file, "torch.onnx, dynamo", version, f"{name}, {dynamic} axes", head, {}, batch))


def for_nms(path, coding: str, activated: bool, opset: int, dynamic: str) -> None:
    """The network that `from_graphs` appends EfficientNMS_TRT to."""
    warnings.filterwarnings("ignore")
    outputs = ["boxes", "scores"] + (["anchors"] if coding == "anchors" else [])
    export_classic(seeded(ForNms(coding, activated), opset), path, opset, dynamic, outputs)
