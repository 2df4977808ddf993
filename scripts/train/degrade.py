"""What a camera, a lens and a file format do to a picture: light, blur, noise, sharpening, compression, rescaling."""

import cv2
import numpy as np


def motion_kernel(rng: np.random.Generator, length: float) -> np.ndarray:
    side = int(np.ceil(length)) | 1
    kernel = np.zeros((side, side), np.float32)
    angle, centre = rng.uniform(0, np.pi), (side - 1) / 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    start, end = centre - reach, centre + reach
    cv2.line(kernel, tuple(start.round().astype(int).tolist()), tuple(end.round().astype(int).tolist()), 1.0, 1, cv2.LINE_AA)
    return kernel / max(kernel.sum(), 1e-6)


def blur(rng: np.random.Generator, picture: np.ndarray, side_min_px: float, margin: float) -> np.ndarray:
    """Defocus or motion, no stronger than leaves the finest code to be seen as one: its modules and its short side say how much."""
    if rng.random() < 0.85:
        most = np.clip(min(0.04 * side_min_px, 0.5 * margin), 0.45, 5)
    else:
        most = np.clip(min(0.07 * side_min_px, 0.8 * margin), 0.5, 7)
    strength = rng.uniform(0.25, 1) * most
    kind = rng.random()
    if kind < 0.5:
        return cv2.GaussianBlur(picture, (0, 0), max(0.3, strength))
    if kind < 0.65:
        size = int(3 * strength) | 1
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)).astype(np.float32)
        return cv2.filter2D(picture, -1, disc / disc.sum())
    return cv2.filter2D(picture, -1, motion_kernel(rng, max(2.0, strength * 3)))


