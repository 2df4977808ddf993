"""Composes the photographs bundled with the model: printed matter with codes, laid into photographs of Debian packages.

    python photos.py --files DIR --fonts DIR --out ../../models/codes/photos

DIR is the folder made by fetch_backgrounds.sh (its files/). None of these photographs is used in training.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

JPEG_BYTES_MAX = 350_000
INK = (24, 24, 26)


@dataclass
class Sheet:
    """A printed thing being set: a white or coloured page of PIL with helpers that take px of the page."""

    width: int
    height: int
    fonts: Path
    paper: tuple[int, int, int] = (250, 249, 246)

    def __post_init__(self):
        self.image = Image.new("RGB", (self.width, self.height), self.paper)
        self.pen = ImageDraw.Draw(self.image)

    def text(self, x: float, y: float, text: str, size: int, bold: bool = False, ink=INK, anchor: str = "la", mono: bool = False) -> None:
        name = "DejaVuSansMono.ttf" if mono else "LiberationSans-Bold.ttf" if bold else "LiberationSans-Regular.ttf"
        self.pen.text((x, y), text, fill=ink, font=ImageFont.truetype(str(self.fonts / name), size), anchor=anchor)

    def band(self, x: float, y: float, width: float, height: float, colour) -> None:
        self.pen.rectangle((x, y, x + width, y + height), fill=colour)

    def code(self, kind: str, content: str, x: int, y: int, width: int, height: int | None = None, ink=INK, **options) -> None:
        """A symbol `width` px wide (about: whole px a module); `height` for linear codes."""
        code = zxingcpp.create_barcode(content, getattr(zxingcpp, kind), **options)
        bits = np.asarray(zxingcpp.write_barcode_to_image(code, scale=1, add_hrt=False, add_quiet_zones=False))
        if height is not None:
            bits = bits[:1]
        pitch = max(1, width // bits.shape[1])
        big = np.repeat(np.repeat(bits, pitch, 1), height or pitch, 0)
        colour = np.where(big[..., None] < 128, np.uint8(ink), np.uint8(self.paper))
        self.image.paste(Image.fromarray(colour), (x, y))

    def marker(self, dictionary: str, index: int, x: int, y: int, side: int) -> None:
        table = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, dictionary))
        self.image.paste(Image.fromarray(cv2.aruco.generateImageMarker(table, index, side)).convert("RGB"), (x, y))

    def array(self) -> np.ndarray:
        return np.asarray(self.image)


def lay(
    picture: np.ndarray,
    sheet: np.ndarray,
    quad: list[tuple[float, float]],
    light: tuple[float, float, float],
    blur_px: float,
    shadow: tuple[float, float, float],
    slope: float = 0.0,
    curl: float = 0.0,
) -> np.ndarray:
    """Lays the sheet on `quad` (corners from top left, clockwise) of a float RGB picture.

    `light` multiplies its colours, `slope` darkens it towards its foot, `curl` shades it across; `shadow` is the shift
    in px and the depth of the shadow it casts. Edges and print are softened by `blur_px`, the photograph's own softness.
    """
    height, width = picture.shape[:2]
    fine = 2
    tall, wide = sheet.shape[:2]
    source = np.array([[0, 0], [wide, 0], [wide, tall], [0, tall]], np.float32)
    homography = cv2.getPerspectiveTransform(source, np.array(quad, np.float32) * fine)
    shade = (1 - slope * np.linspace(0, 1, tall)[:, None]) * (1 - curl * np.sin(np.linspace(0, np.pi, wide))[None] ** 2)
    lit = sheet.astype(np.float32) * shade[..., None].astype(np.float32) * np.float32(light)
    size = (width * fine, height * fine)
    patch = cv2.resize(
        cv2.warpPerspective(lit, homography, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE),
        (width, height),
        interpolation=cv2.INTER_AREA,
    )
    mask = cv2.resize(
        cv2.warpPerspective(np.full((tall, wide), 255, np.uint8), homography, size), (width, height), interpolation=cv2.INTER_AREA
    )
    mask = mask.astype(np.float32) / 255
    if blur_px > 0:
        patch, mask = cv2.GaussianBlur(patch, (0, 0), blur_px), cv2.GaussianBlur(mask, (0, 0), blur_px * 0.8)
    cast = cv2.warpAffine(mask, np.float32([[1, 0, shadow[0]], [0, 1, shadow[1]]]), (width, height))
    cast = cv2.GaussianBlur(cast, (0, 0), max(1.0, np.hypot(*shadow[:2]) * 0.45))[..., None]
    mask = mask[..., None]
    return picture * (1 - cast * shadow[2]) * (1 - mask) + patch * mask


def turned(cx: float, cy: float, width: float, height: float, degrees: float, narrow: float = 0.0) -> list[tuple[float, float]]:
    """Corners of a turned rectangle; `narrow` shortens its far (upper) side, as seen from above the near side."""
    angle = np.deg2rad(degrees)
    rows = []
    for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        px, py = x * width / 2 * (1 - narrow * (y < 0)), y * height / 2
        rows.append((cx + px * np.cos(angle) - py * np.sin(angle), cy + px * np.sin(angle) + py * np.cos(angle)))
    return rows


def boarding_pass(fonts: Path) -> np.ndarray:
    sheet = Sheet(1000, 460, fonts)
    sheet.band(0, 0, 1000, 84, (28, 74, 138))
    sheet.text(36, 18, "NORTHLINE", 46, True, (255, 255, 255))
    sheet.text(964, 24, "BOARDING PASS", 34, False, (225, 235, 250), "ra")
    for x, y, name, value in (
        (36, 120, "FROM", "OSL"),
        (240, 120, "TO", "TRD"),
        (36, 270, "GATE", "B14"),
        (200, 270, "SEAT", "21C"),
        (360, 270, "BOARDING", "07:35"),
    ):
        sheet.text(x, y, name, 26, False, (110, 116, 126))
        sheet.text(x, y + 32, value, 64, True)
    sheet.text(36, 400, "NL 4482   22 NOV   SEQ 041", 28, mono=True)
    sheet.code("Aztec", "M1PASSENGER/TEST EABC123 OSLTRDNL 4482 326Y021C0041 100", 690, 130, 280)
    return sheet.array()


def receipt(fonts: Path) -> np.ndarray:
    sheet = Sheet(420, 820, fonts, (252, 251, 247))
    sheet.text(210, 30, "CORNER CAFE", 40, True, anchor="ma")
    sheet.text(210, 84, "Mill Street 4", 24, anchor="ma")
    for row, (name, price) in enumerate((("Espresso", "2.40"), ("Croissant", "2.90"), ("Water 0.5", "1.80"), ("Discount", "-0.60"))):
        sheet.text(30, 160 + row * 44, name, 28, mono=True)
        sheet.text(390, 160 + row * 44, price, 28, anchor="ra", mono=True)
    sheet.band(30, 346, 360, 3, INK)
    sheet.text(30, 366, "TOTAL", 36, True)
    sheet.text(390, 366, "6.50", 36, True, anchor="ra")
    sheet.text(210, 440, "22.11. 08:14  Till 2", 24, anchor="ma", mono=True)
    sheet.code("Code128", "R2211-0814-02", 40, 510, 340, 150)
    sheet.text(210, 676, "R2211-0814-02", 24, anchor="ma", mono=True)
    sheet.text(210, 740, "Thank you!", 34, True, anchor="ma")
    return sheet.array()


def loyalty_card(fonts: Path) -> np.ndarray:
    sheet = Sheet(640, 400, fonts, (245, 236, 220))
    sheet.band(0, 0, 230, 400, (92, 46, 26))
    sheet.text(115, 120, "10th", 60, True, (245, 236, 220), "ma")
    sheet.text(115, 190, "cup free", 36, False, (245, 236, 220), "ma")
    sheet.code("QRCode", "https://example.org/corner-cafe/card/48213", 300, 54, 290, ink=(60, 28, 14), ec_level="M")
    sheet.text(445, 352, "Scan at the till", 28, False, (60, 28, 14), "ma")
    return sheet.array()


def price_label(fonts: Path) -> np.ndarray:
    sheet = Sheet(900, 560, fonts)
    sheet.band(0, 0, 900, 96, (206, 30, 36))
    sheet.text(40, 20, "FIGS, FRESH", 54, True, (255, 255, 255))
    sheet.text(40, 120, "Origin: Turkey   Class I", 34)
    sheet.text(40, 166, "Packed 21 Nov   Lot 7F31", 34)
    sheet.text(860, 130, "1.99", 130, True, anchor="ra")
    sheet.code("EAN13", "400638133393", 60, 270, 480, 200)
    sheet.text(300, 486, "4 006381 333931", 40, anchor="ma", mono=True)
    sheet.code("DataMatrix", "01040063811333931721112210LOT7F31", 690, 320, 160)
    return sheet.array()


def shipping_note(fonts: Path) -> np.ndarray:
    sheet = Sheet(1000, 640, fonts, (253, 252, 248))
    sheet.pen.rectangle((10, 10, 990, 630), outline=INK, width=4)
    sheet.text(40, 40, "DELIVERY NOTE", 56, True)
    sheet.text(960, 50, "No. 20815", 44, anchor="ra", mono=True)
    for row, line in enumerate(("Orchard & Daughters", "12 Quay Road, Unit 3", "Pallet 4 of 6   net 312 kg")):
        sheet.text(40, 130 + row * 50, line, 38)
    sheet.band(20, 300, 960, 3, INK)
    sheet.code("PDF417", "NOTE 20815;ORCHARD;PALLET 4/6;312KG;FIGS;2026-11-21", 60, 340, 880, columns=5)
    return sheet.array()


def recipe_tag(fonts: Path) -> np.ndarray:
    sheet = Sheet(520, 620, fonts)
    sheet.text(260, 36, "RECIPE", 64, True, anchor="ma")
    sheet.code("QRCode", "https://example.org/recipes/fig-tart", 90, 130, 340, ec_level="M")
    sheet.text(260, 510, "Fig tart, 40 min", 40, anchor="ma")
    return sheet.array()


def marker_card(fonts: Path, dictionary: str, index: int, caption: str) -> np.ndarray:
    sheet = Sheet(500, 560, fonts)
    sheet.marker(dictionary, index, 60, 50, 380)
    sheet.text(250, 462, caption, 40, anchor="ma", mono=True)
    return sheet.array()


def poster(fonts: Path) -> np.ndarray:
    sheet = Sheet(600, 780, fonts, (250, 247, 238))
    sheet.band(0, 0, 600, 170, (22, 96, 92))
    sheet.text(300, 34, "TASTING", 84, True, (255, 255, 255), "ma")
    sheet.code("QRCode", "https://example.org/tasting", 110, 220, 400, ec_level="M")
    sheet.text(300, 650, "Fridays, 7 pm", 58, True, anchor="ma")
    return sheet.array()


def asset_label(fonts: Path) -> np.ndarray:
    sheet = Sheet(760, 420, fonts)
    sheet.text(380, 26, "STUDIO 3  -  ASSET", 50, True, anchor="ma")
    sheet.code("Code39", "ST3-00417", 60, 110, 640, 200)
    sheet.text(380, 334, "ST3-00417", 54, anchor="ma", mono=True)
    return sheet.array()


def score_sheet(fonts: Path) -> np.ndarray:
    sheet = Sheet(900, 640, fonts)
    sheet.text(40, 36, "TASTING SHEET", 60, True)
    for row in range(4):
        sheet.text(40, 140 + row * 64, ("Colour", "Nose", "Body", "Finish")[row], 42)
        sheet.text(330, 140 + row * 64, ("ruby", "cherry, oak", "medium", "long")[row], 42)
    sheet.code("DataMatrix", "TASTING;ROOM3;TABLE2;BOTTLE5", 600, 140, 240)
    sheet.code("PDF417", "TASTING SHEET 5;ROOM 3;2026-11-27", 60, 425, 780, columns=3)
    return sheet.array()


def finish(picture: np.ndarray, path: Path, noise: float, seed: int) -> None:
    """Grain over everything, so that print and photograph share it, and a JPEG under the size limit."""
    rng = np.random.default_rng(seed)
    picture = np.clip(picture + rng.normal(0, noise, picture.shape[:2])[..., None], 0, 255).astype(np.uint8)
    for quality in range(90, 50, -2):
        data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        if len(data) <= JPEG_BYTES_MAX:
            break
    path.write_bytes(data.tobytes())
    print(f"photos: {path.name} {picture.shape[1]}x{picture.shape[0]}, {len(data) / 1000:.0f} kB")


def load(path: Path, crop: tuple[int, int] | None, width: int) -> np.ndarray:
    """Rows `crop` of a photograph scaled to `width` px, f32 RGB."""
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    picture = picture[slice(*crop)] if crop else picture
    height = round(picture.shape[0] * width / picture.shape[1])
    way = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=way).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=Path, required=True)
    parser.add_argument("--fonts", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    fonts, walls = arguments.fonts, arguments.files / "lomiri-wallpapers-16.04/usr/share/backgrounds"
    arguments.out.mkdir(parents=True, exist_ok=True)

    desk = load(arguments.files / "python3-skimage/usr/lib/python3/dist-packages/skimage/data/coffee.png", None, 1280)
    lamp = (1.0, 0.87, 0.72)
    desk = lay(desk, boarding_pass(fonts), turned(1110, 128, 360, 172, 14, 0.06), lamp, 1.1, (-5, 7, 0.5), 0.1)
    desk = lay(desk, loyalty_card(fonts), turned(1140, 690, 250, 160, -24, 0.04), (0.88, 0.74, 0.58), 1.1, (-5, 6, 0.5), 0.12)
    desk = lay(desk, receipt(fonts), turned(118, 655, 190, 360, 17, 0.05), (0.92, 0.79, 0.63), 1.1, (5, 6, 0.5), 0.15, 0.08)
    finish(desk, arguments.out / "desk.jpg", 2.0, 1)

    counter = load(walls / "Picture_0B_by_freespace.jpg", None, 1440)
    sun = (0.98, 0.97, 0.95)
    counter = lay(counter, price_label(fonts), turned(196, 622, 340, 212, -11), sun, 0.5, (-5, -4, 0.6))
    counter = lay(counter, shipping_note(fonts), turned(300, 858, 330, 205, 4), sun, 0.5, (-4, -3, 0.6), 0, 0.04)
    counter = lay(counter, recipe_tag(fonts), turned(104, 138, 168, 200, 9), sun, 0.5, (-4, -4, 0.6))
    counter = lay(counter, marker_card(fonts, "DICT_4X4_50", 7, "ID 7"), turned(1342, 84, 118, 132, -8), sun, 0.5, (-4, -4, 0.6))
    finish(counter, arguments.out / "counter.jpg", 2.0, 2)

    room = load(walls / "Wine_by_Jakkub_Mede.jpg", (0, 1700), 1500)
    room = lay(room, poster(fonts), [(972, 362), (1104, 364), (1102, 535), (971, 532)], (0.78, 0.74, 0.67), 1.5, (3, 4, 0.35), 0.08)
    room = lay(room, asset_label(fonts), [(286, 392), (466, 389), (466, 490), (287, 491)], (0.74, 0.69, 0.62), 1.5, (3, 3, 0.35), 0.06)
    room = lay(
        room,
        marker_card(fonts, "DICT_APRILTAG_36h11", 23, "TAG 23"),
        [(58, 620), (212, 618), (218, 792), (66, 797)],
        (0.66, 0.56, 0.48),
        1.5,
        (3, 3, 0.4),
        0.1,
    )
    room = lay(room, score_sheet(fonts), [(816, 562), (1012, 548), (1016, 690), (820, 711)], (0.74, 0.68, 0.6), 1.2, (4, 6, 0.45), 0.08)
    finish(room, arguments.out / "room.jpg", 2.5, 3)


if __name__ == "__main__":
    main()
