"""What stands in a picture: photographs with cards in them, near views, generated pages and scans, and none at all."""

import cv2
import numpy as np

from cards import Card, board_card, decoy_card, direct_card, label_card, single_card
from distractors import distractor
from placement import box_of, outline_of
from scene import INPUT_PX, Scene


def roll_of(rng: np.random.Generator) -> float:
    """Turn of a card in the picture, radians: upright mostly, sideways and any angle too."""
    style = rng.random()
    if style < 0.45:
        return rng.normal(0, 0.08)
    if style < 0.6:
        return rng.choice([-1, 1]) * np.pi / 2 + rng.normal(0, 0.08)
    return rng.uniform(-np.pi, np.pi)


def code_side(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def textured(side_px: float, rng: np.random.Generator) -> int:
    """Texture side for a card that will span `side_px` in the picture."""
    return int(np.clip(side_px * rng.uniform(1.2, 2.2), 40, 1000))


def quiet_place(scene: Scene, side: float) -> tuple[np.ndarray, np.ndarray]:
    """Of some random places the one whose matter is the most even, and the mean colour there."""
    best = None
    reach = int(side / 2) + 1
    for _ in range(6):
        at = scene.rng.uniform(0.12, 0.88, 2) * (scene.width, scene.height)
        x, y = int(at[0]), int(at[1])
        matter = scene.canvas[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach]
        mean, spread = cv2.meanStdDev(matter)
        if best is None or spread.mean() < best[0]:
            best = spread.mean(), at, mean[:, 0]
    return best[1], best[2]


def add_code_card(scene: Scene, low: float, high: float, lean: float) -> None:
    """One card of a random kind, its codes between `low` and `high` px."""
    rng, assets = scene.rng, scene.assets
    frame = max(scene.width, scene.height)
    side, at = code_side(rng, low, high), None
    kind = rng.random()
    if kind < 0.38:
        texture = textured(side, rng)
        card, longest = single_card(rng, assets, texture, scale=texture / side), side * 1.15
    elif kind < 0.5:
        at, beneath = quiet_place(scene, side)
        texture = textured(side, rng)
        card, longest = direct_card(rng, assets, texture, beneath, texture / side), side
    elif kind < 0.93:
        codes = int(rng.choice([1, 2, 3, 4], p=[0.5, 0.28, 0.14, 0.08]))
        longest = min(side * rng.uniform(1.5, 3.2) * (1 + 0.25 * codes), frame * 1.25)
        ratio = np.exp(rng.uniform(-0.7, 0.7))
        texture = textured(longest, rng)
        size = (texture, max(24, int(texture * min(ratio, 1 / ratio))))
        card = label_card(rng, assets, *(size if rng.random() < 0.5 else size[::-1]), codes, scale=texture / longest)
    else:
        longest = min(max(side * rng.uniform(2, 5), 90), frame * 1.1)
        texture = textured(longest, rng)
        card = board_card(rng, assets, texture, int(texture * rng.uniform(0.4, 1.2)), texture / longest)
    scene.add(card, longest, lean, roll_of(rng), rng.random() < 0.22, at=at)


def add_decoy(scene: Scene, low: float = 22, high: float = 400) -> None:
    rng = scene.rng
    longest = code_side(rng, low, high)
    texture = textured(longest, rng)
    card = decoy_card(rng, scene.assets, texture, max(24, int(texture * rng.uniform(0.3, 1))))
    scene.add(card, longest, 0.8, roll_of(rng), rng.random() < 0.15, tries=2)


def background(scene: Scene) -> None:
    """A photograph, two of them, a plain colour or a distractor that fills the frame."""
    rng = scene.rng
    style = rng.random()
    if style < 0.86:
        scene.canvas = np.ascontiguousarray(scene.assets.backgrounds.crop(rng, scene.width, scene.height))
    elif style < 0.93:
        scene.canvas[:] = rng.uniform(10, 250, 3)
    else:
        scene.canvas = np.ascontiguousarray(distractor(rng, scene.width, scene.height, scene.assets.letters))


def compose_photo(scene: Scene) -> None:
    rng = scene.rng
    background(scene)
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.45, 0.3, 0.15, 0.1]))):
        add_decoy(scene)
    for _ in range(int(rng.choice([1, 2, 3, 4, 5, 7], p=[0.32, 0.24, 0.18, 0.12, 0.09, 0.05]))):
        low, high = (20, 64) if rng.random() < 0.3 else (24, 420)
        add_code_card(scene, low, high, 1.05)


