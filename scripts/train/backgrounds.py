"""Packs photographs, textures and screenshots of Debian packages into one file of small JPEGs, and reads it back.

A picture in which zxing-cpp or OpenCV finds a code is left out, so is a near copy of one already taken. The split is by
picture: every fifth one goes to validation and is never seen in training.

    python backgrounds.py --files DIR --out assets/backgrounds.npz --megabytes 48
"""

import argparse
import hashlib
import re
from pathlib import Path

import cv2
import numpy as np

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".jxl"}
SIDE_MIN_PX = 240
# The side a picture is scaled to (its longest, px) and how many of a package are taken: photographs are worth more pixels.
PACKAGES = {
    "ufoai-textures": (416, 430),
    "torcs-data": (416, 130),
    "supertuxkart-data": (416, 240),
    "gimp-help-en": (560, 110),
    "opencv-doc": (576, 190),
    "gcompris-qt-data": (608, 290),
    "tuxpaint-stamps-default": (400, 160),
}
DEFAULT_PACKAGE = (768, 60)
# Pictures kept for the bundled photographs, calibration sheets with markers, and normal maps: never a background.
EXCLUDED = re.compile(
    r"aruco|marker|diamond|board|chcorners|chocorners|barcode|qrcode|qr_|_nm\.|_norm|normal|_spec|_gloss|_height"
    r"|motorcycle|coffee|/brick|_by_freespace|Wine_by|left\d\d|right\d\d",
    re.I,
)


class Backgrounds:
    """The pictures of one packed file. `split` is "train", "val" or "all"."""

    def __init__(self, path: str, split: str):
        with np.load(path) as data:
            self._blob, starts, is_val = data["blob"], data["starts"], data["is_val"]
        chosen = {"train": ~is_val, "val": is_val, "all": np.ones_like(is_val)}[split]
        self._spans = [(int(starts[i]), int(starts[i + 1])) for i in np.flatnonzero(chosen)]

    def __len__(self) -> int:
        return len(self._spans)

    def __getitem__(self, index: int) -> np.ndarray:
        """[H, W, 3] uint8, RGB."""
        start, end = self._spans[index]
        return cv2.cvtColor(cv2.imdecode(self._blob[start:end], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def crop(self, rng: np.random.Generator, width: int, height: int) -> np.ndarray:
        """A random crop of a random picture, scaled to `width` x `height` px; enlarged at most about four times."""
        picture = self[int(rng.integers(len(self)))]
        tall, wide = picture.shape[:2]
        fit = min(wide / width, tall / height)
        zoom = fit * rng.uniform(0.35 if fit > 0.6 else 0.7, 1.0)
        crop_w, crop_h = max(8, int(width * zoom)), max(8, int(height * zoom))
        x, y = int(rng.integers(wide - crop_w + 1)), int(rng.integers(tall - crop_h + 1))
        picture = picture[y : y + crop_h, x : x + crop_w]
        return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if zoom > 1 else cv2.INTER_LINEAR)


def shows_code(picture: np.ndarray) -> bool:
    """Whether a decoder finds a code or a marker in the picture ([H, W, 3] uint8)."""
    import zxingcpp

    if zxingcpp.read_barcodes(picture):
        return True
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    for name in ("DICT_5X5_1000", "DICT_6X6_250", "DICT_APRILTAG_36h11"):
        detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, name)))
        _, ids, _ = detector.detectMarkers(gray)
        if ids is not None and len(ids) > 0:
            return True
    return False


def unpack_rcc(folder: Path) -> None:
    """Writes the WebP pictures inside Qt resource files (gcompris) beside them as `NAME_OFFSET.webp`."""
    for resource in folder.rglob("*.rcc"):
        data = resource.read_bytes()
        for match in re.finditer(rb"RIFF(....)WEBP", data, re.S):
            size = int.from_bytes(match.group(1), "little") + 8
            if size > 8000:
                resource.with_name(f"{resource.stem}_{match.start()}.webp").write_bytes(data[match.start() : match.start() + size])


def load_rgb(path: Path) -> np.ndarray | None:
    """The picture over grey where it is transparent, or None when it is too small, not a picture, or nearly flat."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    try:
        image = Image.open(path)
        if min(image.size) < SIDE_MIN_PX or max(image.size) / min(image.size) > 4:
            return None
        image.draft("RGB", (1800, 1800))
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (236, 234, 230, 255))
        picture = np.asarray(Image.alpha_composite(ground, image).convert("RGB"))
    except (OSError, ValueError):
        return None
    flat_blue = picture[..., 2].mean() > 210 and abs(picture[..., 0].mean() - 128) < 16 and abs(picture[..., 1].mean() - 128) < 16
    return None if flat_blue or picture.std() < 6 else picture


def collect(files: Path, megabytes: float):
    """Yields (JPEG bytes, is validation) until all is taken or the size is reached."""
    thumbnails = np.zeros((0, 64), np.int16)
    taken_bytes = 0
    for package in sorted(path for path in files.iterdir() if path.is_dir()):
        side, count = PACKAGES.get(package.name, DEFAULT_PACKAGE)
        paths = [
            p for p in package.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file() and not EXCLUDED.search(str(p.relative_to(files)))
        ]
        paths.sort(key=lambda p: hashlib.sha1(str(p.relative_to(files)).encode()).digest())
        taken = 0
        for path in paths:
            if taken >= count or taken_bytes > megabytes * 1e6:
                break
            picture = load_rgb(path)
            if picture is None:
                continue
            small = (
                cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (8, 8), interpolation=cv2.INTER_AREA).astype(np.int16).reshape(1, 64)
            )
            if len(thumbnails) and np.abs(thumbnails - small).mean(1).min() < 5:
                continue
            if max(picture.shape[:2]) > 1600:
                factor = 1600 / max(picture.shape[:2])
                picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            if shows_code(picture):
                print("left out, shows a code:", path.relative_to(files))
                continue
            factor = min(1.0, side / max(picture.shape[:2]))
            picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 70])[1].reshape(-1)
            thumbnails = np.concatenate([thumbnails, small])
            taken += 1
            taken_bytes += len(encoded)
            yield encoded, taken % 5 == 0
        print(f"backgrounds: {taken} of {package.name}, {taken_bytes / 1e6:.1f} MB so far", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=Path, required=True, help="folder made by fetch_backgrounds.sh (its files/)")
    parser.add_argument("--out", required=True)
    parser.add_argument("--megabytes", type=float, default=48)
    arguments = parser.parse_args()
    try:
        import pillow_jxl  # noqa: F401  (lets Pillow open the JPEG XL wallpapers)
    except ImportError:
        pass
    unpack_rcc(arguments.files)
    rows = list(collect(arguments.files, arguments.megabytes))
    np.savez(
        arguments.out,
        blob=np.concatenate([data for data, _ in rows]),
        starts=np.cumsum([0] + [len(data) for data, _ in rows]),
        is_val=np.array([is_val for _, is_val in rows]),
    )
    print(f"backgrounds: {len(rows)} pictures, {sum(v for _, v in rows)} of them for validation")


if __name__ == "__main__":
    main()
