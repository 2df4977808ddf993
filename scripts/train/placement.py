"""Puts a flat card into a picture: bends it, tilts it in space, lights it, and says where its codes ended up."""

import cv2
import numpy as np

from cards import Card

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
    """The bent texture and, for each code, its class and outline points in texture px."""
    height, width = card.texture.shape[:2]
    map_x, map_y, shade = bend_map(rng, width, height)
    texture = cv2.remap(card.texture, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    if shade is not None:
        texture[..., :3] = np.clip(texture[..., :3] * shade[..., None], 0, 255).astype(np.uint8)
    outlines = []
    for label, *rectangle in card.codes:
        wanted = outline(*rectangle)
        points = wanted.copy()
        for _ in range(12):
            column = np.clip(points[:, 0].round().astype(int), 0, width - 1)
            row = np.clip(points[:, 1].round().astype(int), 0, height - 1)
            beyond = points - np.stack([column, row], 1)
            points -= 0.8 * (np.stack([map_x[row, column], map_y[row, column]], 1) + beyond - wanted)
        outlines.append((label, points))
    return texture, outlines


def tilt(rng: np.random.Generator, width: int, height: int, lean: float, roll: float) -> np.ndarray:
    """Corners of a `width` x `height` card seen by a camera, [4, 2] f32 centred on 0; `lean` is the most tilt in radians."""
    pitch, yaw = rng.uniform(-lean, lean, 2) * np.sqrt(rng.uniform(0, 1))
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


def light(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A soft change of light over an area, [height, width, 1] f32 around 1."""
    grid = 1 + rng.normal(0, rng.uniform(0.02, 0.22), (3, 3)).astype(np.float32)
    return np.clip(cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR), 0.3, 1.6)[..., None]


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
    alpha = texture[..., 3]
    if alpha.min() < 255:
        texture = texture.copy()
        texture[..., :3] = (texture[..., :3].astype(np.uint16) * alpha[..., None] // 255).astype(np.uint8)
    patch = cv2.warpPerspective(texture, homography, ((x2 - x1) * finer, (y2 - y1) * finer), flags=cv2.INTER_LINEAR)
    if finer == 2:
        patch = cv2.resize(patch, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)
    area = canvas[y1:y2, x1:x2].astype(np.float32)
    share = patch[..., 3:].astype(np.float32) / 255
    if rng.random() < 0.4:
        shift = rng.uniform(-8, 8, 2)
        shadow = cv2.warpAffine(patch[..., 3], np.float32([[1, 0, shift[0]], [0, 1, shift[1]]]), (x2 - x1, y2 - y1))
        shadow = cv2.blur(shadow, (9, 9)).astype(np.float32)[..., None] / 255
        area *= 1 - shadow * rng.uniform(0.1, 0.6)
    colour = patch[..., :3].astype(np.float32) * gain
    if rng.random() < 0.6:
        colour *= light(rng, x2 - x1, y2 - y1)
    canvas[y1:y2, x1:x2] = np.clip(area * (1 - share) + colour, 0, 255).astype(np.uint8)
