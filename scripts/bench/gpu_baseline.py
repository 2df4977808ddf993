"""JPEG to boxes on a GPU as one would write it in Python: OpenCV, TensorRT-RTX's bindings, PyTorch.

`scripts/bench/gpu.ts` compares trtd with it, so it is written to be fast: OpenCV decodes and scales straight into pinned
memory that is grey already; the picture goes up as bytes, a quarter of the floats; one CUDA graph holds the conversion,
the engine and the comparison with the score; only candidates over it are decoded, each class of an anchor as trtd does; the NMS is torchvision's, on the
GPU (where torchvision cannot be imported, one in PyTorch); one small copy brings the boxes back. It does no more than
that: no HTTP, no threads, one picture at a time.

    gpu_baseline.py ENGINE --jpeg FILE [--libraries DIR] [--score 0.25] [--iou 0.45] [--max 300]
    gpu_baseline.py MODEL.onnx --cpu ...   the same without a GPU, on ONNX Runtime: to check the boxes, not for speed

Speaks lines of JSON. First {"ready": ..., ...}; then it answers {"op": "boxes"} with {"boxes": [...]},
{"op": "round", "window_ms": N} with {"jpeg_ms": [...], "stages_ms": {...}} and ends on {"op": "quit"} or at the end of
input. A failure is {"error": "..."} and the end.
"""
import argparse
import ctypes
import json
import os
import sys
from contextlib import nullcontext
from time import perf_counter

import cv2
import numpy as np
import torch

try:
    from torchvision.ops import batched_nms

    NMS = "torchvision.ops.batched_nms"
except (ImportError, RuntimeError):
    batched_nms = None
    NMS = "PyTorch"

PADDING = 114
CANDIDATES_MAX = 5000
RUNS_MIN = 3
STAGES = ("decode", "letterbox", "gpu", "boxes")


class Placement:
    """Where a picture lies in the model's input, as Ultralytics places it."""

    def __init__(self, height: int, width: int, input_height: int, input_width: int):
        self.scale = min(input_height / height, input_width / width)
        self.height, self.width = round(height * self.scale), round(width * self.scale)
        self.top = round((input_height - self.height) / 2 - 0.1)
        self.left = round((input_width - self.width) / 2 - 0.1)


class TensorRtModel:
    """An engine with one input [1, 3, H, W] and one raw YOLOv8 output [1, 4 + classes, anchors], in a CUDA graph."""

    device = torch.device("cuda")

    def __init__(self, path: str, score: float):
        import tensorrt_rtx_bindings as trt

        self.score, self.version = score, f"TensorRT-RTX {trt.__version__}"
        self.logger = trt.Logger(trt.Logger.ERROR)
        self.runtime = trt.Runtime(self.logger)
        with open(path, "rb") as file:
            self.engine = self.runtime.deserialize_cuda_engine(file.read())
        if self.engine is None:
            raise RuntimeError(f"TensorRT refuses {path}")
        self.context = self.make_context(trt)
        names = [self.engine.get_tensor_name(index) for index in range(self.engine.num_io_tensors)]
        modes = {name: self.engine.get_tensor_mode(name) for name in names}
        (input_name,) = [name for name in names if modes[name] == trt.TensorIOMode.INPUT]
        (output_name,) = [name for name in names if modes[name] == trt.TensorIOMode.OUTPUT]
        shape = tuple(self.engine.get_tensor_shape(input_name))
        self.context.set_input_shape(input_name, (1, *shape[1:]))
        types = {trt.float32: torch.float32, trt.float16: torch.float16}

        def buffer(name: str) -> torch.Tensor:
            dtype = types[self.engine.get_tensor_dtype(name)]
            tensor = torch.zeros(tuple(self.context.get_tensor_shape(name)), dtype=dtype, device=self.device)
            self.context.set_tensor_address(name, tensor.data_ptr())
            return tensor

        self.input, self.output = buffer(input_name), buffer(output_name)
        self.height, self.width = self.input.shape[2:]
        self.pixels = torch.zeros((self.height, self.width, 3), dtype=torch.uint8, device=self.device)
        self.stream = torch.cuda.Stream()
        self.graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        with self.turn():
            for _ in range(3):
                self.enqueue()
        self.wait()
        with torch.cuda.graph(self.graph, stream=self.stream):
            self.enqueue()

    def make_context(self, trt):
        """Kernels are compiled for the very shape before its first run, so that the graph has the fast ones."""
        config = self.engine.create_runtime_config()
        config.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
        context = self.engine.create_execution_context(config)
        if context is None:
            raise RuntimeError("TensorRT makes no execution context")
        return context

    def enqueue(self) -> None:
        planes = self.pixels.permute(2, 0, 1).flip(0).unsqueeze(0)
        torch.div(planes.to(self.input.dtype), 255, out=self.input)
        if not self.context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise RuntimeError("TensorRT could not enqueue a run")
        self.hits = self.output[0, 4:] >= self.score

    def turn(self):
        return torch.cuda.stream(self.stream)

    def wait(self) -> None:
        self.stream.synchronize()

    def run(self, pinned: torch.Tensor) -> None:
        """[H, W, 3] u8 BGR in pinned memory -> self.output [1, 4 + classes, anchors], self.hits [classes, anchors] bool."""
        with self.turn():
            self.pixels.copy_(pinned, non_blocking=True)
            self.graph.replay()


