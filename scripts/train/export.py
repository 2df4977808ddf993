"""Exports a checkpoint as ONNX: fused, f32 arithmetic, weights kept as fp16 and cast when the model is loaded.

    python export.py --checkpoint out/checkpoint.pt --onnx ../../models/codes/codes.onnx --version 1

Says how far the file's output is from the network's own (PyTorch, unrounded weights), and whether the boxes are the same.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from evaluate import detections_of, iou_matrix
from network import Decoded, Detector, fuse
from scene import INPUT_PX

OPSET = 17
# Initializers shorter than this stay f32: there is nothing to gain, and constants of the decoding stay exact.
FP16_ELEMENTS_MIN = 512


def load(checkpoint: str) -> tuple[Decoded, list[str]]:
    """The network as exported (batch norms folded), and its labels."""
    state = torch.load(checkpoint, map_location="cpu")
    detector = Detector(len(state["labels"]))
    detector.load_state_dict(state["model"])
    return Decoded(fuse(detector.eval()), INPUT_PX).eval(), state["labels"]


def halve_weights(model: onnx.ModelProto) -> None:
    """Stores large f32 initializers of convolutions as fp16, each followed by a Cast to f32."""
    graph = model.graph
    weights = {name for node in graph.node if node.op_type == "Conv" for name in node.input[1:]}
    casts = []
    for index, tensor in enumerate(graph.initializer):
        if tensor.name not in weights or tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < FP16_ELEMENTS_MIN:
            continue
        name = tensor.name
        graph.initializer[index].CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + ".fp16"))
        casts.append(helper.make_node("Cast", [name + ".fp16"], [name], name=name + ".f32", to=TensorProto.FLOAT))
    for node in reversed(casts):
        graph.node.insert(0, node)


def export(network: Decoded, labels: list[str], path: Path, version: str) -> None:
    temporary = path.with_name(path.name + ".part")
    torch.onnx.export(
        network,
        (torch.zeros(2, 3, INPUT_PX, INPUT_PX),),
        str(temporary),
        opset_version=OPSET,
        dynamo=False,
        input_names=["images"],
        output_names=["output0"],
        dynamic_axes={"images": {0: "batch"}, "output0": {0: "batch"}},
    )
    model = onnx.load(str(temporary))
    channels, anchors = model.graph.output[0].type.tensor_type.shape.dim[1:]
    channels.dim_value, anchors.dim_value = 4 + len(labels), sum((INPUT_PX // stride) ** 2 for stride in (8, 16, 32))
    halve_weights(model)
    model.producer_name, model.producer_version, model.doc_string = "trtd", version, ""
    for key, value in {
        "names": repr(dict(enumerate(labels))),
        "stride": "32",
        "imgsz": repr([INPUT_PX, INPUT_PX]),
        "task": "detect",
        "batch": "1",
        "description": "Machine-readable codes in camera pictures",
        "author": "trtd",
        "license": "Apache-2.0",
        "version": version,
    }.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(temporary))
    os.replace(temporary, path)


def compare(network: Decoded, path: Path, pictures: np.ndarray) -> dict:
    """Greatest difference of raw output from the unrounded network, and of boxes and scores after suppression."""
    images = pictures.transpose(0, 3, 1, 2).astype(np.float32) / 255
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    box_px = score = detection_px = 0.0
    same, total = 0, 0
    for start in range(0, len(images), 4):
        batch = images[start : start + 4]
        with torch.no_grad():
            wanted = network(torch.from_numpy(batch)).numpy()
        given = session.run(None, {"images": batch})[0]
        sure = wanted[:, 4:].max(1) > 0.05
        box_px = max(box_px, float((np.abs(wanted[:, :4] - given[:, :4]).max(1) * sure).max()))
        score = max(score, float(np.abs(wanted[:, 4:] - given[:, 4:]).max()))
        for a, b in zip(wanted, given, strict=True):
            a, b = detections_of(a, 0.25, 0.45), detections_of(b, 0.25, 0.45)
            total += len(a)
            if len(a) and len(b):
                overlaps = iou_matrix(a[:, :4], b[:, :4]) * (a[:, 5:6] == b[None, :, 5])
                same += int((overlaps.max(1) > 0.98).sum())
                pairs = overlaps.argmax(1)
                detection_px = max(detection_px, float(np.abs(a[:, :4] - b[pairs, :4])[overlaps.max(1) > 0.98].max(initial=0)))
    return {"box_px": box_px, "score": score, "detection_px": detection_px, "same": same, "detections": total}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--onnx", type=Path, required=True)
    parser.add_argument("--version", default="1")
    parser.add_argument("--assets", help="compare over held-out pictures made from these assets")
    arguments = parser.parse_args()
    network, labels = load(arguments.checkpoint)
    export(network, labels, arguments.onnx, arguments.version)
    print(
        f"export: {arguments.onnx} {arguments.onnx.stat().st_size / 1e6:.2f} MB, {sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters"
    )
    if arguments.assets:
        from picture import make_picture
        from producers import VALIDATION_SEED, load_assets

        assets = load_assets(arguments.assets, "val")
        pictures = np.stack([make_picture(VALIDATION_SEED, index, assets)[0] for index in range(40)])
        print("export:", compare(network, arguments.onnx, pictures))


if __name__ == "__main__":
    main()
