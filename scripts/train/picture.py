"""One training picture: composed, spoilt as a camera would, and fitted into the network's input.

`make_picture(seed, index, ...)` depends on its arguments alone, so any picture can be made again.
"""

import cv2
import numpy as np

from codes import Assets
from compose import COMPOSERS, compose_digital
from degrade import degrade
from scene import INPUT_PX, LETTERBOX_GREY, Scene

# The least spread of grey levels inside a code that can still be seen: a picture with a fainter code is spoilt again, more
# gently, and what is then still fainter than the second value is not labelled.
SPREAD_MIN, SPREAD_LABELLED = 7.0, 5.0
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


def spread_inside(picture: np.ndarray, points: np.ndarray, margin: float) -> float:
    """Standard deviation of the grey levels inside an outline, noise smoothed away as far as the modules allow."""
    x1, y1 = np.maximum(np.floor(points.min(0)).astype(int), 0)
    x2, y2 = np.ceil(points.max(0)).astype(int) + 1
    part = picture[y1:y2, x1:x2]
    if part.size == 0:
        return 0.0
    gray = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    if margin > 1.5:
        gray = cv2.blur(gray, (3, 3) if margin < 6 else (5, 5))
    mask = np.zeros(gray.shape, np.uint8)
    cv2.fillPoly(mask, [(points - (x1, y1)).round().astype(np.int32)], 255)
    inside = gray[mask > 0]
    return float(inside.std()) if inside.size else 0.0


def make_picture(seed: int, index: int, assets: Assets) -> tuple[np.ndarray, np.ndarray]:
    """Picture `index` of the stream `seed`: [640, 640, 3] uint8 RGB, and [N, 5] f32 of class, x1, y1, x2, y2 in px."""
    picture, boxes = make_measured(seed, index, assets)
    return picture, boxes[:, :5]


def make_measured(seed: int, index: int, assets: Assets) -> tuple[np.ndarray, np.ndarray]:
    """As `make_picture`, with each code's `Code.margin` as a sixth column: [N, 6] f32."""
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
    strength = rng.choice([0.0, 0.35, 1.0], p=[0.5, 0.3, 0.2]) if generated else rng.choice([0.3, 1.0], p=[0.15, 0.85])
    side_min = min((float((box[2:] - box[:2]).min()) for box in scene.boxes), default=60.0)
    margin = min(scene.margins, default=4.0)
    for share in (1.0, 0.4, 0.0):
        picture = degrade(rng, scene.canvas, side_min, margin, float(strength) * share)
        spreads = [spread_inside(picture, points, margin) for points in scene.outlines]
        if min(spreads, default=SPREAD_MIN) >= SPREAD_MIN:
            break
    seen = [index for index, spread in enumerate(spreads) if spread >= SPREAD_LABELLED]
    boxes = np.array([scene.boxes[i] for i in seen], np.float32).reshape(-1, 4)
    labels, margins = (np.array([values[i] for i in seen], np.float32)[:, None] for values in (scene.labels, scene.margins))
    picture, boxes = letterbox(picture, boxes)
    return picture, np.concatenate([labels, boxes, margins], 1)
