"""Flat things with codes on them: labels, pages, packages, screens, boards. A card knows where each of its codes is.

A card is an RGBA texture and the rectangles of its codes in texture pixels; the scene bends it, tilts it and lights it.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

import ink
from codes import CLASS_SHARES, Assets, Code, code_at, decorate, ink_colours, lay, mean_of, pick_symbol, place_code
from distractors import distractor
from patterns import foliage, two_colours
from symbols import AZTEC, DATA_MATRIX, FIDUCIAL, LINEAR, PDF417, QR_CODE


@dataclass
class Card:
    """`texture` [H, W, 4] uint8 RGBA and the codes on it."""

    texture: np.ndarray
    codes: list[Code] = field(default_factory=list)


def opaque(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA)


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
        ground = mean_of(target).mean()
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


def label_card(rng, assets: Assets, width: int, height: int, codes: int, plain=False, ground=None, scale=1.0) -> Card:
    """A sticker, page, ticket, package face or screen: areas with `codes` codes and other matter. `scale` as for `place_code`."""
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
        mean, spread = cv2.meanStdDev(canvas[int(y) : int(y + h), int(x) : int(x + w)])
        patch = mean.mean() < 150 or spread.mean() > 25 or rng.random() < 0.4
        symbol = pick_symbol(rng, assets, only, 0.85 * (max(w, h) - 2 * pad) / scale)
        entry = place_code(rng, canvas, assets, symbol, (x + pad, y + pad, w - 2 * pad, h - 2 * pad), plain, patch, scale)
        if entry:
            entries.append(entry)
    return Card(opaque(canvas), entries)


def single_card(rng, assets: Assets, side: int, plain=False, scale=1.0) -> Card:
    """One code that fills its card, with little or no quiet zone around. `scale` as for `place_code`."""
    symbol = pick_symbol(rng, assets, None, side / scale)
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
    if symbol.kind == "QRCode" and rng.random() < 0.16:
        decorate(rng, canvas[border : border + code_h, border : border + code_w], assets)
    if foot > 6:
        digits = "".join(str(d) for d in rng.integers(0, 10, int(rng.integers(6, 14))))
        lay(canvas, assets.letters.spread(rng, code_w, foot, digits), border, border + code_h, colour)
    return Card(opaque(canvas), [code_at(symbol, border, border, code_w, code_h)])


def direct_card(rng, assets: Assets, side: int, beneath: np.ndarray, scale=1.0) -> Card:
    """Ink or marks straight on the thing beneath (RGB mean given): laser marks, dot peen, stencils, prints on cardboard."""
    label = int(rng.choice([QR_CODE, DATA_MATRIX, AZTEC, LINEAR, PDF417, FIDUCIAL], p=[0.2, 0.4, 0.1, 0.18, 0.04, 0.08]))
    symbol = pick_symbol(rng, assets, label, side / scale)
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
    return Card(texture, [code_at(symbol, pad, pad, width, height)])


def board_card(rng, assets: Assets, width: int, height: int, scale=1.0) -> Card:
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
    room_px = share * cell / scale
    kind = pick_symbol(rng, assets, label, room_px).kind
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
            symbol = pick_symbol(rng, assets, label, room_px)
            for _ in range(4):
                if symbol.kind == kind:
                    break
                symbol = pick_symbol(rng, assets, label, room_px)
            wide, tall = ink.shape_of(rng, symbol)
            pitch = share * cell / max(wide, tall)
            code_w, code_h = max(4, int(wide * pitch)), max(4, int(tall * pitch))
            at_x, at_y = int(x + (cell - code_w) / 2), int(y + (cell - code_h) / 2)
            coverage = ink.draw(rng, symbol, code_w, code_h, plain=True)[:code_h, :code_w]
            lay(canvas, coverage, at_x, at_y, np.full(3, dark))
            entries.append(code_at(symbol, at_x, at_y, code_w, code_h))
            if corners:
                size = int((1 - share) * cell / 2 * 0.9)
                canvas[int(y) : int(y) + size, int(x) : int(x) + size] = dark
    pad = int(cell * rng.uniform(0.02, 0.3))
    canvas = cv2.copyMakeBorder(canvas, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(paper, paper, paper))
    return Card(opaque(canvas), [code.moved(pad, pad) for code in entries])


def patch_card(rng, assets: Assets, width: int, height: int) -> Card:
    """Speckle without a straight edge: a stone, a stain, gravel, leaves."""
    if rng.random() < 0.6:
        picture = foliage(rng, width, height, assets.letters)
    else:
        picture = assets.backgrounds.crop(rng, width, height)
    if rng.random() < 0.6:
        flat, share = np.empty_like(picture), rng.uniform(0.2, 0.9)
        flat[:] = rng.uniform(10, 200, 3) if rng.random() < 0.5 else np.full(3, rng.uniform(10, 200))
        picture = cv2.addWeighted(picture, 1 - share, flat, share, 0)
    turns = np.linspace(0, 2 * np.pi, int(rng.integers(6, 18)), endpoint=False)
    reach = rng.uniform(0.6, 1.0, len(turns))[:, None] * (0.47 * width, 0.47 * height)
    points = np.stack([np.cos(turns), np.sin(turns)], 1) * reach + (width / 2, height / 2)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [points.astype(np.int32)], 255, cv2.LINE_AA)
    mask = cv2.blur(mask, (2 * int(rng.integers(0, 1 + max(1, min(width, height) // 12))) + 1,) * 2)
    return Card(cv2.merge([*cv2.split(picture), mask]))


def decoy_card(rng, assets: Assets, width: int, height: int) -> Card:
    """A card with no code on it."""
    style = rng.random()
    if style < 0.25:
        return patch_card(rng, assets, width, height)
    if style < 0.5:
        return label_card(rng, assets, width, height, 0)
    picture = distractor(rng, width, height, assets.letters)
    if rng.random() < 0.5:
        pad = int(min(width, height) * rng.uniform(0.02, 0.15))
        ground, _ = two_colours(rng)
        picture = cv2.copyMakeBorder(picture, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=[float(v) for v in ground])
    return Card(opaque(picture))
