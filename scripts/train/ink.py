"""Draws one symbol flat: modules in many print styles, as a coverage map of ink between 0 and 1.

The map is what a printer, a screen or a dot peen leaves; colours come later. Its edges are the symbol's edges, so the
box of a symbol is the box of its map.
"""

import cv2
import numpy as np

from symbols import AZTEC, DATA_MATRIX, FIDUCIAL, LINEAR, PDF417, QR_CODE, Symbol

# Tallest side of a map in px: sharper than any picture of 640 px needs.
MAP_SIDE_MAX = 1100


def shape_of(rng: np.random.Generator, symbol: Symbol) -> tuple[float, float]:
    """Width and height of the symbol in modules, with the height of linear codes drawn at random."""
    rows, columns = symbol.bits.shape
    if symbol.label == LINEAR and rows == 1:
        if symbol.kind.startswith(("EAN", "UPC")):
            return columns, columns * rng.choice(
                [rng.uniform(0.18, 0.45), rng.uniform(0.5, 0.85), rng.uniform(0.85, 1.6)], p=[0.43, 0.43, 0.14]
            )
        return columns, columns * np.exp(rng.uniform(np.log(0.08), np.log(1.3)))
    if symbol.label == PDF417:
        return columns, rows * rng.uniform(0.65, 1.35)
    return columns, rows


def draw_squares(bits: np.ndarray, width: int, height: int) -> np.ndarray:
    """Modules as filled squares. Whole-pixel modules when they are large, so that nearest scaling leaves no uneven bars."""
    rows, columns = bits.shape
    if width >= 2 * columns and height >= rows:
        return cv2.resize(bits * np.uint8(255), (width, height), interpolation=cv2.INTER_NEAREST)
    factor = int(np.ceil(2 * columns / width))
    big = cv2.resize(bits * np.uint8(255), (width * factor, height), interpolation=cv2.INTER_NEAREST)
    return cv2.resize(big, (width, height), interpolation=cv2.INTER_AREA)


def draw_dots(rng: np.random.Generator, bits: np.ndarray, width: int, height: int, fill: float, jitter: float) -> np.ndarray:
    """Modules as round dots of diameter `fill` modules, each shifted by up to `jitter` modules."""
    rows, columns = bits.shape
    image = np.zeros((height, width), np.uint8)
    pitch_x, pitch_y = width / columns, height / rows
    radius = max(0.5, fill * min(pitch_x, pitch_y) / 2)
    ys, xs = np.nonzero(bits)
    offsets = rng.uniform(-jitter, jitter, (len(xs), 2)) if jitter > 0 else np.zeros((len(xs), 2))
    for x, y, (dx, dy) in zip(xs, ys, offsets, strict=True):
        centre = (int((x + 0.5 + dx) * pitch_x * 16), int((y + 0.5 + dy) * pitch_y * 16))
        cv2.circle(image, centre, int(radius * 16), 255, -1, cv2.LINE_AA, 4)
    return image


def draw_finders(image: np.ndarray, modules: int, roundness: float) -> None:
    """Draws QR finder patterns with rounded corners or as rings, over `image` (square, `modules` a side)."""
    pitch = image.shape[0] / modules
    for row, column in ((0, 0), (0, modules - 7), (modules - 7, 0)):
        for inset, value in ((0, 255), (1, 0), (2, 255)):
            side = (7 - 2 * inset) * pitch
            x, y = (column + inset) * pitch, (row + inset) * pitch
            fill_round_rect(image, x, y, side, side, roundness * side / 2, value)


def fill_round_rect(image: np.ndarray, x: float, y: float, width: float, height: float, radius: float, value) -> None:
    """A filled rectangle with round corners; coordinates in px."""
    x0, y0, x1, y1 = round(x), round(y), round(x + width) - 1, round(y + height) - 1
    radius = int(min(radius, (x1 - x0) / 2, (y1 - y0) / 2))
    if radius <= 1:
        cv2.rectangle(image, (x0, y0), (x1, y1), value, -1)
        return
    cv2.rectangle(image, (x0 + radius, y0), (x1 - radius, y1), value, -1)
    cv2.rectangle(image, (x0, y0 + radius), (x1, y1 - radius), value, -1)
    for cx, cy in ((x0 + radius, y0 + radius), (x1 - radius, y0 + radius), (x0 + radius, y1 - radius), (x1 - radius, y1 - radius)):
        cv2.circle(image, (cx, cy), radius, value, -1, cv2.LINE_AA)


