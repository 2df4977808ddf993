"""A picture in the making: cards are placed on its canvas one by one, and it knows the boxes of their codes."""

import cv2
import numpy as np

from cards import Card
from codes import Assets, Code, blend, mean_of
from placement import bend, box_of, margin_of, outline_of, paste, project, tilt
from symbols import AZTEC, DATA_MATRIX, FIDUCIAL, LINEAR, PDF417, QR_CODE

# Side of the network's input in px, and the grey that letterboxing leaves beside a picture.
INPUT_PX = 640
LETTERBOX_GREY = 114
# A code is placed when its short and long sides are at least this (px) and its modules as codes.MODULE_MIN_PX says: less is no
# longer seen as a code.
SIDES_MIN_PX = {LINEAR: (8, 32), PDF417: (11, 38), QR_CODE: (14, 20), DATA_MATRIX: (13, 20), AZTEC: (14, 20), FIDUCIAL: (10, 15)}
VISIBLE_MIN = 0.45


class Scene:
    """A picture in the making: its canvas and the boxes placed so far."""

    def __init__(self, rng: np.random.Generator, assets: Assets, width: int, height: int):
        self.rng, self.assets, self.width, self.height = rng, assets, width, height
        self.canvas = np.zeros((height, width, 3), np.uint8)
        self.labels: list[int] = []
        self.boxes: list[np.ndarray] = []
        self.outlines: list[np.ndarray] = []
        self.margins: list[float] = []

    def note(self, code: Code, points: np.ndarray) -> None:
        """Takes down a code that was placed, by its outline."""
        self.labels.append(code.label)
        self.boxes.append(self.clip(box_of(points)))
        self.outlines.append(points)
        self.margins.append(margin_of(code, points))

    def admits(self, code: Code, points: np.ndarray) -> bool:
        """Whether a code is large enough and inside enough to be placed with this outline."""
        box = box_of(points)
        side = box[2:] - box[:2]
        short_min, long_min = SIDES_MIN_PX[code.label]
        large = side.min() >= short_min and side.max() >= long_min and margin_of(code, points) >= 1
        shown = self.clip(box)
        area = np.prod(np.maximum(shown[2:] - shown[:2], 0))
        return bool(large and area >= VISIBLE_MIN * side.prod())

    def clip(self, box: np.ndarray) -> np.ndarray:
        return np.clip(box, 0, [self.width, self.height, self.width, self.height])

    def covers_code(self, box: np.ndarray) -> bool:
        for other in self.boxes:
            shared = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
            if shared.min() > 0 and shared.prod() > 0.02 * np.prod(other[2:] - other[:2]):
                return True
        return False

    def add(
        self,
        card: Card,
        longest_px: float,
        lean: float,
        roll: float,
        bendy: bool,
        tries: int = 6,
        centred: bool = False,
        at: np.ndarray | None = None,
    ) -> bool:
        """Places a card so that its longest side in the picture is `longest_px`; False where no place was found."""
        rng = self.rng
        if bendy:
            texture, outlines = bend(rng, card)
        else:
            texture, outlines = card.texture, [outline_of(code) for code in card.codes]
        height, width = texture.shape[:2]
        source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        for _ in range(tries):
            corners = tilt(rng, width, height, lean, roll)
            corners *= longest_px / np.ptp(corners, axis=0).max()
            span = np.ptp(corners, axis=0)
            frame = np.array([self.width, self.height])
            if at is not None:
                centre = at
            elif centred:
                centre = frame / 2 + rng.normal(0, 0.05, 2) * frame
            elif rng.random() < 0.12:
                centre = rng.uniform(0, 1, 2) * frame
            else:
                room = np.maximum(frame - span, 0)
                centre = span / 2 + rng.uniform(0, 1, 2) * room
                centre = np.where(span > frame, frame / 2 + rng.uniform(-0.1, 0.1, 2) * frame, centre)
            corners = corners - (corners.max(0) + corners.min(0)) / 2 + centre
            homography = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
            seen = [project(points, homography) for points in outlines]
            if self.covers_code(self.clip(box_of(corners))):
                continue
            if not all(self.admits(code, points) for code, points in zip(card.codes, seen, strict=True)):
                continue
            ambient = np.clip(mean_of(self.canvas) / 150, 0.45, 1.1) if rng.random() < 0.5 else np.ones(3)
            paste(rng, self.canvas, texture, corners, (ambient * rng.uniform(0.6, 1.1)).astype(np.float32))
            for code, points in zip(card.codes, seen, strict=True):
                self.note(code, points)
            return True
        return False

    def occlude(self) -> None:
        """A finger, a strip or a scrap over part of one code: at most about a quarter of it."""
        rng = self.rng
        x1, y1, x2, y2 = self.boxes[int(rng.integers(len(self.boxes)))]
        side = np.array([x2 - x1, y2 - y1])
        if side.min() < 24:
            return
        mask = np.zeros((self.height, self.width), np.uint8)
        edge = rng.uniform(0, 1, 2)
        edge[int(rng.integers(2))] = rng.choice([0.0, 1.0])
        at = np.array([x1, y1]) + edge * side
        outward = (edge - 0.5) / max(np.linalg.norm(edge - 0.5), 1e-6)
        width = max(2, int(side.min() * rng.uniform(0.1, 0.3)))
        tip, tail = at - outward * side.min() * rng.uniform(0, 0.15), at + outward * side.max() * rng.uniform(0.5, 2)
        cv2.line(mask, tuple(tip.astype(int).tolist()), tuple(tail.astype(int).tolist()), 255, width, cv2.LINE_AA)
        mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.5, 2))
        if rng.random() < 0.5:
            colour = np.array([rng.uniform(110, 240), rng.uniform(80, 190), rng.uniform(60, 160)])
        else:
            colour = rng.uniform(0, 255, 3)
        blend(self.canvas, mask, colour)

    def dirt(self) -> None:
        """Specks and scratches over everything."""
        rng = self.rng
        for _ in range(int(rng.integers(3, 25))):
            start = rng.uniform(0, 1, 2) * (self.width, self.height)
            end = start + rng.normal(0, rng.choice([2, 25]), 2)
            shade = float(rng.choice([rng.uniform(0, 80), rng.uniform(170, 255)]))
            cv2.line(
                self.canvas,
                tuple(start.astype(int).tolist()),
                tuple(end.astype(int).tolist()),
                (shade, shade, shade * 0.9),
                int(rng.integers(1, 3)),
                cv2.LINE_AA,
            )
