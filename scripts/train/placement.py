"""Puts a flat card into a picture: bends it, tilts it in space, lights it, and says where its codes ended up."""

import cv2
import numpy as np

from cards import Card
from codes import Code

# Points along each side of a code's outline: enough for the box of a bent code to be within a pixel.
OUTLINE_STEPS = 12


def outline(x: float, y: float, width: float, height: float) -> np.ndarray:
    """Points around a rectangle's edge, [4 * OUTLINE_STEPS, 2] f32."""
    along = np.linspace(0, 1, OUTLINE_STEPS, endpoint=False)
    top = np.stack([x + along * width, np.full_like(along, y)], 1)
    right = np.stack([np.full_like(along, x + width), y + along * height], 1)
    foot = np.stack([x + (1 - along) * width, np.full_like(along, y + height)], 1)
    left = np.stack([np.full_like(along, x), y + (1 - along) * height], 1)
    return np.concatenate([top, right, foot, left]).astype(np.float32)


def shine(rng: np.random.Generator, texture: np.ndarray) -> np.ndarray:
    """Streaks of light along a curved, glossy card, so that print under them is faint."""
    height, width = texture.shape[:2]
    at = np.linspace(-1, 1, width, dtype=np.float32)
    haze = np.full(width, rng.uniform(0, 0.4) if rng.random() < 0.4 else 0, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        haze += rng.uniform(0.15, 0.75) * np.exp(-(((at - rng.uniform(-0.9, 0.9)) / rng.uniform(0.03, 0.5)) ** 2))
    haze = np.clip(haze, 0, 0.86)
    light = np.repeat(np.stack([haze * rng.uniform(200, 255)] * 3 + [np.zeros_like(haze)], 1)[None], height, 0)
    keep = np.repeat(np.stack([1 - haze] * 3 + [np.ones_like(haze)], 1)[None], height, 0)
    dulled = cv2.add(cv2.multiply(texture, keep, dtype=cv2.CV_8U), light.astype(np.uint8))
    dulled[texture[..., 3] == 0] = 0
    return dulled


def outline_of(code: Code) -> np.ndarray:
    return outline(code.x, code.y, code.width, code.height)


def margin_of(code: Code, points: np.ndarray) -> float:
    """`Code.margin` of a code seen with this outline."""
    corners = points[::OUTLINE_STEPS]
    sides = np.linalg.norm(np.roll(corners, -1, 0) - corners, axis=1)
    return code.margin(float(min(sides[0], sides[2])), float(min(sides[1], sides[3])))


def bend_map(rng: np.random.Generator, width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Source coordinates for each pixel of a bent card ([height, width] f32 each) and its shading (or None).

    A third are cylinders (cans, bottles), the others paper that waves or is crumpled.
    """
    xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    if rng.random() < 0.45:
        reach = rng.uniform(0.4, 1.2)
        u = xs / (width - 1) * 2 - 1
        angle = np.arcsin(np.clip(u * np.sin(reach), -1, 1))
        source_x = (angle / reach + 1) / 2 * (width - 1)
        droop = rng.uniform(-0.12, 0.12) * height
        source_y = ys + droop * (np.cos(angle) - 1) / (1 - np.cos(reach))
        return source_x, source_y, (0.55 + 0.45 * np.cos(angle + rng.uniform(-0.5, 0.5))).astype(np.float32)
    cells = int(rng.integers(2, 5))
    strength = rng.uniform(0.006, 0.03) * min(width, height) / cells * 3
    shifts = rng.normal(0, 1, (2, cells + 1, cells + 1)).astype(np.float32)
    big = [cv2.resize(shift, (width, height), interpolation=cv2.INTER_CUBIC) * strength for shift in shifts]
    relief = cv2.Sobel(cv2.resize(shifts[0], (width, height), interpolation=cv2.INTER_CUBIC), cv2.CV_32F, 1, 0, ksize=5)
    shade = 1 + np.clip(relief / (np.abs(relief).max() + 1e-6), -1, 1) * rng.uniform(0, 0.25)
    return xs + big[0], ys + big[1], shade


def bend(rng: np.random.Generator, card: Card) -> tuple[np.ndarray, list]:
    """The bent texture and the outline points of each code in texture px."""
    height, width = card.texture.shape[:2]
    map_x, map_y, shade = bend_map(rng, width, height)
    texture = cv2.remap(card.texture, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    if shade is not None:
        texture = cv2.multiply(texture, cv2.merge([shade, shade, shade, np.ones_like(shade)]), dtype=cv2.CV_8U)
        if rng.random() < 0.35:
            texture = shine(rng, texture)
    outlines = []
    for code in card.codes:
        wanted = outline_of(code)
        points = wanted.copy()
        for _ in range(12):
            column = np.clip(points[:, 0].round().astype(int), 0, width - 1)
            row = np.clip(points[:, 1].round().astype(int), 0, height - 1)
            beyond = points - np.stack([column, row], 1)
            points -= 0.8 * (np.stack([map_x[row, column], map_y[row, column]], 1) + beyond - wanted)
        outlines.append(points)
    return texture, outlines


def tilt(rng: np.random.Generator, width: int, height: int, lean: float, roll: float) -> np.ndarray:
    """Corners of a `width` x `height` card seen by a camera, [4, 2] f32 centred on 0; `lean` is the most tilt in radians."""
    pitch, yaw = rng.uniform(-lean, lean, 2) * np.sqrt(rng.uniform(0, 1))
    if lean > 1 and rng.random() < 0.06:
        yaw = rng.choice([-1, 1]) * rng.uniform(1.0, 1.3)
    focal = rng.uniform(1.1, 4.0) * max(width, height)
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * (width / 2, height / 2, 1)
    turn_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    turn_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    turn_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    seen = corners @ (turn_z @ turn_y @ turn_x).T
    return (seen[:, :2] * focal / (focal + seen[:, 2:])).astype(np.float32)


def box_of(points: np.ndarray) -> np.ndarray:
    """x1, y1, x2, y2 around points [N, 2]."""
    return np.concatenate([points.min(0), points.max(0)])


def project(points: np.ndarray, homography: np.ndarray) -> np.ndarray:
    return cv2.perspectiveTransform(points[None], homography)[0]


def light(rng: np.random.Generator, width: int, height: int, gain: np.ndarray) -> np.ndarray:
    """A soft change of light over an area around `gain` (RGB), [height, width, 3] f32."""
    grid = np.clip(1 + rng.normal(0, rng.uniform(0.02, 0.22), (3, 3)), 0.3, 1.6)[..., None] * gain
    return cv2.resize(grid.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def paste(rng: np.random.Generator, canvas: np.ndarray, texture: np.ndarray, corners: np.ndarray, gain: np.ndarray) -> None:
    """Warps the texture (RGBA) to `corners` and blends it into the canvas, multiplied by `gain` (RGB) and a change of light."""
    tall, wide = canvas.shape[:2]
    x1, y1 = np.maximum(np.floor(corners.min(0)).astype(int) - 2, 0)
    x2, y2 = np.minimum(np.ceil(corners.max(0)).astype(int) + 3, (wide, tall))
    if x2 - x1 < 2 or y2 - y1 < 2:
        return
    height, width = texture.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
    finer = 2 if rng.random() < 0.6 and (x2 - x1) * (y2 - y1) < 250_000 else 1
    goal = (corners - (x1, y1)) * finer - 0.5
    homography = cv2.getPerspectiveTransform(source, goal.astype(np.float32))
    alpha = cv2.extractChannel(texture, 3)
    if cv2.minMaxLoc(alpha)[0] < 255:
        texture = cv2.multiply(texture, cv2.merge([alpha, alpha, alpha, np.full_like(alpha, 255)]), scale=1 / 255)
    patch = cv2.warpPerspective(texture, homography, ((x2 - x1) * finer, (y2 - y1) * finer), flags=cv2.INTER_LINEAR)
    if finer == 2:
        patch = cv2.resize(patch, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)
    area, beside = canvas[y1:y2, x1:x2], 255 - cv2.extractChannel(patch, 3)
    if rng.random() < 0.4:
        shift = rng.uniform(-8, 8, 2)
        shadow = cv2.warpAffine(255 - beside, np.float32([[1, 0, shift[0]], [0, 1, shift[1]]]), (x2 - x1, y2 - y1))
        kept = cv2.addWeighted(cv2.blur(shadow, (9, 9)), -rng.uniform(0.1, 0.6), shadow, 0, 255)
        area = cv2.multiply(area, cv2.merge([kept] * 3), scale=1 / 255)
    lit = light(rng, x2 - x1, y2 - y1, gain) if rng.random() < 0.6 else np.broadcast_to(gain.astype(np.float32), (y2 - y1, x2 - x1, 3))
    colour = cv2.multiply(cv2.cvtColor(patch, cv2.COLOR_RGBA2RGB), np.ascontiguousarray(lit), dtype=cv2.CV_8U)
    canvas[y1:y2, x1:x2] = cv2.add(cv2.multiply(area, cv2.merge([beside] * 3), scale=1 / 255), colour)
