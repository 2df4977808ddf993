"""One training picture: composed, spoilt as a camera would, and fitted into the network's input.

`make_picture(seed, index, ...)` depends on its arguments alone, so any picture can be made again.
"""

import cv2
import numpy as np

from cards import Assets
from compose import COMPOSERS, compose_digital
from degrade import degrade
from scene import INPUT_PX, LETTERBOX_GREY, Scene

# The least spread of grey levels inside a code that can still be seen; a fainter code is not labelled.
SPREAD_MIN = 7.0
# Width to height of the pictures that are letterboxed.
RATIOS = [4 / 3, 16 / 9, 3 / 2, 2.1, 1.15]


def letterbox(picture: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The picture centred on grey, [INPUT_PX, INPUT_PX, 3], and its boxes moved alike."""
    height, width = picture.shape[:2]
    if (height, width) == (INPUT_PX, INPUT_PX):
        return picture, boxes
    x, y = (INPUT_PX - width) // 2, (INPUT_PX - height) // 2
    canvas = np.full((INPUT_PX, INPUT_PX, 3), LETTERBOX_GREY, np.uint8)
    canvas[y : y + height, x : x + width] = picture
    return canvas, boxes + np.array([x, y, x, y], np.float32)


def spread_inside(picture: np.ndarray, points: np.ndarray) -> float:
    """Standard deviation of the grey levels inside an outline, noise smoothed away where the code is large."""
    x1, y1 = np.maximum(np.floor(points.min(0)).astype(int), 0)
    x2, y2 = np.ceil(points.max(0)).astype(int) + 1
    part = picture[y1:y2, x1:x2]
    if part.size == 0:
        return 0.0
    gray = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    if min(gray.shape) > 50:
        gray = cv2.blur(gray, (3, 3))
    mask = np.zeros(gray.shape, np.uint8)
    cv2.fillPoly(mask, [(points - (x1, y1)).round().astype(np.int32)], 255)
    inside = gray[mask > 0]
    return float(inside.std()) if inside.size else 0.0


def make_picture(seed: int, index: int, assets: Assets) -> tuple[np.ndarray, np.ndarray]:
    """Picture `index` of the stream `seed`: [640, 640, 3] uint8 RGB, and [N, 5] f32 of class, x1, y1, x2, y2 in px."""
    rng = np.random.default_rng([seed, index])
    cv2.setRNGSeed(int(rng.integers(1 << 30)))
    width = height = INPUT_PX
    if rng.random() < 0.5:
        height = int(INPUT_PX / (rng.choice(RATIOS) if rng.random() < 0.8 else rng.uniform(1, 2.4)))
        if rng.random() < 0.4:
            width, height = height, width
    scene = Scene(rng, assets, width, height)
    composer = COMPOSERS[int(rng.choice(len(COMPOSERS), p=[share for _, share in COMPOSERS]))][0]
    composer(scene)
    generated = composer is compose_digital
    if scene.boxes and not generated and rng.random() < 0.1:
        scene.occlude()
    if not generated and rng.random() < 0.06:
        scene.dirt()
    side_min = min((float((box[2:] - box[:2]).min()) for box in scene.boxes), default=60.0)
    strength = rng.choice([0.0, 0.35, 1.0], p=[0.5, 0.3, 0.2]) if generated else rng.choice([0.3, 1.0], p=[0.15, 0.85])
    picture = degrade(rng, scene.canvas, side_min, float(strength))
    seen = [index for index, points in enumerate(scene.outlines) if spread_inside(picture, points) >= SPREAD_MIN]
    boxes, labels = (
        np.array([scene.boxes[i] for i in seen], np.float32).reshape(-1, 4),
        np.array([scene.labels[i] for i in seen], np.float32),
    )
    picture, boxes = letterbox(picture, boxes)
    return picture, np.concatenate([labels[:, None], boxes], 1)
