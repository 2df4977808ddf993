"""Patterns that repeat and are no code: stripes, lines, rings, half-tones, cloth, foliage, the edges of sheets.

Each function draws `[height, width, 3]` uint8 RGB; `distractors.py` lists them with their weights.
"""

import cv2
import numpy as np


def two_colours(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A ground and an ink that contrast: mostly dark on light, often coloured."""
    if rng.random() < 0.5:
        light, dark = np.full(3, rng.uniform(190, 255)), np.full(3, rng.uniform(0, 70))
    else:
        light, dark = rng.uniform(130, 255, 3), rng.uniform(0, 110, 3)
    return (dark, light) if rng.random() < 0.2 else (light, dark)


def tint(rng: np.random.Generator, coverage: np.ndarray) -> np.ndarray:
    ground, ink = two_colours(rng)
    ramp = np.arange(256, dtype=np.float32)[:, None, None] / 255
    return cv2.LUT(cv2.merge([np.ascontiguousarray(coverage)] * 3), (ground * (1 - ramp) + ink * ramp).astype(np.uint8))


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


def half_tone(rng, width, height, letters):
    pitch = rng.uniform(3, 14)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, np.pi / 2)
    u, v = xs * np.cos(angle) + ys * np.sin(angle), ys * np.cos(angle) - xs * np.sin(angle)
    tone = cv2.resize(rng.random((4, 4), np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    wave = np.cos(u * 2 * np.pi / pitch) + np.cos(v * 2 * np.pi / pitch)
    return tint(rng, (np.clip((wave + tone * 4 - 2) * 2 + 0.5, 0, 1) * 255).astype(np.uint8))


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


def ruled(rng, width, height, letters):
    """Ruled paper, slats, shelves, sheets seen on edge: thin lines at even or wandering steps, some heavier, some broken."""
    down = np.zeros(height, np.float32)
    step, wander = rng.uniform(2.5, 24), rng.choice([0.0, rng.uniform(0, 0.8)])
    thick = rng.uniform(0.15, 0.6) * step
    y = 0.0
    while y < height:
        shade = 1.0 if wander == 0 else rng.uniform(0.3, 1)
        down[int(y) : int(y + max(1, thick * (1 + wander * rng.normal())))] = shade
        y += max(2, step * (1 + wander * rng.normal()))
    image = np.repeat(down[:, None], width, 1)
    if rng.random() < 0.5:
        image *= np.clip(cv2.resize(rng.random((5, 3), np.float32), (width, height)) * 2, 0, 1)
    if rng.random() < 0.4:
        bow = (np.sin(np.linspace(0, rng.uniform(1, 9), width)) * rng.uniform(1, 12)).astype(np.float32)
        xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        image = cv2.remap(image, xs, ys + bow, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return tint(rng, cv2.resize((image * 255).astype(np.uint8), (width, height)) if rng.random() < 0.5 else (image * 255).astype(np.uint8))


def foliage(rng, width, height, letters):
    """Speckle, leaves, gravel, cracks, terrazzo: noise of two grains, cut into patches or left soft."""
    coarse, fine = rng.uniform(6, 40), rng.uniform(1.2, 5)
    grain = [
        cv2.resize(
            rng.normal(0, 1, (max(2, int(height / size)), max(2, int(width / size)))).astype(np.float32),
            (width, height),
            interpolation=cv2.INTER_CUBIC,
        )
        for size in (coarse, fine)
    ]
    share = rng.uniform(0, 1)
    field = grain[0] * share + grain[1] * (1 - share)
    if rng.random() < 0.3:
        field = np.abs(field) * 2 - rng.uniform(0.1, 0.8)
    cut = np.clip(field * np.exp(rng.uniform(-0.7, 2.5)) + rng.uniform(0.1, 0.9), 0, 1)
    return tint(rng, (cut * 255).astype(np.uint8))
