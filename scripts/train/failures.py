"""Draws what a model gets wrong on the held-out pictures: one contact sheet for the model card.

    python failures.py --onnx codes.onnx --assets assets --out failures.jpg

Red boxes are false alarms with their class and score, yellow ones are codes not found.
"""

import argparse

import cv2
import numpy as np
import onnxruntime

from evaluate import detections_of, iou_matrix, match
from picture import make_picture
from producers import VALIDATION_SEED, load_assets
from symbols import LABELS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--onnx", required=True)
    parser.add_argument("--assets", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--score", type=float, default=0.5)
    parser.add_argument("--tiles", type=int, default=24)
    arguments = parser.parse_args()
    assets = load_assets(arguments.assets, "val")
    session = onnxruntime.InferenceSession(arguments.onnx, providers=["CPUExecutionProvider"])
    tiles, index = [], 0
    while len(tiles) < arguments.tiles:
        picture, truth = make_picture(VALIDATION_SEED, index, assets)
        index += 1
        output = session.run(None, {"images": picture.transpose(2, 0, 1)[None].astype(np.float32) / 255})[0][0]
        found = detections_of(output, arguments.score, 0.45)
        hits = match(found, truth, 0.5)
        overlaps = iou_matrix(found[:, :4], truth[:, 1:]) * (found[:, 5:6] == truth[None, :, 0])
        missed = truth[(overlaps < 0.5).all(0)]
        if hits.all() and len(missed) == 0:
            continue
        tile = cv2.resize(picture, (400, 400), interpolation=cv2.INTER_AREA)
        for x1, y1, x2, y2, score, label in found[~hits]:
            box = (np.array([x1, y1, x2, y2]) * 400 / 640).astype(int).tolist()
            cv2.rectangle(tile, box[:2], box[2:], (230, 0, 0), 2)
            cv2.putText(
                tile,
                f"{LABELS[int(label)]} {score:.2f}",
                (min(box[0], 260), max(12, box[1] - 4)),
                cv2.FONT_HERSHEY_SIMPLEX,
                0.42,
                (230, 0, 0),
                1,
                cv2.LINE_AA,
            )
        for label, x1, y1, x2, y2 in missed:
            box = (np.array([x1, y1, x2, y2]) * 400 / 640).astype(int).tolist()
            cv2.rectangle(tile, box[:2], box[2:], (255, 220, 0), 2)
            cv2.putText(
                tile,
                LABELS[int(label)],
                (min(box[0], 300), min(394, box[3] + 13)),
                cv2.FONT_HERSHEY_SIMPLEX,
                0.42,
                (255, 220, 0),
                1,
                cv2.LINE_AA,
            )
        tiles.append(cv2.resize(tile, (260, 260), interpolation=cv2.INTER_AREA))
    rows = [np.hstack(tiles[i : i + 6]) for i in range(0, len(tiles) // 6 * 6, 6)]
    cv2.imwrite(arguments.out, cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 72])
    print(f"failures: {len(tiles)} of the first {index} held-out pictures, in {arguments.out}")


if __name__ == "__main__":
    main()
