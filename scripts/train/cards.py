"""Flat things with codes on them: labels, pages, packages, screens, boards. A card knows where each of its codes is.

A card is an RGBA texture and the rectangles of its codes in texture pixels; the scene bends it, tilts it and lights it.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

import ink
from backgrounds import Backgrounds
from distractors import distractor, two_colours
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

CLASS_SHARES = np.array([0.19, 0.15, 0.12, 0.13, 0.27, 0.14])


@dataclass
class Assets:
    """What the generator draws from."""

    symbols: SymbolLibrary
    backgrounds: Backgrounds
    letters: Lettering


@dataclass
class Card:
    """`texture` [H, W, 4] uint8 RGBA and `codes`: (class, x, y, width, height) in texture px."""

    texture: np.ndarray
    codes: list[tuple[int, float, float, float, float]] = field(default_factory=list)


def opaque(picture: np.ndarray) -> np.ndarray:
    return np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])


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
        middle, half = rng.uniform(80, 200), rng.uniform(14, 60)
        ground, ink_colour = np.full(3, middle + half) + rng.normal(0, 8, 3), np.full(3, middle - half) + rng.normal(0, 8, 3)
    inverted = {QR_CODE: 0.08, DATA_MATRIX: 0.14, AZTEC: 0.1, PDF417: 0.02, LINEAR: 0.03, FIDUCIAL: 0.03}[label]
    pair = np.clip(ground, 0, 255), np.clip(ink_colour, 0, 255)
    return pair[::-1] if rng.random() < inverted else pair


def lay(canvas: np.ndarray, coverage: np.ndarray, x: int, y: int, colour: np.ndarray) -> None:
    """Lays ink of `colour` on the canvas where `coverage` says, clipped to the canvas."""
    area = canvas[max(0, y) : y + coverage.shape[0], max(0, x) : x + coverage.shape[1], :3]
    share = coverage[max(0, -y) :, max(0, -x) :][: area.shape[0], : area.shape[1], None].astype(np.float32) / 255
    area[:] = (area * (1 - share) + np.asarray(colour, np.float32) * share).astype(np.uint8)


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


def place_code(rng, canvas, assets: Assets, symbol: Symbol, area, plain=False, patch=True) -> tuple | None:
    """Draws the symbol in `area` (x, y, width, height) of the canvas; answers its entry for `Card.codes`."""
    x, y, width, height = area
    ground, colour = ink_colours(rng, symbol.label)
    if not patch:
        ground = canvas[int(y) : int(y + height), int(x) : int(x + width), :3].reshape(-1, 3).mean(0)
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
    if patch:
        left, top = max(0, int(x - quiet)), max(0, int(y - quiet))
        canvas[top : int(y + tall + text_height + quiet) + 1, left : int(x + wide + quiet) + 1, :3] = ground
    turned = (tall, wide) if turns % 2 else (wide, tall)
    coverage = np.rot90(ink.draw(rng, symbol, turned[0], turned[1], plain), turns)
    if coverage.shape != (tall, wide):
        coverage = cv2.resize(np.ascontiguousarray(coverage), (wide, tall), interpolation=cv2.INTER_LINEAR)
    lay(canvas, coverage, x, y, colour)
    if symbol.kind == "QRCode" and not plain and rng.random() < 0.14:
        side = int(wide * rng.uniform(0.14, 0.28))
        logo = distractor(rng, side, side, assets.letters)[: max(side, 4), : max(side, 4)]
        at_x, at_y = x + (wide - logo.shape[1]) // 2, y + (tall - logo.shape[0]) // 2
        canvas[at_y : at_y + logo.shape[0], at_x : at_x + logo.shape[1], :3] = logo
    if text_height > 6:
        digits = "".join(str(d) for d in rng.integers(0, 10, int(rng.integers(6, 14))))
        line = (
            assets.letters.spread(rng, wide, int(text_height), digits)
            if rng.random() < 0.7
            else assets.letters.line(rng, wide, int(text_height))
        )
        lay(canvas, line, x, y + tall + int(text_height * 0.05), colour)
    return symbol.label, float(x), float(y), float(wide), float(tall)


def pick_symbol(rng, assets: Assets, label: int | None = None) -> Symbol:
    label = int(rng.choice(len(CLASS_SHARES), p=CLASS_SHARES)) if label is None else label
    symbol = assets.symbols.pick(rng, label)
    if max(symbol.bits.shape) > 70 and symbol.label in (QR_CODE, AZTEC, DATA_MATRIX) and rng.random() < 0.6:
        symbol = assets.symbols.pick(rng, label)
    return symbol


def ground_of(rng, assets: Assets, width: int, height: int) -> np.ndarray:
    """The paper, plastic or printed face of a card, [height, width, 3]."""
    style = rng.random()
    if style < 0.6:
        colour = np.full(3, rng.uniform(200, 255)) if rng.random() < 0.6 else rng.uniform(120, 255, 3)
        picture = np.empty((height, width, 3), np.uint8)
        picture[:] = colour
    elif style < 0.72:
        picture = np.empty((height, width, 3), np.uint8)
        picture[:] = rng.uniform(5, 120, 3)
    elif style < 0.84:
        ends = rng.uniform(60, 255, (2, 1, 3))
        ramp = np.linspace(0, 1, width)[None, :, None]
        picture = np.repeat((ends[0] * (1 - ramp) + ends[1] * ramp).astype(np.uint8), height, 0)
    else:
        picture = assets.backgrounds.crop(rng, width, height)
    return picture


def split(rng, area, depth: int) -> list:
    """Cuts an area at random into smaller ones."""
    x, y, width, height = area
    if depth == 0 or max(width, height) < 60:
        return [area]
    share = rng.uniform(0.3, 0.7)
    if width * rng.uniform(0.6, 1.6) > height:
        parts = [(x, y, width * share, height), (x + width * share, y, width * (1 - share), height)]
    else:
        parts = [(x, y, width, height * share), (x, y + height * share, width, height * (1 - share))]
    return [leaf for part in parts for leaf in split(rng, part, depth - 1)]


def fill_block(rng, canvas, assets: Assets, area) -> None:
    """Something that is no code, in one area: text mostly, else a distractor, a decoy code or a piece of a photograph."""
    x, y, width, height = (int(v) for v in area)
    if width < 10 or height < 8:
        return
    style = rng.random()
    target = canvas[y : y + height, x : x + width, :3]
    if style < 0.55:
        ground = target.reshape(-1, 3).mean()
        colour = np.full(3, rng.uniform(0, 90)) if ground > 120 else np.full(3, rng.uniform(190, 255))
        if rng.random() < 0.25:
            colour = rng.uniform(0, 255, 3)
        lay(canvas, assets.letters.paragraph(rng, width, height), x, y, colour)
    elif style < 0.63:
        pass
    elif style < 0.72:
        target[:] = assets.backgrounds.crop(rng, target.shape[1], target.shape[0])
    elif style < 0.76:
        symbol = assets.symbols.pick_decoy(rng)
        side = min(width, height)
        lay(canvas, ink.draw_squares(symbol.bits, side, int(side * 0.95) + 1), x, y, np.full(3, 20.0))
    else:
        target[:] = distractor(rng, width, height, assets.letters)[: target.shape[0], : target.shape[1]]


def label_card(rng, assets: Assets, width: int, height: int, codes: int, plain=False, ground=None) -> Card:
    """A sticker, page, ticket, package face or screen: areas with `codes` codes and other matter."""
    canvas = ground_of(rng, assets, width, height) if ground is None else ground
    canvas = np.ascontiguousarray(canvas)
    margin = min(width, height) * rng.uniform(0.0, 0.08)
    inner = (margin, margin, width - 2 * margin, height - 2 * margin)
    depth = int(rng.integers(1, 4)) if codes <= 2 else int(rng.integers(2, 5))
    leaves = split(rng, inner, depth)
    leaves.sort(key=lambda leaf: -leaf[2] * leaf[3])
    chosen = set(rng.permutation(min(len(leaves), codes + 2))[:codes].tolist())
    entries = []
    only = int(rng.choice(len(CLASS_SHARES), p=CLASS_SHARES)) if rng.random() < 0.3 else None
    if rng.random() < 0.3:
        for leaf in leaves:
            cv2.rectangle(
                canvas,
                (int(leaf[0]), int(leaf[1])),
                (int(leaf[0] + leaf[2]), int(leaf[1] + leaf[3])),
                (40, 40, 40),
                int(rng.integers(1, 3)),
            )
    for index, (x, y, w, h) in enumerate(leaves):
        pad = min(w, h) * rng.uniform(0.02, 0.18)
        area = (x + pad, y + pad, w - 2 * pad, h - 2 * pad)
        if index not in chosen:
            fill_block(rng, canvas, assets, area)
    for index in chosen:
        x, y, w, h = leaves[index]
        pad = min(w, h) * rng.uniform(0.03, 0.2)
        ground_dark = canvas[int(y) : int(y + h), int(x) : int(x + w)].mean() < 150
        noisy = canvas[int(y) : int(y + h), int(x) : int(x + w)].std() > 25
        patch = ground_dark or noisy or rng.random() < 0.4
        entry = place_code(rng, canvas, assets, pick_symbol(rng, assets, only), (x + pad, y + pad, w - 2 * pad, h - 2 * pad), plain, patch)
        if entry:
            entries.append(entry)
    return Card(opaque(canvas), entries)


def single_card(rng, assets: Assets, side: int, plain=False) -> Card:
    """One code that fills its card, with little or no quiet zone around."""
    symbol = pick_symbol(rng, assets)
    wide, tall = ink.shape_of(rng, symbol)
    pitch = side / max(wide, tall)
    code_w, code_h = max(4, int(wide * pitch)), max(4, int(tall * pitch))
    border_min = 0.5 if symbol.label == FIDUCIAL else 0.0
    border = max(1, int(side / max(symbol.bits.shape) * rng.choice([border_min, rng.uniform(0.5, 2), rng.uniform(2, 8)])))
    if symbol.label == LINEAR:
        border = max(border, int(side * 0.02))
    foot = int(code_h * rng.uniform(0.1, 0.3)) if symbol.label == LINEAR and rng.random() < 0.5 else 0
    ground, colour = ink_colours(rng, symbol.label)
    canvas = np.empty((code_h + 2 * border + foot, code_w + 2 * border, 3), np.uint8)
    canvas[:] = ground
    coverage = ink.draw(rng, symbol, code_w, code_h, plain)
    if coverage.shape != (code_h, code_w):
        coverage = cv2.resize(coverage, (code_w, code_h), interpolation=cv2.INTER_LINEAR)
    lay(canvas, coverage, border, border, colour)
    if foot > 6:
        digits = "".join(str(d) for d in rng.integers(0, 10, int(rng.integers(6, 14))))
        lay(canvas, assets.letters.spread(rng, code_w, foot, digits), border, border + code_h, colour)
    return Card(opaque(canvas), [(symbol.label, border, border, code_w, code_h)])


def direct_card(rng, assets: Assets, side: int, beneath: np.ndarray) -> Card:
    """Ink or marks straight on the thing beneath (RGB mean given): laser marks, dot peen, stencils, prints on cardboard."""
    label = int(rng.choice([QR_CODE, DATA_MATRIX, AZTEC, LINEAR, PDF417, FIDUCIAL], p=[0.2, 0.4, 0.1, 0.18, 0.04, 0.08]))
    symbol = pick_symbol(rng, assets, label)
    wide, tall = ink.shape_of(rng, symbol)
    pitch = side / max(wide, tall)
    width, height = max(4, int(wide * pitch)), max(4, int(tall * pitch))
    coverage = ink.draw(rng, symbol, width, height)
    if coverage.shape != (height, width):
        coverage = cv2.resize(coverage, (width, height), interpolation=cv2.INTER_LINEAR)
    dark = beneath.mean() > rng.uniform(90, 130)
    colour = np.full(3, rng.uniform(0, 45) if dark else rng.uniform(195, 255)) + rng.normal(0, 8, 3)
    pad = 2
    texture = np.zeros((height + 2 * pad, width + 2 * pad, 4), np.uint8)
    texture[..., :3] = np.clip(colour, 0, 255)
    texture[pad:-pad, pad:-pad, 3] = (coverage * rng.uniform(0.75, 1.0)).astype(np.uint8)
    return Card(texture, [(symbol.label, pad, pad, width, height)])


def board_card(rng, assets: Assets, width: int, height: int) -> Card:
    """Many codes on a grid: sheets of labels, marker boards, chessboards with markers in their light squares."""
    label = int(rng.choice([FIDUCIAL, QR_CODE, DATA_MATRIX, LINEAR, AZTEC], p=[0.42, 0.18, 0.14, 0.18, 0.08]))
    columns = int(rng.integers(2, 7))
    cell = width / columns
    rows = max(1, min(7, int(height / cell)))
    canvas = np.empty((int(rows * cell), width, 3), np.uint8)
    paper = rng.uniform(210, 255)
    canvas[:] = paper
    chess = label == FIDUCIAL and rng.random() < 0.4
    corners = label == FIDUCIAL and not chess and rng.random() < 0.3
    share = rng.uniform(0.55, 0.8) if chess else rng.uniform(0.6, 0.88)
    kind = pick_symbol(rng, assets, label).kind
    entries = []
    dark = rng.uniform(0, 50)
    for row in range(rows):
        for column in range(columns):
            x, y = column * cell, row * cell
            if chess and (row + column) % 2:
                canvas[int(y) : int(y + cell) + 1, int(x) : int(x + cell) + 1] = dark
                continue
            if not chess and rng.random() < 0.06:
                continue
            symbol = pick_symbol(rng, assets, label)
            for _ in range(4):
                if symbol.kind == kind:
                    break
                symbol = pick_symbol(rng, assets, label)
            wide, tall = ink.shape_of(rng, symbol)
            pitch = share * cell / max(wide, tall)
            code_w, code_h = max(4, int(wide * pitch)), max(4, int(tall * pitch))
            at_x, at_y = int(x + (cell - code_w) / 2), int(y + (cell - code_h) / 2)
            coverage = ink.draw(rng, symbol, code_w, code_h, plain=True)[:code_h, :code_w]
            lay(canvas, coverage, at_x, at_y, np.full(3, dark))
            entries.append((label, float(at_x), float(at_y), float(code_w), float(code_h)))
            if corners:
                size = int((1 - share) * cell / 2 * 0.9)
                canvas[int(y) : int(y) + size, int(x) : int(x) + size] = dark
    pad = int(cell * rng.uniform(0.02, 0.3))
    canvas = cv2.copyMakeBorder(canvas, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(paper, paper, paper))
    return Card(opaque(canvas), [(c, x + pad, y + pad, w, h) for c, x, y, w, h in entries])


def decoy_card(rng, assets: Assets, width: int, height: int) -> Card:
    """A card with no code on it."""
    if rng.random() < 0.35:
        return label_card(rng, assets, width, height, 0)
    picture = distractor(rng, width, height, assets.letters)
    if rng.random() < 0.5:
        pad = int(min(width, height) * rng.uniform(0.02, 0.15))
        ground, _ = two_colours(rng)
        picture = cv2.copyMakeBorder(picture, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=[float(v) for v in ground])
    return Card(opaque(picture))
