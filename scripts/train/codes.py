"""One code on a card: where it is, how fine it is, its colours, and how it is laid on paper, with a logo at times."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

import ink
from backgrounds import Backgrounds
from distractors import distractor
from lettering import Lettering
from symbols import (
    AZTEC,
    DATA_MATRIX,
    FIDUCIAL,
    LINEAR,
    PDF417,
    QR_CODE,
    Symbol,
    SymbolLibrary,
)

CLASS_SHARES = np.array([0.19, 0.17, 0.15, 0.14, 0.24, 0.11])
# A code is drawn where its smallest modules are at least this large in the picture (px): one dark or light cell, the width of the
# narrowest bar. Below it the kinds look alike, to people too: a model that was taught without the rule found 0.96 of the held-out
# codes above these sizes, and 0.61 of those below.
MODULE_MIN_PX = {QR_CODE: 0.7, DATA_MATRIX: 1.0, AZTEC: 1.0, PDF417: 0.45, LINEAR: 0.4, FIDUCIAL: 1.4}


@dataclass
class Assets:
    """What the generator draws from."""

    symbols: SymbolLibrary
    backgrounds: Backgrounds
    letters: Lettering


@dataclass(frozen=True)
class Code:
    """A code of class `label` on a card: its rectangle in texture px, and its modules across and down (0: no detail that way)."""

    label: int
    x: float
    y: float
    width: float
    height: float
    across: float
    down: float

    def margin(self, across_px: float, down_px: float) -> float:
        """How many times the smallest module of its class the code's is, when its sides are seen so long; 1 is the least."""
        module = min(across_px / max(self.across, 1e-3), down_px / max(self.down, 1e-3))
        return module / MODULE_MIN_PX[self.label]

    def moved(self, x: float, y: float) -> "Code":
        return replace(self, x=self.x + x, y=self.y + y)

    def scaled(self, factor: float) -> "Code":
        return replace(self, x=self.x * factor, y=self.y * factor, width=self.width * factor, height=self.height * factor)

    def turned(self, card_width: float) -> "Code":
        """The code after a quarter turn against the clock of its card, which was `card_width` px wide."""
        return Code(self.label, self.y, card_width - self.x - self.width, self.height, self.width, self.down, self.across)


def code_at(symbol: Symbol, x: float, y: float, width: float, height: float, turns: int = 0) -> Code:
    """The entry of a symbol drawn in a rectangle after `turns` quarter turns. PDF417's rows are three modules tall."""
    rows, columns = symbol.bits.shape
    down = 0.0 if rows == 1 else rows / 3 if symbol.label in (PDF417, LINEAR) else rows
    across, down = (down, columns) if turns % 2 else (columns, down)
    return Code(symbol.label, float(x), float(y), float(width), float(height), float(across), float(down))


