"""Checks a model against photographs made by others, whose labels come from zxing-cpp's decoder and from folder names.

    python independent.py --onnx codes.onnx --samples DIR [--sheet misses.png]

DIR holds folders such as `qrcode-1` or `ean13-2` (the layout of zxing-cpp's and ZXing's test samples). A decoded matrix
code counts as found at IoU 0.5 with the decoder's corners. A decoded linear code is only a line: it counts as found when a
box of its class holds the line and is not longer than 1.8 times it (add-ons belong to the box). A second number counts
the pictures with any box of their folder's class; stacked DataBar, whose corners the decoder gives for one row only, is
judged in this way alone. Folders named `falsepositives*` hold no codes. Never used for training.
"""

import argparse
import re
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import zxingcpp

from evaluate import detections_of, iou_matrix
from scene import INPUT_PX, LETTERBOX_GREY
from symbols import AZTEC, DATA_MATRIX, LABELS, LINEAR, PDF417, QR_CODE

# Pictures of which less than this is left in the input (px) are single rows of pixels, made for decoders: left out.
SHORT_MIN_PX = 20
FOLDERS = [
    (r"r?m?i?c?r?o?qrcode|multi-qrcode", QR_CODE),
    (r"datamatrix", DATA_MATRIX),
    (r"aztec", AZTEC),
    (r"(micro)?pdf417", PDF417),
    (r"ean|upc|code|codabar|itf|rss|databar|telepen", LINEAR),
]
FORMATS = {
    "QRCode": QR_CODE,
    "MicroQRCode": QR_CODE,
    "RMQRCode": QR_CODE,
    "QRCodeModel1": QR_CODE,
    "QRCodeModel2": QR_CODE,
    "DataMatrix": DATA_MATRIX,
    "Aztec": AZTEC,
    "AztecCode": AZTEC,
    "AztecRune": AZTEC,
    "PDF417": PDF417,
    "MicroPDF417": PDF417,
    "CompactPDF417": PDF417,
    "MaxiCode": None,
    "DXFilmEdge": None,
}


def class_of_folder(name: str) -> int | None:
    for pattern, label in FOLDERS:
        if re.match(pattern, name):
            return label
    return None


def letterboxed(picture: np.ndarray) -> tuple[np.ndarray, float, float, float]:
    """The picture fitted into the input on grey, and scale and offsets (px) from picture to input."""
    height, width = picture.shape[:2]
    scale = INPUT_PX / max(height, width)
    small = cv2.resize(picture, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_LINEAR)
    x, y = (INPUT_PX - small.shape[1]) // 2, (INPUT_PX - small.shape[0]) // 2
    canvas = np.full((INPUT_PX, INPUT_PX, 3), LETTERBOX_GREY, np.uint8)
    canvas[y : y + small.shape[0], x : x + small.shape[1]] = small
    return canvas, scale, x, y


