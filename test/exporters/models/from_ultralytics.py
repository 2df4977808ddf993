"""Exports of `ultralytics`, run as a tool on its own network descriptions made narrow, with random weights."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

# Before its import: settings in a folder that is thrown away, no network, no installing of packages by itself.
SETTINGS = tempfile.mkdtemp(prefix="ultralytics-")
os.environ.update(YOLO_CONFIG_DIR=SETTINGS, YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false")

import torch
import ultralytics
import yaml
from catalogue import Catalogue, Entry
from torch.onnx import symbolic_helper

# Network, opset, simplify, dynamic, other options, expected head.
EXPORTS = (
    ("yolov8n", 9, False, False, {}, "yolov8"),
    ("yolov8n", 12, True, True, {}, "yolov8"),
    ("yolov8n", 14, False, True, {}, "yolov8"),
    ("yolov8n", 17, True, False, {"quantize": 16}, "yolov8"),
    ("yolov8n", 21, True, False, {"batch": 2}, "yolov8"),
    ("yolov8n", 13, True, True, {"nms": True}, "end_to_end"),
    ("yolov5n", 11, True, False, {}, "yolov8"),
    ("yolov5n", 16, False, True, {}, "yolov8"),
    ("yolov10n", 13, False, False, {"nms": False}, "end_to_end"),
    ("yolov10n", 18, True, True, {"nms": False}, "end_to_end"),
    ("yolo11n", 14, True, False, {}, "yolov8"),
    ("yolo11n", 20, False, True, {"quantize": 16}, "yolov8"),
    ("yolo26n", 17, True, False, {"nms": False}, "end_to_end"),
    ("rtdetr-l", 16, True, False, {}, "rtdetr_selected"),
    ("rtdetr-l", 18, False, True, {}, "rtdetr_selected"),
)
# More than 300 cells, which is what TopK keeps.
HEIGHT, WIDTH = 128, 160
SQUARE = 128
NAMES = ["cat", "dog", "hen", "cow"]


def register_nms() -> None:
    """torchvision comes without its compiled part, which wants CUDA: its one operator, as that exports it."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    # Only the number of boxes matters while tracing.
    library.impl("nms", lambda boxes, scores, _: scores.argsort(descending=True)[: max(1, len(boxes) // 2)], "CPU")

    @symbolic_helper.parse_args("v", "v", "f")
    def symbolic(graph, boxes, scores, threshold):
        boxes = symbolic_helper._unsqueeze_helper(graph, boxes, [0])
        scores = symbolic_helper._unsqueeze_helper(graph, scores, [0, 1])
        limit = graph.op("Constant", value_t=torch.tensor([2**63 - 1]))
        threshold = graph.op("Constant", value_t=torch.tensor([threshold], dtype=torch.float))
        kept = graph.op("NonMaxSuppression", boxes, scores, limit, threshold)
        return symbolic_helper._squeeze_helper(graph, select(graph, kept, 1, 2), [1])

    def select(graph, value, axis, index):
        return graph.op("Gather", value, graph.op("Constant", value_t=torch.tensor([index])), axis_i=axis)

    torch.onnx.register_custom_op_symbolic("torchvision::nms", symbolic, 11)
    package, ops = ModuleType("torchvision"), ModuleType("torchvision.ops")
    package.ops, package.library, ops.nms = ops, library, torch.ops.torchvision.nms
    sys.modules.update({"torchvision": package, "torchvision.ops": ops})


def narrow(name: str, folder: Path) -> Path:
    """The package's own YAML with an eighth of the channels and 4 classes."""
    configs = Path(ultralytics.__file__).parent / "cfg" / "models"
    stem = name if name.startswith("rtdetr") else name[:-1]
    source = next(configs.rglob(f"{stem}.yaml"), None) or next(configs.rglob(f"{name}.yaml"))
    config = yaml.safe_load(source.read_text())
    config["nc"] = len(NAMES)
    if name.startswith("rtdetr"):
        # Channels of this one do not follow the scale: [from, repeats, module, [channels, ...]].
        for layer in config["backbone"] + config["head"]:
            module, values = layer[2], layer[3]
            if module == "HGStem" or module == "HGBlock":
                values[0], values[1] = max(values[0] // 8, 8), max(values[1] // 8, 8)
            elif module in ("Conv", "DWConv", "RepC3", "AIFI"):
                values[0] = max(values[0] // 8, 8)
            elif module == "RTDETRDecoder":
                # Classes, width, queries, points, heads, layers.
                layer[3] = ["nc", 32, 60, 4, 8, 2]
    else:
        config["scales"] = {name[-1]: [0.33, 0.125, 512]}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def make(catalogue: Catalogue) -> None:
    register_nms()
    folder = Path(tempfile.mkdtemp(prefix="exports-"))
    before = Path.cwd()
    os.chdir(folder)
    try:
        for turn, (name, opset, simplify, dynamic, other, head) in enumerate(EXPORTS):
            torch.manual_seed(turn)
            square = name.startswith("rtdetr")
            build = ultralytics.RTDETR if square else ultralytics.YOLO
            model = build(str(narrow(name, folder)))
            model.model.names = dict(enumerate(NAMES))
            scatter(model.model)
            size = [SQUARE, SQUARE] if square else [HEIGHT, WIDTH]
            made = model.export(
                format="onnx", imgsz=size, opset=opset, simplify=simplify, dynamic=dynamic, device="cpu", **other
            )
            words = ["simplified" if simplify else "plain", "dynamic" if dynamic else "static"]
            words += [f"{key}={value}" for key, value in other.items()]
            file = "_".join(["ultralytics", name, str(opset), *words]).replace("=", "") + ".onnx"
            shutil.move(made, catalogue.path(file))
            axes = {"height": size[0], "width": size[1]} if dynamic else {}
            batch = None if dynamic else other.get("batch", 1)
            options = f"{name} narrowed, {', '.join(words)}"
            catalogue.add(Entry(file, "ultralytics", ultralytics.__version__, options, head, axes, batch))
    finally:
        os.chdir(before)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(SETTINGS, ignore_errors=True)


# Activations shrink by its square root in each layer: with 1 a network of random weights amplifies every rounding of the
# picture to another answer, with more than 2 all cells of a map give nearly the same.
DAMPING = 1.5


def scatter(network: torch.nn.Module) -> None:
    """Weights and statistics as if trained: untouched ones give the same answer for every picture."""
    generator = torch.Generator().manual_seed(3)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for module in network.modules():
        is_conv = isinstance(module, torch.nn.Conv2d) and module.weight.requires_grad and module.weight.shape[0] > 1
        if is_conv or (isinstance(module, torch.nn.Linear) and not module.weight.any()):
            fan_in = module.weight[0].numel()
            module.weight.data = torch.randn(module.weight.shape, generator=generator) * (2 / fan_in) ** 0.5
            if module.bias is not None:
                module.bias.data = torch.randn(module.bias.shape, generator=generator) * 0.3
    network.eval()
    for module in norms:
        module.train()
        module.momentum = None
        module.reset_running_stats()
    coarse = torch.rand(8, 3, 16, 16, generator=generator)
    with torch.no_grad():
        network(torch.nn.functional.interpolate(coarse, scale_factor=8))
    network.eval()
    for module in norms:
        module.running_var *= DAMPING