def lighting(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Fall-off, a hard-edged shadow or a bright spot over the whole picture."""
    height, width = picture.shape[:2]
    kind = rng.random()
    small_w, small_h = max(2, width // 8), max(2, height // 8)
    xs, ys = np.meshgrid(np.linspace(-1, 1, small_w, dtype=np.float32), np.linspace(-1, 1, small_h, dtype=np.float32))
    if kind < 0.4:
        angle = rng.uniform(0, 2 * np.pi)
        gain = 1 + rng.uniform(0.1, 0.5) * (xs * np.cos(angle) + ys * np.sin(angle))
    elif kind < 0.6:
        gain = 1 - rng.uniform(0.1, 0.6) * np.clip(xs**2 + ys**2, 0, 2) / 2
    elif kind < 0.8:
        angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.6, 0.6)
        edge = (xs * np.cos(angle) + ys * np.sin(angle) - offset) * rng.uniform(2, 40)
        gain = 1 - rng.uniform(0.2, 0.6) / (1 + np.exp(-edge))
    else:
        x, y = rng.uniform(-0.8, 0.8, 2)
        spread = rng.uniform(0.03, 0.25)
        spot = np.exp(-((xs - x) ** 2 * rng.uniform(0.6, 2) + (ys - y) ** 2) / spread)[..., None]
        spot = cv2.resize(spot * rng.uniform(40, 190), (width, height)).astype(np.uint8)
        return cv2.add(picture, cv2.merge([spot] * 3))
    gain = cv2.resize(gain.astype(np.float32), (width, height))
    return cv2.multiply(picture, cv2.merge([gain] * 3), dtype=cv2.CV_8U)


def tone_table(rng: np.random.Generator) -> np.ndarray:
    """A table [256, 3] uint8 of exposure, contrast, gamma and white balance."""
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[:, None] ** rng.uniform(0.65, 1.5)
    contrast = rng.uniform(0.5, 1.25)
    level = (ramp - 0.5) * contrast + 0.5 + rng.uniform(-0.15, 0.12)
    balance = 1 + rng.normal(0, 0.06, 3) if rng.random() < 0.6 else np.ones(3)
    return np.clip(level * balance * 255, 0, 255).astype(np.uint8)


def add_noise(rng: np.random.Generator, picture: np.ndarray, margin: float) -> np.ndarray:
    """Grain, grey or coloured; fine modules get less of it."""
    strength = rng.uniform(1, 14) if rng.random() < 0.85 else rng.uniform(14, 30)
    strength = min(strength, 5 + 7 * margin)
    height, width = picture.shape[:2]
    grey = rng.random() < 0.5
    noise = np.empty((height, width) if grey else (height, width, 3), np.int16)
    cv2.randn(noise, 0, strength)
    if rng.random() < 0.3:
        noise = cv2.blur(noise, (2, 2))
    return cv2.add(picture, cv2.merge([noise] * 3) if grey else noise, dtype=cv2.CV_8U)


def compress(rng: np.random.Generator, picture: np.ndarray, margin: float) -> np.ndarray:
    """JPEG; fine modules are spared the coarsest qualities."""
    quality = int(rng.choice([rng.uniform(12, 35), rng.uniform(35, 75), rng.uniform(75, 96)], p=[0.15, 0.45, 0.4]))
    quality = max(quality, int(np.clip(60 - 12 * margin, 12, 48)))
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def rescale(rng: np.random.Generator, picture: np.ndarray, side_min_px: float, margin: float) -> np.ndarray:
    """Down and up again, as a cheap sensor or a zoomed picture; codes keep at least some 12 px, and modules their least size."""
    floor = np.clip(max(12 / max(side_min_px, 1), 0.9 / margin), 0.3, 0.95)
    factor = rng.uniform(floor, 1)
    height, width = picture.shape[:2]
    ways = [cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_NEAREST]
    small = cv2.resize(
        picture,
        (max(8, int(width * factor)), max(8, int(height * factor))),
        interpolation=ways[int(rng.choice(4, p=[0.45, 0.4, 0.1, 0.05]))],
    )
    return cv2.resize(small, (width, height), interpolation=ways[int(rng.choice([0, 2, 3], p=[0.55, 0.35, 0.1]))])


def sharpen(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    amount = rng.uniform(0.3, 1.8)
    return cv2.addWeighted(picture, 1 + amount, cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.7, 2)), -amount, 0)


def screen_pattern(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Moire and scan lines of a photographed screen."""
    height, width = picture.shape[:2]
    ys, xs = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None]
    angle, period = rng.uniform(0, np.pi), rng.uniform(2, 14)
    wave = np.cos((xs * np.cos(angle) + ys * np.sin(angle)) * 2 * np.pi / period)
    return cv2.multiply(picture, cv2.merge([1 + rng.uniform(0.02, 0.14) * wave] * 3), dtype=cv2.CV_8U)


def degrade(rng: np.random.Generator, picture: np.ndarray, side_min_px: float, margin: float, strength: float) -> np.ndarray:
    """A picture as a camera would give it. `strength` 0 leaves it clean, 1 is the whole range.

    `side_min_px` is the short side of the smallest code, `margin` the least of the codes' `Code.margin`.
    """

    def happens(chance: float) -> bool:
        return rng.random() < chance * strength

    if happens(0.35):
        picture = lighting(rng, picture)
    if happens(0.06):
        picture = screen_pattern(rng, picture)
    if happens(0.5):
        picture = blur(rng, picture, side_min_px, margin)
    if happens(0.3):
        picture = rescale(rng, picture, side_min_px, margin)
    if happens(0.65):
        picture = cv2.LUT(picture, tone_table(rng)[:, None, :].reshape(256, 1, 3))
    if happens(0.12):
        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        picture = cv2.merge([gray, gray, gray])
    elif happens(0.2):
        gray = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        keep = float(rng.uniform(0.2, 1.5))
        picture = cv2.addWeighted(picture, keep, gray, 1 - keep, 0)
    if happens(0.5):
        picture = add_noise(rng, picture, margin)
    if happens(0.2):
        picture = sharpen(rng, picture)
    if rng.random() < 0.15 + 0.6 * strength:
        picture = compress(rng, picture, margin)
    return picture