def decoded(picture: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Class and corners [4, 2] of every code the decoder reads."""
    rows = []
    for code in zxingcpp.read_barcodes(picture):
        label = FORMATS.get(str(code.format).split(".")[-1].replace(" ", ""), LINEAR)
        corners = np.array(
            [(p.x, p.y) for p in (code.position.top_left, code.position.top_right, code.position.bottom_right, code.position.bottom_left)],
            np.float32,
        )
        if label is not None:
            rows.append((label, corners))
    return rows


def holds(found: np.ndarray, label: int, corners: np.ndarray) -> bool:
    """Whether a detection [K, 6] of the class has the decoded code in it, as the module's text says."""
    mine = found[found[:, 5] == label]
    if len(mine) == 0:
        return False
    box = np.concatenate([corners.min(0), corners.max(0)])
    if label != LINEAR:
        return bool((iou_matrix(mine[:, :4], box[None])[:, 0] >= 0.5).any())
    points = corners.mean(0) + (corners - corners.mean(0)) * 0.9
    inside = ((points[None] >= mine[:, None, :2]) & (points[None] <= mine[:, None, 2:4])).all((1, 2))
    axis = int((box[2:] - box[:2]).argmax())
    length = (box[2:] - box[:2])[axis]
    return bool((inside & ((mine[:, 2:4] - mine[:, :2])[:, axis] <= 1.8 * length + 8)).any())


def draw(canvas: np.ndarray, found: np.ndarray, codes: list) -> np.ndarray:
    canvas = canvas.copy()
    for _, corners in codes:
        cv2.polylines(canvas, [corners.astype(np.int32)], True, (0, 120, 255), 2)
    for x1, y1, x2, y2, score, label in found:
        cv2.rectangle(canvas, (int(x1), int(y1)), (int(x2), int(y2)), (220, 0, 0), 2)
        cv2.putText(
            canvas, f"{LABELS[int(label)][:6]} {score:.2f}", (int(x1), max(14, int(y1) - 4)), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (220, 0, 0), 2
        )
    return canvas


def sheet(tiles: list[np.ndarray], path: str, columns: int = 7, side: int = 256) -> None:
    """Writes pictures side by side."""
    small = [cv2.resize(tile, (side, side), interpolation=cv2.INTER_AREA) for tile in tiles]
    small += [np.full_like(small[0], 255)] * (-len(small) % columns)
    rows = [np.hstack(small[i : i + columns]) for i in range(0, len(small), columns)]
    cv2.imwrite(path, cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--onnx", required=True)
    parser.add_argument("--samples", type=Path, nargs="+", required=True)
    parser.add_argument("--score", type=float, default=0.25)
    parser.add_argument("--iou", type=float, default=0.45)
    parser.add_argument("--sheet", help="write pictures with a miss or a false alarm, 7 x 6 a file")
    arguments = parser.parse_args()
    session = onnxruntime.InferenceSession(arguments.onnx, providers=["CPUExecutionProvider"])
    tally = defaultdict(lambda: [0, 0, 0, 0])
    clean_pictures = alarms = alarmed = 0
    tiles = []
    for root in arguments.samples:
        for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp", ".gif")):
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if picture is None or min(picture.shape[:2]) * INPUT_PX < SHORT_MIN_PX * max(picture.shape[:2]):
                continue
            canvas, scale, x, y = letterboxed(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
            output = session.run(None, {"images": canvas.transpose(2, 0, 1)[None].astype(np.float32) / 255})[0][0]
            found = detections_of(output, arguments.score, arguments.iou)
            if path.parent.name.startswith("falsepositives"):
                clean_pictures += 1
                alarms += len(found)
                alarmed += len(found) > 0
                if len(found):
                    tiles.append(draw(canvas, found, []))
                continue
            label = class_of_folder(path.parent.name)
            if label is None:
                continue
            codes = [(c, corners * scale + (x, y)) for c, corners in decoded(picture)]
            mine = [entry for entry in codes if entry[0] == label and "stacked" not in path.parent.name]
            right = [holds(found, c, corners) for c, corners in mine]
            row = tally[LABELS[label]]
            row[0] += len(mine)
            row[1] += sum(right)
            row[2] += 1
            row[3] += bool((found[:, 5] == label).any())
            if not all(right) or not (found[:, 5] == label).any():
                tiles.append(draw(canvas, found, codes))
                print("miss", path.relative_to(root))
    for label, (codes, found, pictures, seen) in tally.items():
        print(
            f"{label}: decoded codes found {found} of {codes} ({found / max(codes, 1):.3f}); pictures with a box of the class {seen} of {pictures} ({seen / pictures:.3f})"
        )
    print(f"pictures without codes: {clean_pictures}, false alarms {alarms} in {alarmed} pictures")
    if arguments.sheet and tiles:
        for start in range(0, len(tiles), 42):
            sheet(tiles[start : start + 42], arguments.sheet.replace(".png", f"_{start // 42}.png"))


if __name__ == "__main__":
    main()
