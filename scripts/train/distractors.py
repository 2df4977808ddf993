"""Things that look like codes and are none: grids, stripes, keys, windows, noise, half-tones and the like.

Each function draws `[height, width, 3]` uint8 RGB and is listed in DISTRACTORS with its weight.
"""

import cv2
import numpy as np

from ink import draw_squares, fill_round_rect
from lettering import Lettering
from patterns import dots, foliage, half_tone, ornament, random_lines, rings, ruled, sheaf, stripes, tint, two_colours, weave


def checkerboard(rng, width, height, letters):
    across = int(rng.integers(3, 24))
    down = max(2, round(across * height / width))
    bits = (np.add.outer(np.arange(down), np.arange(across)) % 2).astype(np.uint8)
    return tint(rng, draw_squares(bits, width, height))


def bit_noise(rng, width, height, letters):
    """Random modules without any finder: the hardest neighbour of a matrix code."""
    across = int(rng.integers(5, 28))
    down = max(3, round(across * height / width))
    bits = (rng.random((down, across)) < rng.choice([rng.uniform(0.08, 0.35), rng.uniform(0.35, 0.8)])).astype(np.uint8)
    if rng.random() < 0.3:
        bits = np.repeat(bits, 2, 1)[:, :across]
    return tint(rng, draw_squares(bits, width, height))


def crossword(rng, width, height, letters):
    across = int(rng.integers(6, 18))
    down = max(3, round(across * height / width))
    bits = (rng.random((down, across)) < 0.2).astype(np.uint8)
    image = draw_squares(bits, width, height).copy()
    rule(image, across, down, 1)
    return tint(rng, image)


def rule(image, across, down, thick):
    height, width = image.shape
    for index in range(across + 1):
        cv2.line(image, (round(index * (width - 1) / across), 0), (round(index * (width - 1) / across), height), 255, thick)
    for index in range(down + 1):
        cv2.line(image, (0, round(index * (height - 1) / down)), (width, round(index * (height - 1) / down)), 255, thick)


def table(rng, width, height, letters):
    """A table, calendar or sudoku: ruled cells with text or figures."""
    image = np.zeros((height, width), np.uint8)
    across, down = int(rng.integers(2, 10)), int(rng.integers(2, 12))
    if rng.random() < 0.85:
        rule(image, across, down, int(rng.integers(1, 4)))
    cell_w, cell_h = width // across, height // down
    if cell_h >= 8 and cell_w >= 8:
        for row in range(down):
            for column in range(across):
                if rng.random() < 0.75:
                    text = letters.phrase(rng, int(rng.integers(1, 4)))
                    part = letters.line(rng, cell_w - 3, max(5, int(cell_h * rng.uniform(0.4, 0.8))), text)
                    y, x = row * cell_h + 2, column * cell_w + 2
                    area = image[y : y + part.shape[0], x : x + part.shape[1]]
                    np.maximum(area, part[: area.shape[0], : area.shape[1]], out=area)
    return tint(rng, image)