class OnnxRuntimeModel:
    """The same interface on the CPU."""

    device = torch.device("cpu")

    def __init__(self, path: str, score: float):
        import onnxruntime

        self.score, self.version = score, f"ONNX Runtime {onnxruntime.__version__}"
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        model_input = self.session.get_inputs()[0]
        self.name, (self.height, self.width) = model_input.name, model_input.shape[2:]

    def turn(self):
        return nullcontext()

    def wait(self) -> None:
        pass

    def run(self, pinned: torch.Tensor) -> None:
        planes = pinned.permute(2, 0, 1).flip(0).unsqueeze(0).to(torch.float32) / 255
        (output,) = self.session.run(None, {self.name: planes.numpy()})
        self.output = torch.from_numpy(output)
        self.hits = self.output[0, 4:] >= self.score


def nms_in_torch(boxes: torch.Tensor, scores: torch.Tensor, classes: torch.Tensor, iou: float) -> torch.Tensor:
    """Greedy suppression within classes, best first: all overlaps at once on the GPU, the greedy walk on the CPU."""
    order = scores.argsort(descending=True, stable=True)
    boxes, classes = boxes[order], classes[order]
    low, high = torch.maximum(boxes[:, None, :2], boxes[None, :, :2]), torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    drops = (shared / (areas[:, None] + areas[None] - shared) > iou) & (classes[:, None] == classes[None])
    drops = drops.cpu().numpy()
    alive = np.ones(len(drops), bool)
    kept = []
    for index in range(len(drops)):
        if alive[index]:
            kept.append(index)
            alive &= ~drops[index]
    return order[torch.as_tensor(kept, dtype=torch.int64, device=order.device)]


