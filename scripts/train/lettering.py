"""Text for labels, papers and screens: random words set in the fonts of one folder."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WORDS = (
    "order box fragile lot batch serial net weight made in date best before qty ship to from parcel express return item "
    "model size colour red blue steel wood store price sale new open close push pull exit north south line gate seat row "
    "ticket train coach flight hotel room floor table menu coffee tea milk bread sugar water juice apple orange lemon "
    "vitamin tablet dose keep dry store cool warning danger high voltage service scan here pay now download app visit us "
    "website www http com org phone mail street city code name total tax cash card thank you welcome invoice receipt page"
).split()


def draw_text(rng: np.random.Generator, alphabet: str, letters: int) -> str:
    return "".join([alphabet[index] for index in rng.integers(len(alphabet), size=letters)])


class Lettering:
    """Draws lines and paragraphs with fonts (.ttf, .otf) found under `folder`; sizes are heights in px."""

    def __init__(self, folder: str):
        self._paths = sorted(str(path) for path in Path(folder).rglob("*") if path.suffix in (".ttf", ".otf"))
        if not self._paths:
            raise FileNotFoundError(f'No fonts in "{folder}"')
        self._fonts: dict[tuple[int, int], ImageFont.FreeTypeFont] = {}

    def font(self, which: int, size: int) -> ImageFont.FreeTypeFont:
        size = int(max(5, size if size < 24 else 4 * round(size / 4)))
        key = (which % len(self._paths), size)
        if key not in self._fonts:
            self._fonts[key] = ImageFont.truetype(self._paths[key[0]], size)
        return self._fonts[key]

    def phrase(self, rng: np.random.Generator, letters: int) -> str:
        """Words, capitals or numbers of about `letters` characters."""
        style = rng.random()
        if style < 0.3:
            text = draw_text(rng, "0123456789" + (" -/" if rng.random() < 0.5 else ""), letters)
        elif style < 0.4:
            text = draw_text(rng, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", letters)
        else:
            words = [WORDS[index] for index in rng.integers(len(WORDS), size=letters // 3 + 1)]
            text = " ".join(words)[: max(letters, 1)]
            text = text.upper() if style < 0.65 else text.capitalize() if style < 0.85 else text
        return text

    def line(self, rng: np.random.Generator, width: int, height: int, text: str | None = None) -> np.ndarray:
        """One line that fits the area, as coverage [height, width] uint8."""
        image = Image.new("L", (max(1, width), max(1, height)), 0)
        text = text or self.phrase(rng, max(2, int(width / max(3, height) * 1.7)))
        font = self.font(int(rng.integers(1000)), int(height * 0.8))
        ImageDraw.Draw(image).text((0, height * 0.02), text, fill=255, font=font)
        return np.asarray(image)

    def spread(self, rng: np.random.Generator, width: int, height: int, text: str) -> np.ndarray:
        """The characters of `text` spread over the width, as under a retail barcode."""
        image = Image.new("L", (max(1, width), max(1, height)), 0)
        draw, font = ImageDraw.Draw(image), self.font(int(rng.integers(1000)), int(height * 0.95))
        for index, character in enumerate(text):
            draw.text(((index + 0.5) * width / len(text), height / 2), character, fill=255, font=font, anchor="mm")
        return np.asarray(image)

    def paragraph(self, rng: np.random.Generator, width: int, height: int) -> np.ndarray:
        """Lines of text that fill the area, as coverage [height, width] uint8."""
        image = Image.new("L", (max(1, width), max(1, height)), 0)
        draw = ImageDraw.Draw(image)
        lines = int(np.clip(rng.integers(1, 16), 1, max(1, height // 7)))
        pitch = height / lines
        which = int(rng.integers(1000))
        font = self.font(which, int(pitch * rng.uniform(0.55, 0.85)))
        letters = int(width / max(2, pitch * 0.4)) + 1
        for index in range(lines):
            share = 1.0 if rng.random() < 0.7 else rng.uniform(0.2, 1)
            draw.text((0, index * pitch), self.phrase(rng, max(2, int(letters * share))), fill=255, font=font)
        return np.asarray(image)