def compose_close(scene: Scene) -> None:
    """One card near the camera: a code from a third of the frame to all of it."""
    rng, assets = scene.rng, scene.assets
    background(scene)
    frame = min(scene.width, scene.height)
    if rng.random() < 0.6:
        side = frame * rng.uniform(0.45, 1.05)
        texture = textured(side, rng)
        card, longest, centred = single_card(rng, assets, texture, scale=texture / side), side * 1.1, True
    else:
        longest = frame * rng.uniform(0.9, 1.7)
        texture = textured(longest, rng)
        height, codes = int(texture * rng.uniform(0.5, 1.1)), int(rng.integers(1, 4))
        card, centred = label_card(rng, assets, texture, height, codes, scale=texture / longest), rng.random() < 0.5
    scene.add(card, longest, rng.uniform(0, 0.8), roll_of(rng), rng.random() < 0.3, tries=8, centred=centred)


def compose_digital(scene: Scene) -> None:
    """A generated picture, screenshot, page or scan: upright, crisp, on white or a plain ground."""
    rng, assets = scene.rng, scene.assets
    if rng.random() < 0.14:
        compose_crop(scene)
        return
    style = rng.random()
    ground = np.empty((scene.height, scene.width, 3), np.uint8)
    ground[:] = 255 if rng.random() < 0.6 else rng.uniform(200, 255) if rng.random() < 0.6 else rng.uniform(0, 255, 3)
    if style < 0.45:
        codes = int(rng.choice([1, 2, 3, 5, 8], p=[0.35, 0.25, 0.2, 0.12, 0.08]))
        card = label_card(rng, assets, scene.width, scene.height, codes, plain=rng.random() < 0.8, ground=ground)
    elif style < 0.8:
        side = int(min(scene.width, scene.height) * rng.uniform(0.12, 1.0))
        scene.canvas = ground
        for _ in range(int(rng.choice([1, 2, 4], p=[0.6, 0.25, 0.15]))):
            card = single_card(rng, assets, side, plain=rng.random() < 0.8)
            place_upright(scene, card)
            side = int(rng.uniform(40, 260))
        return
    else:
        card = board_card(rng, assets, scene.width, scene.height)
        card.texture = card.texture[: scene.height, : scene.width]
    scene.canvas = ground
    place_upright(scene, card, at_zero=True)


def compose_crop(scene: Scene) -> None:
    """A picture cut close around one code: its longer side is the input's. Half are small pictures that are enlarged."""
    rng = scene.rng
    share = rng.uniform(0.08, 0.5) if rng.random() < 0.5 else rng.uniform(0.75, 1.0)
    card = single_card(rng, scene.assets, int(INPUT_PX * share), plain=rng.random() < 0.6)
    height, width = card.texture.shape[:2]
    factor = INPUT_PX / max(height, width)
    scene.width, scene.height = max(16, round(width * factor)), max(16, round(height * factor))
    scene.canvas = np.zeros((scene.height, scene.width, 3), np.uint8)
    way = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST], p=[0.6, 0.3, 0.1]))
    card.texture = cv2.resize(card.texture, (scene.width, scene.height), interpolation=way)
    card.codes = [code.scaled(factor) for code in card.codes]
    place_upright(scene, card, at_zero=True)


def place_upright(scene: Scene, card: Card, at_zero: bool = False) -> None:
    """Copies a card pixel for pixel; quarter turns only."""
    rng = scene.rng
    height, width = card.texture.shape[:2]
    if not at_zero and rng.random() < 0.25:
        card = Card(np.ascontiguousarray(np.rot90(card.texture)), [code.turned(width) for code in card.codes])
        height, width = width, height
    if height > scene.height or width > scene.width:
        factor = min(scene.height / height, scene.width / width)
        card = Card(
            cv2.resize(card.texture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA),
            [code.scaled(factor) for code in card.codes],
        )
        height, width = card.texture.shape[:2]
        height, width = min(height, scene.height), min(width, scene.width)
    x = 0 if at_zero else int(rng.integers(scene.width - width + 1))
    y = 0 if at_zero else int(rng.integers(scene.height - height + 1))
    if scene.covers_code(np.array([x, y, x + width, y + height], float)):
        return
    codes = [code.moved(x, y) for code in card.codes]
    entries = [(code, outline_of(code)) for code in codes]
    if not at_zero and not all(scene.admits(code, points) for code, points in entries):
        return
    scene.canvas[y : y + height, x : x + width] = card.texture[:height, :width, :3]
    for code, points in entries:
        if np.ptp(scene.clip(box_of(points)).reshape(2, 2), axis=0).min() > 4:
            scene.note(code, points)


def compose_empty(scene: Scene) -> None:
    background(scene)
    for _ in range(int(scene.rng.integers(0, 7))):
        add_decoy(scene, 25, 640)


# How a picture is composed, and how often.
COMPOSERS = [(compose_photo, 0.58), (compose_close, 0.16), (compose_digital, 0.15), (compose_empty, 0.11)]