class Detector:
    def __init__(self, model, iou: float, most: int):
        self.model, self.iou, self.most = model, iou, most
        shape = (model.height, model.width, 3)
        self.pinned = torch.full(shape, PADDING, dtype=torch.uint8, pin_memory=model.device.type == "cuda")
        self.canvas = self.pinned.numpy()
        self.placed = None

    def detect(self, jpeg: np.ndarray, staged: bool = False) -> tuple[torch.Tensor, list[float]]:
        """-> [boxes, 6] f32 on the CPU: corners in pixels of the picture, score, class; and the seconds at each mark.

        `staged` waits for the graph before the boxes, which costs a little.
        """
        marks = [perf_counter()]
        picture = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        marks.append(perf_counter())
        placement = self.letterbox(picture)
        marks.append(perf_counter())
        self.model.run(self.pinned)
        if staged:
            self.model.wait()
            marks.append(perf_counter())
        with self.model.turn():
            found = self.boxes(placement, picture.shape).cpu()
        marks.append(perf_counter())
        return found, marks

    def letterbox(self, picture: np.ndarray) -> Placement:
        height, width = picture.shape[:2]
        if self.placed is None or self.placed[0] != (height, width):
            self.canvas.fill(PADDING)
            self.placed = ((height, width), Placement(height, width, self.model.height, self.model.width))
        place = self.placed[1]
        inner = self.canvas[place.top:place.top + place.height, place.left:place.left + place.width]
        if (place.width, place.height) == (width, height):
            inner[:] = picture
        else:
            inner[:] = cv2.resize(picture, (place.width, place.height), interpolation=cv2.INTER_LINEAR)
        return place

    def boxes(self, place: Placement, shape: tuple) -> torch.Tensor:
        model = self.model
        classes, kept = torch.nonzero(model.hits, as_tuple=True)
        scores = model.output[0, 4 + classes, kept].float()
        if len(kept) > CANDIDATES_MAX:
            top = scores.argsort(descending=True)[:CANDIDATES_MAX]
            kept, scores, classes = kept[top], scores[top], classes[top]
        middle, size = model.output[0, :4, kept].float().T.split(2, dim=1)
        boxes = torch.cat([middle - size / 2, middle + size / 2], dim=1)
        if batched_nms is not None:
            chosen = batched_nms(boxes, scores, classes, self.iou)[: self.most]
        else:
            chosen = nms_in_torch(boxes, scores, classes, self.iou)[: self.most]
        offset = boxes.new_tensor([place.left, place.top, place.left, place.top])
        on_picture = (boxes[chosen] - offset) / place.scale
        on_picture[:, 0::2].clamp_(0, shape[1])
        on_picture[:, 1::2].clamp_(0, shape[0])
        return torch.cat([on_picture, scores[chosen, None], classes[chosen, None].float()], dim=1)


def round_of(detector: Detector, jpeg: np.ndarray, window_ms: float) -> dict:
    times = []
    end = perf_counter() + window_ms / 1e3
    while len(times) < RUNS_MIN or perf_counter() < end:
        _, marks = detector.detect(jpeg)
        times.append((marks[-1] - marks[0]) * 1e3)
    staged = np.diff([detector.detect(jpeg, staged=True)[1] for _ in range(RUNS_MIN)], axis=1) * 1e3
    return {"jpeg_ms": times, "stages_ms": dict(zip(STAGES, np.median(staged, axis=0).tolist()))}


def boxes_of(detector: Detector, jpeg: np.ndarray) -> dict:
    found, _ = detector.detect(jpeg)
    return {"boxes": [{"class_id": int(row[5]), "score": row[4], "box": dict(zip(("x1", "y1", "x2", "y2"), row[:4]))}
                      for row in found.tolist()]}


def say(answer: dict) -> None:
    print(json.dumps(answer), flush=True)


def serve(flags: argparse.Namespace) -> None:
    if flags.libraries is not None:
        for name in ("libtensorrt_rtx.so.1", "libtensorrt_onnxparser_rtx.so.1"):
            ctypes.CDLL(os.path.join(flags.libraries, name), ctypes.RTLD_GLOBAL)
    if flags.cpu:
        model = OnnxRuntimeModel(flags.model, flags.score)
    else:
        model = TensorRtModel(flags.model, flags.score)
    detector = Detector(model, flags.iou, flags.max)
    jpeg = np.fromfile(flags.jpeg, np.uint8)
    for _ in range(10):
        detector.detect(jpeg)
    say({"ready": True, "model": model.version, "torch": torch.__version__, "opencv": cv2.__version__, "nms": NMS,
         "python": sys.version.split()[0]})
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "boxes":
            say(boxes_of(detector, jpeg))
        elif request["op"] == "round":
            say(round_of(detector, jpeg, request["window_ms"]))
        else:
            return


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--jpeg", required=True)
    parser.add_argument("--libraries", help="folder of libtensorrt_rtx.so.1 and its parser; default: where they are found")
    parser.add_argument("--score", type=float, default=0.25)
    parser.add_argument("--iou", type=float, default=0.45)
    parser.add_argument("--max", type=int, default=300)
    parser.add_argument("--cpu", action="store_true")
    flags = parser.parse_args()
    try:
        with torch.inference_mode():
            serve(flags)
    except Exception as error:
        say({"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)


if __name__ == "__main__":
    main()
