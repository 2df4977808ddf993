"""The detection service that one would write in Python: FastAPI, uvicorn, OpenCV and ONNX Runtime.

`deno task bench` compares trtd with it, so it is written to be fast: one body read without multipart, the picture decoded
and scaled by OpenCV, the blob made plane by plane (a third of the time of cv2.dnn.blobFromImage), one session with the same
number of threads, box decoding in NumPy only over the anchors that pass the score, suppression in OpenCV, work off the event
loop, uvloop and httptools.

    baseline_server.py MODEL.onnx --port 8081 --threads 2 [--score 0.25] [--iou 0.45] [--max 300] [--concurrency 2]

POST /v1/detect takes a JPEG, PNG or WebP body and answers {"image", "detections", "timings_ms"} like trtd.
"""
import argparse
import ast
import asyncio
from time import perf_counter

import cv2
import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool

PADDING = 114


class Detector:
    """A YOLOv8-style model with one input [N, 3, H, W] and one raw output [N, 4 + classes, anchors]."""

    def __init__(self, path: str, threads: int, score: float, iou: float, most: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        model_input = self.session.get_inputs()[0]
        self.input_name = model_input.name
        self.height, self.width = (axis if isinstance(axis, int) else 640 for axis in model_input.shape[2:])
        names = ast.literal_eval(self.session.get_modelmeta().custom_metadata_map.get("names", "{}"))
        self.labels = dict(names) if isinstance(names, dict) else dict(enumerate(names))
        self.score, self.iou, self.most = score, iou, most
        self.session.run(None, {self.input_name: np.zeros((1, 3, self.height, self.width), np.float32)})

    def detect(self, body: bytes) -> dict:
        start = perf_counter()
        picture = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise HTTPException(422, "The picture is damaged or of an unknown type")
        decoded = perf_counter()
        blob, scale, left, top = self.letterbox(picture)
        prepared = perf_counter()
        (output,) = self.session.run(None, {self.input_name: blob})
        inferred = perf_counter()
        height, width = picture.shape[:2]
        detections = self.boxes(output[0], scale, left, top, width, height)
        done = perf_counter()
        marks = {"decode": (start, decoded), "preprocess": (decoded, prepared), "inference": (prepared, inferred),
                 "postprocess": (inferred, done), "total": (start, done)}
        return {"image": {"width": width, "height": height}, "detections": detections,
                "timings_ms": {stage: (end - begin) * 1e3 for stage, (begin, end) in marks.items()}}

    def letterbox(self, picture: np.ndarray) -> tuple[np.ndarray, float, int, int]:
        """[H, W, 3] u8 BGR -> [1, 3, H, W] f32 RGB 0..1, bilinear, centred on grey."""
        height, width = picture.shape[:2]
        scale = min(self.height / height, self.width / width)
        inner_width, inner_height = round(width * scale), round(height * scale)
        if (inner_width, inner_height) != (width, height):
            picture = cv2.resize(picture, (inner_width, inner_height), interpolation=cv2.INTER_LINEAR)
        pad_x, pad_y = (self.width - inner_width) / 2, (self.height - inner_height) / 2
        top, left = round(pad_y - 0.1), round(pad_x - 0.1)
        picture = cv2.copyMakeBorder(picture, top, round(pad_y + 0.1), left, round(pad_x + 0.1), cv2.BORDER_CONSTANT,
                                     value=(PADDING, PADDING, PADDING))
        blob = np.empty((1, 3, self.height, self.width), np.float32)
        for channel in range(3):
            np.multiply(picture[:, :, 2 - channel], np.float32(1 / 255), out=blob[0, channel])
        return blob, scale, left, top

    def boxes(self, output: np.ndarray, scale: float, left: int, top: int, width: int, height: int) -> list[dict]:
        """[4 + classes, anchors] -> boxes in pixels of the picture, best first."""
        best = output[4:].max(axis=0)
        kept = np.flatnonzero(best >= self.score)
        scores, classes = best[kept], output[4:, kept].argmax(axis=0)
        centre_x, centre_y, box_width, box_height = output[:4, kept]
        corners = np.stack([centre_x - box_width / 2, centre_y - box_height / 2, box_width, box_height], axis=1)
        chosen = cv2.dnn.NMSBoxesBatched(corners, scores, classes.astype(np.int32), self.score, self.iou)
        chosen = np.asarray(chosen, np.int64).ravel()
        chosen = chosen[np.argsort(-scores[chosen], kind="stable")][: self.most]
        x1, y1 = (corners[chosen, 0] - left) / scale, (corners[chosen, 1] - top) / scale
        x2, y2 = x1 + corners[chosen, 2] / scale, y1 + corners[chosen, 3] / scale
        x1, x2 = x1.clip(0, width).tolist(), x2.clip(0, width).tolist()
        y1, y2 = y1.clip(0, height).tolist(), y2.clip(0, height).tolist()
        return [{"label": self.labels.get(class_id, str(class_id)), "class_id": class_id, "score": score,
                 "box": {"x1": x1[i], "y1": y1[i], "x2": x2[i], "y2": y2[i]}}
                for i, (class_id, score) in enumerate(zip(classes[chosen].tolist(), scores[chosen].tolist()))]


def make_app(detector: Detector, concurrency: int) -> FastAPI:
    app = FastAPI()
    turns = asyncio.Semaphore(concurrency)

    @app.get("/health/live")
    async def live() -> dict:
        return {"status": "live"}

    @app.post("/v1/detect")
    async def detect(request: Request) -> dict:
        body = await request.body()
        async with turns:
            return await run_in_threadpool(detector.detect, body)

    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--score", type=float, default=0.25)
    parser.add_argument("--iou", type=float, default=0.45)
    parser.add_argument("--max", type=int, default=300)
    parser.add_argument("--concurrency", type=int, default=2, help="pictures that are worked on at once")
    flags = parser.parse_args()
    cv2.setNumThreads(flags.threads)
    detector = Detector(flags.model, flags.threads, flags.score, flags.iou, flags.max)
    uvicorn.run(make_app(detector, flags.concurrency), host=flags.host, port=flags.port, loop="uvloop", http="httptools",
                access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
