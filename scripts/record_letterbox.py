"""Record what OpenCV's letterbox gives on seeded pictures: test/detect/letterbox_records.json.

`pip install numpy opencv-python-headless && python scripts/record_letterbox.py`. Each record is
[seed, width, height, target width, target height, fit, crc32 of the u8 planes R, G, B]; the pictures are those of
`seededPicture` in test/detect/seeded_picture.ts. OpenCV 4.12 and 5.0 give the same file.
"""
import json
import pathlib
import random
import zlib

import cv2
import numpy as np

OUT = pathlib.Path(__file__).resolve().parent.parent / "test/detect/letterbox_records.json"
CHOSEN = [
    (1280, 720, 1152, 640), (1280, 1280, 640, 640), (640, 480, 640, 640), (320, 320, 640, 640), (1280, 960, 640, 640),
    (640, 640, 640, 640), (1, 1, 64, 64), (1, 500, 64, 64), (500, 1, 64, 64), (1920, 1080, 640, 640), (3, 2, 32, 32),
    (2304, 1280, 1152, 640), (64, 32, 32, 32), (2000, 5, 320, 320), (641, 639, 640, 640), (639, 641, 640, 640),
]
FITS = ["center", "center", "stretch", "top_left"]
COUNT = 120


def picture(seed, width, height):
    values = np.arange(width * height * 3, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(seed * 40503)
    values ^= values >> np.uint32(15)
    values *= np.uint32(2246822519)
    values ^= values >> np.uint32(13)
    return (values >> np.uint32(24)).astype(np.uint8).reshape(height, width, 3)


def letterbox(image, width, height, fit):
    h, w = image.shape[:2]
    scale = min(height / h, width / w)
    if fit == "stretch":
        new, left, top = (width, height), 0, 0
    elif fit == "top_left":
        new, left, top = (max(1, int(w * scale)), max(1, int(h * scale))), 0, 0
    else:
        new = max(1, round(w * scale)), max(1, round(h * scale))
        left, top = round((width - new[0]) / 2 - 0.1), round((height - new[1]) / 2 - 0.1)
    if new != (w, h):
        image = cv2.resize(image, new, interpolation=cv2.INTER_LINEAR)
    out = np.full((height, width, 3), 114, np.uint8)
    out[top:top + new[1], left:left + new[0]] = image
    return out


def main():
    rng = random.Random(3)
    lines = []
    for seed in range(COUNT):
        if seed < len(CHOSEN):
            w, h, width, height = CHOSEN[seed]
        else:
            most = (40, 120, 300, 700)[seed % 4]
            w, h = rng.randint(1, most), rng.randint(1, most)
            width, height = 32 * rng.randint(1, 12), 32 * rng.randint(1, 12)
        fit = FITS[seed // 4 % 4]
        planes = letterbox(picture(seed, w, h), width, height, fit).transpose(2, 0, 1)
        lines.append(json.dumps([seed, w, h, width, height, fit, zlib.crc32(np.ascontiguousarray(planes).tobytes())]))
    OUT.write_text("[\n" + ",\n".join(lines) + "\n]\n")


main()
