"""Things that look like codes and are none: grids, stripes, keys, windows, noise, half-tones and the like.

Each function draws `[height, width, 3]` uint8 RGB and is listed in DISTRACTORS with its weight.
"""

import cv2
import numpy as np

from ink import draw_squares, fill_round_rect
from lettering import Lettering


def two_colours(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A ground and an ink that contrast: mostly dark on light, often coloured."""
    if rng.random() < 0.5:
        light, dark = np.full(3, rng.uniform(190, 255)), np.full(3, rng.uniform(0, 70))
    else:
        light, dark = rng.uniform(130, 255, 3), rng.uniform(0, 110, 3)
    return (dark, light) if rng.random() < 0.2 else (light, dark)


def tint(rng: np.random.Generator, coverage: np.ndarray) -> np.ndarray:
    ground, ink = two_colours(rng)
    share = coverage[..., None].astype(np.float32) / 255
    return (ground * (1 - share) + ink * share).astype(np.uint8)


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


def stripes(rng, width, height, letters):
    """Regular stripes: fences, blinds, crossings, radiators."""
    count = int(rng.integers(3, 45))
    duty = rng.uniform(0.2, 0.8)
    profile = ((np.arange(width) * count / width) % 1 < duty).astype(np.uint8) * 255
    if rng.random() < 0.4:
        profile = cv2.GaussianBlur(profile[None], (0, 0), max(0.5, width / count * 0.15))[0]
    image = np.repeat(profile[None], height, 0)
    return tint(rng, image if rng.random() < 0.7 else cv2.resize(image.T, (width, height)))


def random_lines(rng, width, height, letters):
    """Uneven lines with gaps and slants that differ: books on a shelf, wood slats, hatching."""
    image = np.zeros((height, width), np.uint8)
    x = 0.0
    while x < width:
        step, thick = rng.uniform(2, width / 6), rng.uniform(1, width / 12)
        slant = rng.uniform(-0.2, 0.2) * width
        top, foot = rng.uniform(0, 0.5) * height, height * rng.uniform(0.6, 1)
        shade = int(rng.uniform(60, 255))
        cv2.fillPoly(image, [np.array([(x, foot), (x + thick, foot), (x + thick + slant, top), (x + slant, top)], np.int32)], shade)
        x += step + thick
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


def half_tone(rng, width, height, letters):
    pitch = rng.uniform(3, 14)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, np.pi / 2)
    u, v = xs * np.cos(angle) + ys * np.sin(angle), ys * np.cos(angle) - xs * np.sin(angle)
    tone = cv2.resize(rng.random((4, 4), np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    wave = np.cos(u * 2 * np.pi / pitch) + np.cos(v * 2 * np.pi / pitch)
    return tint(rng, (np.clip((wave + tone * 4 - 2) * 2 + 0.5, 0, 1) * 255).astype(np.uint8))


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


def dots(rng, width, height, letters):
    """Regular dots: perforated metal, LED walls, braille, dominoes."""
    image = np.zeros((height, width), np.uint8)
    across = int(rng.integers(3, 26))
    down = max(2, round(across * height / width))
    keep = rng.uniform(0.4, 1.2)
    for row in range(down):
        for column in range(across):
            if rng.random() < keep:
                centre = (round((column + 0.5) * width / across), round((row + 0.5) * height / down))
                cv2.circle(image, centre, max(1, int(width / across * rng.uniform(0.25, 0.4))), 255, -1, cv2.LINE_AA)
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


def rings(rng, width, height, letters):
    """Concentric rings or polygons, targets, spirals."""
    ground, ink = two_colours(rng)
    image = np.empty((height, width, 3), np.uint8)
    image[:] = ground
    centre, count = (width // 2, height // 2), int(rng.integers(2, 9))
    size = min(width, height) * rng.uniform(0.3, 0.5)
    for level in range(count):
        colour = tuple(float(v) for v in (ink if level % 2 == 0 else ground))
        cv2.circle(image, centre, max(1, int(size * (1 - level / count))), colour, -1, cv2.LINE_AA)
    return image


def weave(rng, width, height, letters):
    """Cloth, carpet, brushed or corrugated matter: two crossing waves that wander."""
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    wander = [cv2.resize(rng.normal(0, 1, (5, 5)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC) for _ in range(3)]
    pitch_x, pitch_y = rng.uniform(3, 30), rng.uniform(3, 60)
    along = np.sin((xs + wander[0] * rng.uniform(0, 12)) * 2 * np.pi / pitch_x)
    across = np.sin((ys + wander[1] * rng.uniform(0, 12)) * 2 * np.pi / pitch_y + np.floor(xs / pitch_x) * rng.uniform(0, 3))
    mix = along * rng.uniform(0, 1) + across * rng.uniform(0, 1) + wander[2] * 0.3
    grain = rng.normal(0, rng.uniform(0, 0.5), (height, width)).astype(np.float32)
    return tint(rng, (np.clip((mix + grain) * rng.uniform(0.4, 2) + 0.5, 0, 1) * 255).astype(np.uint8))


def ornament(rng, width, height, letters):
    """Curls and flourishes repeated on a lattice, in one ink."""
    image = np.zeros((height, width), np.uint8)
    cells = int(rng.integers(1, 6))
    size = width / cells
    strokes = [
        (rng.uniform(-0.5, 0.5, 2), rng.uniform(0.1, 0.45, 2), rng.uniform(0, 360), rng.uniform(60, 330))
        for _ in range(int(rng.integers(3, 14)))
    ]
    thick = max(1, int(size * rng.uniform(0.01, 0.06)))
    for row in range(int(height / size) + 1):
        for column in range(cells + 1):
            centre = np.array([(column + 0.5) * size, (row + 0.5) * size])
            for offset, axes, angle, sweep in strokes:
                at, reach = (centre + offset * size).astype(int), np.maximum(1, axes * size).astype(int)
                cv2.ellipse(
                    image, tuple(at.tolist()), tuple(reach.tolist()), angle, 0, sweep, 255, thick if sweep < 300 else -1, cv2.LINE_AA
                )
    return tint(rng, image)


def sheaf(rng, width, height, letters):
    """Edges of stacked sheets, files or books, soft and in many greys."""
    profile = np.cumsum(rng.normal(0, 1, width)).astype(np.float32)
    profile -= cv2.GaussianBlur(profile[None], (0, 0), rng.uniform(3, 25))[0]
    profile += rng.normal(0, rng.uniform(0, 1.5), width)
    lean = rng.uniform(-0.2, 0.2)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    image = cv2.remap(
        profile[None].repeat(2, 0).astype(np.float32), (xs + (ys - height / 2) * lean) % width, np.zeros_like(xs), cv2.INTER_LINEAR
    )
    image *= np.clip(cv2.resize(rng.random((6, 4)).astype(np.float32), (width, height)) * 2, 0.3, 1.5)
    return tint(rng, (np.clip(image / (np.abs(image).max() + 1e-6) * rng.uniform(0.5, 1.5) + 0.5, 0, 1) * 255).astype(np.uint8))


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
]
_WEIGHTS = np.array([weight for _, weight in DISTRACTORS])
_WEIGHTS /= _WEIGHTS.sum()


def distractor(rng: np.random.Generator, width: int, height: int, letters: Lettering) -> np.ndarray:
    """A random distractor, [height, width, 3] uint8 RGB; sides are at least 16 px."""
    width, height = max(16, width), max(16, height)
    function = DISTRACTORS[int(rng.choice(len(DISTRACTORS), p=_WEIGHTS))][0]
    return function(rng, width, height, letters)