def draw_linear(rng: np.random.Generator, symbol: Symbol, width: int, height: int) -> np.ndarray:
    """Bars of one row of modules; retail codes get guard bars that reach lower, so their foot is uneven."""
    image = np.repeat(draw_squares(symbol.bits, width, 2)[:1], height, 0)
    if symbol.kind.endswith("+"):
        start = round(104 * width / symbol.bits.shape[1])
        image[: max(1, round(height * rng.uniform(0.05, 0.2))), start:] = 0
    guards = {"EAN13": [(3, 45), (50, 92)], "UPCA": [(10, 45), (50, 85)], "EAN8": [(3, 31), (36, 64)], "UPCE": [(3, 45)]}.get(
        symbol.kind.rstrip("+")
    )
    if guards and rng.random() < 0.75:
        foot = max(1, round(height * rng.uniform(0.04, 0.13)))
        for start, end in guards:
            image[-foot:, round(start * width / symbol.bits.shape[1]) : round(end * width / symbol.bits.shape[1])] = 0
    return image


def wear(rng: np.random.Generator, image: np.ndarray, strength: float, module_px: float) -> np.ndarray:
    """Print faults: ink spread or loss, missing lines of a print head, blotches."""
    choice = rng.random() if module_px > 3 else rng.uniform(0.3, 1)
    if choice < 0.3:
        kernel = np.ones((1 + max(1, int(module_px * rng.uniform(0.1, 0.45))),) * 2, np.uint8)
        image = cv2.dilate(image, kernel) if rng.random() < 0.5 else cv2.erode(image, kernel)
    elif choice < 0.55:
        image = image.copy()
        for _ in range(int(rng.integers(1, 5))):
            at = int(rng.integers(0, image.shape[1]))
            thick = 1 + int(rng.integers(0, max(2, image.shape[1] // 60)))
            image[:, at : at + thick] = 0
        if rng.random() < 0.5:
            at = int(rng.integers(0, image.shape[0]))
            image[at : at + 1 + image.shape[0] // int(rng.integers(15, 60))] = 0
    else:
        grid = max(4, int(rng.integers(6, 40)))
        noise = rng.random((grid, grid), np.float32)
        noise = cv2.resize(noise, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_CUBIC)
        cut = np.clip((noise - strength * rng.uniform(0.4, 0.9)) * 6, 0, 1) if rng.random() < 0.6 else 0.4 + 0.6 * noise
        image = (image * np.clip(cut, 0, 1)).astype(np.uint8)
    return image


def draw(rng: np.random.Generator, symbol: Symbol, width: int, height: int, plain: bool = False) -> np.ndarray:
    """Ink coverage of the symbol, [height, width] uint8 with 255 full ink.

    `plain` keeps to clean square modules, as in generated pictures and screenshots.
    """
    width, height = max(6, min(width, MAP_SIDE_MAX)), max(3, min(height, MAP_SIDE_MAX))
    bits = symbol.bits
    if symbol.label == LINEAR and bits.shape[0] == 1:
        image = draw_linear(rng, symbol, width, height)
    elif plain or symbol.label in (PDF417, LINEAR):
        image = draw_squares(bits, width, height)
    elif symbol.label == DATA_MATRIX and rng.random() < 0.3:
        image = draw_dots(rng, bits, width, height, rng.uniform(0.6, 1.1), rng.choice([0, rng.uniform(0, 0.12)]))
    elif symbol.label == QR_CODE and symbol.kind == "QRCode" and rng.random() < 0.25:
        image = draw_styled_qr(rng, bits, width, height)
    elif symbol.label == AZTEC and rng.random() < 0.06:
        image = draw_dots(rng, bits, width, height, rng.uniform(0.8, 1.2), 0)
    else:
        image = draw_squares(bits, width, height)
    if not plain and rng.random() < (0.1 if symbol.label == FIDUCIAL else 0.2):
        image = wear(rng, image, 0.3, width / bits.shape[1])
    return image


def draw_styled_qr(rng: np.random.Generator, bits: np.ndarray, width: int, height: int) -> np.ndarray:
    """A designer's QR code: dots or rounded modules, finders drawn apart. The middle may be left for a logo."""
    modules = bits.shape[0]
    style = rng.random()
    if style < 0.5:
        image = draw_dots(rng, bits, width, height, rng.uniform(0.45, 1.05), 0)
    elif style < 0.6:
        image = draw_squares(bits, width, height)
        edge = max(1, int(width / modules * rng.uniform(0.1, 0.3)))
        image = cv2.subtract(image, cv2.erode(image, np.ones((2 * edge + 1,) * 2, np.uint8)))
    else:
        image = draw_squares(bits, width, height)
        size = max(1, int(width / modules * rng.uniform(0.3, 0.9))) | 1
        image = ((cv2.blur(image, (size, size)) > 127) * 255).astype(np.uint8)
    if height == width:
        margin = width / modules
        for row, column in ((0, 0), (0, modules - 7), (modules - 7, 0)):
            y, x = round(row * margin), round(column * margin)
            image[y : round(y + 7 * margin), x : round(x + 7 * margin)] = 0
        draw_finders(image, modules, float(rng.choice([0.0, 0.35, 0.7, 1.0])))
    return image