def piano(rng, width, height, letters):
    image = np.zeros((height, width), np.uint8)
    keys = int(rng.integers(7, 36))
    for index in range(keys):
        x = index * width / keys
        cv2.line(image, (round(x), 0), (round(x), height), 255, max(1, width // 300))
        if index % 7 not in (0, 3):
            cv2.rectangle(image, (round(x - width / keys * 0.3), 0), (round(x + width / keys * 0.3), round(height * 0.62)), 255, -1)
    return tint(rng, image)


def keyboard(rng, width, height, letters):
    ground, ink = two_colours(rng)
    image = np.empty((height, width, 3), np.uint8)
    image[:] = ground
    rows, columns = int(rng.integers(3, 7)), int(rng.integers(4, 16))
    pitch_x, pitch_y = width / columns, height / rows
    gap = rng.uniform(0.05, 0.2)
    face = ink if rng.random() < 0.6 else rng.uniform(0, 255, 3)
    for row in range(rows):
        shift = rng.uniform(0, 0.5) * pitch_x
        for column in range(-1, columns):
            x, y = shift + (column + gap / 2) * pitch_x, (row + gap / 2) * pitch_y
            colour = tuple(float(v) for v in face)
            fill_round_rect(image, x, y, pitch_x * (1 - gap), pitch_y * (1 - gap), pitch_y * 0.15, colour)
            if pitch_y > 10 and rng.random() < 0.85:
                part = letters.line(rng, int(pitch_x * 0.5) + 1, int(pitch_y * 0.45) + 1, letters.phrase(rng, 1))
                at_x, at_y = int(max(0, x + pitch_x * 0.2)), int(y + pitch_y * 0.15)
                area = image[at_y : at_y + part.shape[0], at_x : at_x + part.shape[1]]
                share = part[: area.shape[0], : area.shape[1], None].astype(np.float32) / 255
                area[:] = (area * (1 - share) + ground * share).astype(np.uint8)
    return image


def windows(rng, width, height, letters):
    """A facade, or tiles: lighter and darker panes on a regular grid."""
    ground, _ = two_colours(rng)
    image = np.empty((height, width, 3), np.uint8)
    image[:] = ground
    rows, columns = int(rng.integers(2, 16)), int(rng.integers(2, 16))
    share_x, share_y = rng.uniform(0.4, 0.95, 2)
    base = rng.uniform(0, 200, 3)
    for row in range(rows):
        for column in range(columns):
            colour = tuple(float(v) for v in np.clip(base + rng.normal(0, 30), 0, 255))
            x, y = column * width / columns, row * height / rows
            cv2.rectangle(
                image, (round(x), round(y)), (round(x + share_x * width / columns), round(y + share_y * height / rows)), colour, -1
            )
    return image


def frames(rng, width, height, letters):
    """Squares in squares, framed icons, single finder patterns, app icons."""
    ground, ink = two_colours(rng)
    image = np.empty((height, width, 3), np.uint8)
    image[:] = ground
    side = min(width, height) * rng.uniform(0.5, 0.95)
    x, y = (width - side) / 2, (height - side) / 2
    radius = side * rng.choice([0, 0, rng.uniform(0.05, 0.5)])
    colours = [tuple(float(v) for v in ink), tuple(float(v) for v in ground)]
    levels = int(rng.integers(1, 5))
    for level in range(levels):
        inset = side * level * rng.uniform(0.08, 0.16)
        if side - 2 * inset > 3:
            fill_round_rect(image, x + inset, y + inset, side - 2 * inset, side - 2 * inset, radius, colours[level % 2])
    if rng.random() < 0.6:
        centre, size = (round(width / 2), round(height / 2)), side * rng.uniform(0.1, 0.25)
        colour = tuple(float(v) for v in rng.uniform(0, 255, 3))
        kind = rng.random()
        if kind < 0.35:
            cv2.circle(image, centre, int(size), colour, -1, cv2.LINE_AA)
        elif kind < 0.6:
            points = np.array(centre) + size * rng.normal(0, 0.8, (int(rng.integers(3, 8)), 2))
            cv2.fillPoly(image, [points.astype(np.int32)], colour, cv2.LINE_AA)
        else:
            text = letters.line(rng, int(size * 2), int(size * 2), letters.phrase(rng, 1))
            top, left = int(centre[1] - size), int(centre[0] - size)
            area = image[top : top + text.shape[0], left : left + text.shape[1]]
            area[text[: area.shape[0], : area.shape[1]] > 127] = colour
    return image


def ruler(rng, width, height, letters):
    image = np.zeros((height, width), np.uint8)
    ticks = int(rng.integers(15, 120))
    for index in range(ticks + 1):
        length = 0.55 if index % 10 == 0 else 0.4 if index % 5 == 0 else 0.25
        x = round(index * (width - 1) / ticks)
        cv2.line(image, (x, 0), (x, round(height * length)), 255, max(1, width // (ticks * 5)))
        if index % 10 == 0 and height > 24:
            part = letters.line(rng, max(4, int(width / ticks * 6)), max(6, int(height * 0.3)), str(index // 10))
            area = image[int(height * 0.6) : int(height * 0.6) + part.shape[0], x : x + part.shape[1]]
            np.maximum(area, part[: area.shape[0], : area.shape[1]], out=area)
    return tint(rng, image)


def bar_chart(rng, width, height, letters):
    image = np.zeros((height, width), np.uint8)
    bars = int(rng.integers(4, 60))
    heights = np.clip(np.cumsum(rng.normal(0, 0.12, bars)) + 0.5, 0.05, 1)
    for index, share in enumerate(heights):
        x = index * width / bars
        cv2.rectangle(image, (round(x), round(height * (1 - share))), (round(x + width / bars * 0.6), height), 255, -1)
    return tint(rng, image)


def circuit(rng, width, height, letters):
    """Traces, pads and chips with pins."""
    image = np.full((height, width, 3), rng.uniform(20, 140, 3), np.uint8)
    copper = tuple(float(v) for v in rng.uniform(90, 240, 3))
    for _ in range(int(rng.integers(8, 30))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        for _ in range(int(rng.integers(1, 5))):
            nx, ny = (x + rng.normal(0, width / 5), y) if rng.random() < 0.5 else (x, y + rng.normal(0, height / 5))
            cv2.line(image, (int(x), int(y)), (int(nx), int(ny)), copper, int(rng.integers(1, 4)))
            x, y = nx, ny
    for _ in range(int(rng.integers(1, 6))):
        side_x, side_y = rng.uniform(0.1, 0.4, 2) * (width, height)
        x, y = rng.uniform(0, width - side_x), rng.uniform(0, height - side_y)
        pins = int(rng.integers(4, 20))
        for pin in range(pins):
            at = x + (pin + 0.5) * side_x / pins
            cv2.line(
                image,
                (int(at), int(y - side_y * 0.12)),
                (int(at), int(y + side_y * 1.12)),
                (210, 210, 210),
                max(1, int(side_x / pins / 2.5)),
            )
        cv2.rectangle(image, (int(x), int(y)), (int(x + side_x), int(y + side_y)), (25, 25, 28), -1)
    return image


def prose(rng, width, height, letters):
    return tint(rng, letters.paragraph(rng, width, height))


def blobs(rng, width, height, letters):
    """A logo of simple shapes."""
    ground, _ = two_colours(rng)
    image = np.empty((height, width, 3), np.uint8)
    image[:] = ground
    for _ in range(int(rng.integers(1, 8))):
        colour = tuple(float(v) for v in rng.uniform(0, 255, 3))
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        size = rng.uniform(0.08, 0.5) * min(width, height)
        kind = rng.random()
        if kind < 0.4:
            cv2.ellipse(
                image,
                centre,
                (int(size) + 1, int(size * rng.uniform(0.3, 1)) + 1),
                rng.uniform(0, 180),
                0,
                360,
                colour,
                int(rng.choice([-1, -1, 3])),
                cv2.LINE_AA,
            )
        else:
            points = np.array(centre) + rng.normal(0, size, (int(rng.integers(3, 9)), 2))
            cv2.fillPoly(image, [points.astype(np.int32)], colour, cv2.LINE_AA)
    return image


def keycaps(rng, width, height, letters):
    """Dark or pale squares with one letter, arrow or figure in the middle: keys, app icons, signs, letters of a logo."""
    ground, ink = two_colours(rng)
    image = np.empty((height, width, 3), np.uint8)
    image[:] = ground
    columns = int(rng.integers(1, 6))
    cell = width / columns
    rows = max(1, int(height / cell))
    gap, radius = rng.uniform(0.02, 0.35), rng.choice([0.0, rng.uniform(0.02, 0.4)])
    face, figure = tuple(ink.tolist()), tuple((ground if rng.random() < 0.7 else rng.uniform(0, 255, 3)).tolist())
    for row in range(rows):
        for column in range(columns):
            x, y, side = (column + gap / 2) * cell, (row + gap / 2) * cell, cell * (1 - gap)
            fill_round_rect(image, x, y, side, side, radius * side, face)
            kind = rng.random()
            centre = np.array([x + side / 2, y + side / 2])
            if kind < 0.45 and side > 12:
                text = letters.spread(
                    rng, int(side * 0.7), int(side * rng.uniform(0.4, 0.8)), letters.phrase(rng, int(rng.integers(1, 3))) or "A"
                )
                top, left = int(centre[1] - text.shape[0] / 2), int(centre[0] - text.shape[1] / 2)
                area = image[top : top + text.shape[0], left : left + text.shape[1]]
                area[text[: area.shape[0], : area.shape[1]] > 127] = figure
            elif kind < 0.75:
                points = centre + side * 0.28 * rng.uniform(-1, 1, (int(rng.integers(3, 9)), 2))
                cv2.fillPoly(image, [points.astype(np.int32)], figure, cv2.LINE_AA)
            elif kind < 0.9:
                for _ in range(int(rng.integers(1, 4))):
                    at = centre + side * rng.uniform(-0.2, 0.2, 2)
                    cv2.circle(image, tuple(at.astype(int).tolist()), max(1, int(side * rng.uniform(0.06, 0.22))), figure, -1, cv2.LINE_AA)
    return image


def columns_of_text(rng, width, height, letters):
    """Dense small print, set upright or sideways."""
    count = int(rng.integers(1, 4))
    turned = rng.random() < 0.5
    wide, tall = (height, width) if turned else (width, height)
    image = np.hstack([letters.paragraph(rng, max(8, int(wide / count * 0.94)), max(8, tall)) for _ in range(count)])
    return tint(rng, cv2.resize(np.rot90(image) if turned else image, (width, height)))


DISTRACTORS = [
    (checkerboard, 1.0),
    (bit_noise, 0.6),
    (crossword, 0.7),
    (table, 1.6),
    (stripes, 1.2),
    (random_lines, 1.2),
    (piano, 0.5),
    (keyboard, 1.3),
    (windows, 1.3),
    (half_tone, 0.7),
    (frames, 1.6),
    (ruler, 1.0),
    (bar_chart, 0.7),
    (dots, 1.0),
    (circuit, 0.7),
    (prose, 1.4),
    (blobs, 1.0),
    (rings, 0.5),
    (weave, 1.2),
    (ornament, 1.0),
    (sheaf, 1.2),
    (columns_of_text, 1.2),
    (keycaps, 2.0),
    (ruled, 1.4),
    (foliage, 1.6),
]
_WEIGHTS = np.array([weight for _, weight in DISTRACTORS])
_WEIGHTS /= _WEIGHTS.sum()


def distractor(rng: np.random.Generator, width: int, height: int, letters: Lettering) -> np.ndarray:
    """A random distractor, [height, width, 3] uint8 RGB; sides are at least 16 px."""
    width, height = max(16, width), max(16, height)
    function = DISTRACTORS[int(rng.choice(len(DISTRACTORS), p=_WEIGHTS))][0]
    return function(rng, width, height, letters)