def ink_colours(rng: np.random.Generator, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Ground and ink of a code, as RGB floats: black on white mostly; coloured, pale or inverted at times."""
    style = rng.random()
    if style < 0.55:
        ground, ink_colour = np.full(3, rng.uniform(215, 255)), np.full(3, rng.uniform(0, 50))
    elif style < 0.75:
        ground, ink_colour = rng.uniform(175, 255, 3), rng.uniform(0, 90, 3)
    elif style < 0.85:
        hue = rng.uniform(0, 1, 3)
        ground, ink_colour = rng.uniform(190, 255, 3), hue / hue.max() * rng.uniform(60, 190)
    else:
        middle, half = rng.uniform(60, 215), np.exp(rng.uniform(np.log(11), np.log(60)))
        ground, ink_colour = np.full(3, middle + half) + rng.normal(0, 8, 3), np.full(3, middle - half) + rng.normal(0, 8, 3)
    inverted = {QR_CODE: 0.08, DATA_MATRIX: 0.14, AZTEC: 0.1, PDF417: 0.02, LINEAR: 0.03, FIDUCIAL: 0.03}[label]
    pair = np.clip(ground, 0, 255), np.clip(ink_colour, 0, 255)
    return pair[::-1] if rng.random() < inverted else pair


def lay(canvas: np.ndarray, coverage: np.ndarray, x: int, y: int, colour: np.ndarray) -> None:
    """Lays ink of `colour` on the canvas where `coverage` says, clipped to the canvas."""
    area = canvas[max(0, y) : y + coverage.shape[0], max(0, x) : x + coverage.shape[1]]
    share = np.ascontiguousarray(coverage[max(0, -y) :, max(0, -x) :][: area.shape[0], : area.shape[1]])
    if share.size:
        blend(area, share, colour)


def blend(area: np.ndarray, share: np.ndarray, colour: np.ndarray) -> None:
    """Covers `area` (RGB) with `colour` as far as `share` [H, W] uint8 says, in place."""
    ramp = np.arange(256, dtype=np.float32)[:, None, None] / 255
    inked = cv2.LUT(cv2.merge([share] * 3), (ramp * np.clip(colour, 0, 255)).astype(np.uint8))
    area[:] = cv2.add(cv2.multiply(area, cv2.merge([255 - share] * 3), scale=1 / 255), inked)


def mean_of(picture: np.ndarray) -> np.ndarray:
    """Mean colour."""
    return np.array(cv2.mean(picture)[:3])


def fit(rng: np.random.Generator, symbol: Symbol, width: float, height: float) -> tuple[int, int, int]:
    """Size in px of the symbol inside an area, and its quarter turns; long symbols turn to suit the area at times."""
    wide, tall = ink.shape_of(rng, symbol)
    turns = int(rng.integers(4)) if rng.random() < 0.35 else 0
    if (wide > 1.4 * tall) and rng.random() < 0.6:
        turns = (1 if rng.random() < 0.5 else 3) if height > 1.2 * width else 0
    if turns % 2:
        wide, tall = tall, wide
    pitch = min(width / wide, height / tall)
    return max(3, int(wide * pitch)), max(3, int(tall * pitch)), turns


def place_code(rng, canvas, assets: Assets, symbol: Symbol, area, plain=False, patch=True, scale=1.0) -> Code | None:
    """Draws the symbol in `area` (x, y, width, height) of the canvas; answers where it is, or None where it would be too small.

    `scale` is how many px of the canvas make one of the picture.
    """
    x, y, width, height = area
    ground, colour = ink_colours(rng, symbol.label)
    if not patch:
        ground = mean_of(canvas[int(y) : int(y + height), int(x) : int(x + width)])
        colour = np.full(3, rng.uniform(0, 60)) if ground.mean() > 110 else np.full(3, rng.uniform(200, 255))
    with_text = symbol.label == LINEAR and rng.random() < 0.6 and height > 30
    text_height = rng.uniform(0.1, 0.22) * height if with_text else 0
    modules = max(symbol.bits.shape)
    if not patch:
        quiet_share = 0.0
    elif symbol.label == FIDUCIAL:
        quiet_share = rng.choice([rng.uniform(0.25, 0.8), rng.uniform(0.8, 2)]) / modules
    else:
        quiet_share = rng.choice([0.0, rng.uniform(0.3, 2), rng.uniform(2, 8)], p=[0.12, 0.4, 0.48]) / modules
    room = 1 / (1 + 2 * quiet_share)
    wide, tall, turns = fit(rng, symbol, width * room, (height - text_height) * room)
    if min(wide, tall) < 4:
        return None
    if turns % 2:
        text_height = 0
    quiet = quiet_share * max(wide, tall)
    x = int(x + quiet + max(0, width - wide - 2 * quiet) * rng.uniform(0.2, 0.8))
    y = int(y + quiet + max(0, height - tall - text_height - 2 * quiet) * rng.uniform(0, 1))
    code = code_at(symbol, x, y, wide, tall, turns)
    if code.margin(wide / scale, tall / scale) < 1:
        return None
    if patch:
        left, top = max(0, int(x - quiet)), max(0, int(y - quiet))
        canvas[top : int(y + tall + text_height + quiet) + 1, left : int(x + wide + quiet) + 1, :3] = ground
    turned = (tall, wide) if turns % 2 else (wide, tall)
    coverage = np.rot90(ink.draw(rng, symbol, turned[0], turned[1], plain), turns)
    if coverage.shape != (tall, wide):
        coverage = cv2.resize(np.ascontiguousarray(coverage), (wide, tall), interpolation=cv2.INTER_LINEAR)
    lay(canvas, coverage, x, y, colour)
    if symbol.kind == "QRCode" and rng.random() < 0.2:
        decorate(rng, canvas[y : y + tall, x : x + wide], assets)
    if text_height > 6:
        digits = "".join(str(d) for d in rng.integers(0, 10, int(rng.integers(6, 14))))
        line = (
            assets.letters.spread(rng, wide, int(text_height), digits)
            if rng.random() < 0.7
            else assets.letters.line(rng, wide, int(text_height))
        )
        lay(canvas, line, x, y + tall + int(text_height * 0.05), colour)
    return code


def decorate(rng, area: np.ndarray, assets: Assets) -> None:
    """A logo on a QR code: in its middle mostly, as a band across it, or a picture that shows through its modules."""
    tall, wide = area.shape[:2]
    if min(tall, wide) < 24:
        return
    style = rng.random()
    if style < 0.15:
        picture = assets.backgrounds.crop(rng, wide, tall)
        share = rng.uniform(0.25, 0.5)
        area[:] = cv2.addWeighted(area, 1 - share, picture, share, 0)
        return
    if style < 0.35:
        width, height = int(wide * rng.uniform(0.4, 1.0)), int(tall * rng.uniform(0.14, 0.28))
    else:
        width = height = int(min(wide, tall) * rng.uniform(0.14, 0.36))
    if rng.random() < 0.4:
        logo = np.empty((height, width, 3), np.uint8)
        logo[:] = rng.uniform(0, 255, 3)
        text = assets.letters.spread(rng, width, height, assets.letters.phrase(rng, int(rng.integers(1, 6))))
        blend(logo, text, np.full(3, 255.0 if logo.mean() < 128 else 0.0))
    else:
        logo = distractor(rng, width, height, assets.letters)[:height, :width]
    x, y = (wide - logo.shape[1]) // 2, (tall - logo.shape[0]) // 2
    pad = int(rng.integers(0, 3))
    area[max(0, y - pad) : y + logo.shape[0] + pad, max(0, x - pad) : x + logo.shape[1] + pad] = rng.choice([0, 255, 255])
    area[y : y + logo.shape[0], x : x + logo.shape[1]] = logo


def pick_symbol(rng, assets: Assets, label: int | None = None, room_px: float = np.inf) -> Symbol:
    """A symbol, of a random class unless `label` says which, whose modules are large enough when it spans `room_px` of the picture."""
    label = int(rng.choice(len(CLASS_SHARES), p=CLASS_SHARES)) if label is None else label
    modules_max = room_px / (1.15 * MODULE_MIN_PX[label])
    symbol = assets.symbols.pick(rng, label, modules_max)
    if max(symbol.bits.shape) > 70 and symbol.label in (QR_CODE, AZTEC, DATA_MATRIX) and rng.random() < 0.6:
        symbol = assets.symbols.pick(rng, label, modules_max)
    return symbol
