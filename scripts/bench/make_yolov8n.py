"""Write an ONNX file laid out as Ultralytics exports YOLOv8n (640x640, 80 classes, opset 17), with random weights.

    .venv/bench/bin/python scripts/bench/make_yolov8n.py yolov8n.onnx

It has the operators, the shapes and the 8.7 GFLOP of the real model and finds nothing sensible: for measuring speed only.
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 640
CLASSES = 80
STRIDES = (8, 16, 32)
DISTANCE_BINS = 16
# Spreads the scores so that a photograph gives some boxes.
SCORE_GAIN = 60


class Builder:
    """Collects nodes and weights; every method answers the name of the value that it makes."""

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)
        self.nodes, self.weights, self.count = [], [], 0

    def name(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}_{self.count}"

    def constant(self, array, prefix: str = "constant") -> str:
        name = self.name(prefix)
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op: str, inputs: list, outputs: int = 1, **attributes):
        names = [self.name(op.lower()) for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x: str, channels: tuple, kernel: int = 1, stride: int = 1, silu: bool = True, bias: float = 0.0,
             gain: float = 1.0) -> str:
        inputs, outputs = channels
        scale = gain * np.sqrt(2 / (inputs * kernel * kernel))
        weight = (self.random.standard_normal((outputs, inputs, kernel, kernel)) * scale).astype(np.float32)
        y = self.node("Conv", [x, self.constant(weight, "weight"), self.constant(np.full(outputs, bias, np.float32), "bias")],
                      kernel_shape=[kernel, kernel], strides=[stride, stride], pads=[kernel // 2] * 4)
        return self.node("Mul", [y, self.node("Sigmoid", [y])]) if silu else y

    def c2f(self, x: str, channels: tuple, depth: int, shortcut: bool) -> str:
        inputs, outputs = channels
        half = outputs // 2
        sizes = self.constant(np.array([half, half], np.int64))
        parts = self.node("Split", [self.conv(x, channels), sizes], 2, axis=1)
        for _ in range(depth):
            y = self.conv(self.conv(parts[-1], (half, half), 3), (half, half), 3)
            parts.append(self.node("Add", [parts[-1], y]) if shortcut else y)
        return self.conv(self.node("Concat", parts, axis=1), ((2 + depth) * half, outputs))

    def sppf(self, x: str, channels: int) -> str:
        parts = [self.conv(x, (channels, channels // 2))]
        for _ in range(3):
            parts.append(self.node("MaxPool", [parts[-1]], kernel_shape=[5, 5], strides=[1, 1], pads=[2] * 4))
        return self.conv(self.node("Concat", parts, axis=1), (2 * channels, channels))

    def concat(self, *parts: str) -> str:
        return self.node("Concat", list(parts), axis=1)

    def twice(self, x: str) -> str:
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        return self.node("Resize", [x, "", scales], mode="nearest", coordinate_transformation_mode="asymmetric",
                         nearest_mode="floor")


def backbone_and_neck(b: Builder) -> list:
    x = b.c2f(b.conv(b.conv("images", (3, 16), 3, 2), (16, 32), 3, 2), (32, 32), 1, True)
    p8 = b.c2f(b.conv(x, (32, 64), 3, 2), (64, 64), 2, True)
    p16 = b.c2f(b.conv(p8, (64, 128), 3, 2), (128, 128), 2, True)
    p32 = b.sppf(b.c2f(b.conv(p16, (128, 256), 3, 2), (256, 256), 1, True), 256)
    n16 = b.c2f(b.concat(b.twice(p32), p16), (384, 128), 1, False)
    n8 = b.c2f(b.concat(b.twice(n16), p8), (192, 64), 1, False)
    n16 = b.c2f(b.concat(b.conv(n8, (64, 64), 3, 2), n16), (192, 128), 1, False)
    n32 = b.c2f(b.concat(b.conv(n16, (128, 128), 3, 2), p32), (384, 256), 1, False)
    return [(n8, 64), (n16, 128), (n32, 256)]


def head(b: Builder, levels: list) -> None:
    rows = 4 * DISTANCE_BINS
    flat, centres, strides = [], [], []
    for (x, channels), stride in zip(levels, STRIDES, strict=True):
        box = b.conv(b.conv(b.conv(x, (channels, 64), 3), (64, 64), 3), (64, rows), silu=False, bias=1)
        cls = b.conv(b.conv(x, (channels, CLASSES), 3), (CLASSES, CLASSES), 3)
        cls = b.conv(cls, (CLASSES, CLASSES), silu=False, bias=-6, gain=SCORE_GAIN)
        shape = b.constant(np.array([0, rows + CLASSES, -1], np.int64))
        flat.append(b.node("Reshape", [b.concat(box, cls), shape]))
        cells = np.arange(SIDE // stride, dtype=np.float32) + 0.5
        y, x = np.meshgrid(cells, cells, indexing="ij")
        centres.append(np.stack([x.ravel(), y.ravel()]))
        strides.append(np.full(len(cells) ** 2, stride, np.float32))
    anchors = np.concatenate(strides).size
    sizes = b.constant(np.array([rows, CLASSES], np.int64))
    box, cls = b.node("Split", [b.node("Concat", flat, axis=2), sizes], 2, axis=1)
    bins = b.node("Reshape", [box, b.constant(np.array([0, 4, DISTANCE_BINS, anchors], np.int64))])
    weighed = b.node("Softmax", [b.node("Transpose", [bins], perm=[0, 2, 1, 3])], axis=1)
    weight = b.constant(np.arange(DISTANCE_BINS, dtype=np.float32).reshape(1, DISTANCE_BINS, 1, 1))
    reach = b.node("Reshape", [b.node("Conv", [weighed, weight], kernel_shape=[1, 1]),
                               b.constant(np.array([0, 4, anchors], np.int64))])
    near, far = b.node("Split", [reach, b.constant(np.array([2, 2], np.int64))], 2, axis=1)
    centre = b.constant(np.concatenate(centres, 1)[None])
    low, high = b.node("Sub", [centre, near]), b.node("Add", [centre, far])
    middle = b.node("Div", [b.node("Add", [low, high]), b.constant(np.float32(2))])
    boxes = b.node("Mul", [b.concat(middle, b.node("Sub", [high, low])), b.constant(np.concatenate(strides)[None])])
    b.nodes.append(helper.make_node("Concat", [boxes, b.node("Sigmoid", [cls])], ["output0"], axis=1))


def main() -> None:
    b = Builder(seed=0)
    head(b, backbone_and_neck(b))
    anchors = sum((SIDE // stride) ** 2 for stride in STRIDES)
    graph = helper.make_graph(
        b.nodes, "yolov8n",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["batch", 4 + CLASSES, anchors])], b.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="trtd")
    names = {index: f"class_{index}" for index in range(CLASSES)}
    helper.set_model_props(model, {"names": repr(names), "stride": "32", "imgsz": f"[{SIDE}, {SIDE}]", "task": "detect"})
    onnx.checker.check_model(model)
    onnx.save(model, sys.argv[1])


if __name__ == "__main__":
    main()
