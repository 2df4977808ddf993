"""The library of symbols: bit matrices of machine-readable codes, rendered once and kept in one small file.

Codes come from zxing-cpp (its writer) and markers from OpenCV's ArUco dictionaries, so every matrix is a valid symbol.
Bits are 1 where ink is. A linear code is one row of modules: its height is chosen when it is drawn.

    python symbols.py --out assets/symbols.npz --seed 1
"""

import argparse
import string
from dataclasses import dataclass

import numpy as np

LABELS = ["qr_code", "data_matrix", "aztec", "pdf417", "linear_barcode", "fiducial"]
QR_CODE, DATA_MATRIX, AZTEC, PDF417, LINEAR, FIDUCIAL = range(6)

# (zxing-cpp format, class, how many, content maker, options maker). Retail codes are the most seen linear codes.
RECIPES = [
    ("QRCode", QR_CODE, 2600, "text", "qr"),
    ("QRCode", QR_CODE, 120, "text_long", "qr"),
    ("MicroQRCode", QR_CODE, 200, "digits_short", None),
    ("RMQRCode", QR_CODE, 240, "text_short", None),
    ("DataMatrix", DATA_MATRIX, 2000, "text", None),
    ("DataMatrix", DATA_MATRIX, 1000, "text_short", None),
    ("DataMatrix", DATA_MATRIX, 100, "text_long", None),
    ("Aztec", AZTEC, 2000, "text", None),
    ("Aztec", AZTEC, 120, "text_long", None),
    ("Aztec", AZTEC, 500, "text_short", None),
    ("AztecRune", AZTEC, 60, "rune", None),
    ("PDF417", PDF417, 2000, "text", "columns"),
    ("CompactPDF417", PDF417, 200, "text", "columns"),
    ("MicroPDF417", PDF417, 160, "text_short", None),
    ("EAN13", LINEAR, 700, "digits:12", None),
    ("EAN8", LINEAR, 250, "digits:7", None),
    ("UPCA", LINEAR, 500, "digits:11", None),
    ("UPCE", LINEAR, 200, "upce", None),
    ("Code128", LINEAR, 900, "ascii", None),
    ("Code39", LINEAR, 500, "upper", None),
    ("Code93", LINEAR, 250, "upper", None),
    ("ITF", LINEAR, 350, "digits_even", None),
    ("Codabar", LINEAR, 200, "codabar", None),
    ("DataBarOmni", LINEAR, 240, "digits:13", None),
    ("DataBarLtd", LINEAR, 120, "databar_limited", None),
    ("DataBarStk", LINEAR, 60, "digits:13", None),
    ("DataBarStkOmni", LINEAR, 80, "digits:13", None),
    ("DataBarExp", LINEAR, 120, "gs1", None),
    ("DataBarExpStk", LINEAR, 120, "gs1", "columns_gs1"),
    ("Telepen", LINEAR, 60, "upper", None),
    ("MaxiCode", None, 40, "text_short", None),
]

# Share of EAN-13 and UPC-A codes with a two or five digit add-on beside them (magazines, books); one symbol, one box.
ADD_ON_SHARE = 0.12

# Dictionaries most printed come first and get more room; AprilTag 36h11 and the 4x4 to 6x6 ArUco sets are the usual ones.
DICTIONARIES = [
    ("DICT_4X4_1000", 260),
    ("DICT_5X5_1000", 260),
    ("DICT_6X6_1000", 260),
    ("DICT_7X7_1000", 120),
    ("DICT_ARUCO_ORIGINAL", 140),
    ("DICT_ARUCO_MIP_36H12", 60),
    ("DICT_APRILTAG_16h5", 30),
    ("DICT_APRILTAG_25h9", 35),
    ("DICT_APRILTAG_36h10", 120),
    ("DICT_APRILTAG_36h11", 420),
]


@dataclass(frozen=True)
class Symbol:
    """One code: `bits` [H, W] uint8 (1 is ink; H is 1 for a linear code), `label` a class index or None, `kind` its format."""

    bits: np.ndarray
    label: int | None
    kind: str


class SymbolLibrary:
    """All symbols of one file made by this module's command."""

    def __init__(self, path: str):
        with np.load(path) as data:
            self._sizes, self._kinds = data["sizes"], [str(kind) for kind in data["kinds"]]
            self._starts = np.concatenate([[0], np.cumsum(self._sizes[:, 0].astype(np.int64) * self._sizes[:, 1])])
            self._bits = np.unpackbits(data["bits"])
            self._labels = data["labels"]
        longest = self._sizes.max(1)
        by_size = np.argsort(longest, kind="stable")
        self._by_label = {label: by_size[self._labels[by_size] == label] for label in range(len(LABELS))}
        self._longest = {label: longest[indices] for label, indices in self._by_label.items()}
        self.decoys = np.flatnonzero(self._labels < 0)

    def __getitem__(self, index: int) -> Symbol:
        height, width = (int(side) for side in self._sizes[index])
        start = int(self._starts[index])
        bits = self._bits[start : start + height * width].reshape(height, width)
        label = int(self._labels[index])
        return Symbol(bits, label if label >= 0 else None, self._kinds[index])

    def pick(self, rng: np.random.Generator, label: int, modules_max: float = np.inf) -> Symbol:
        """A random symbol of class `label` with at most so many modules a side, or the smallest there is."""
        count = int(np.searchsorted(self._longest[label], modules_max, side="right"))
        return self[int(self._by_label[label][int(rng.integers(max(1, count)))])]

    def pick_decoy(self, rng: np.random.Generator) -> Symbol:
        """A code of no class of ours (MaxiCode), to be drawn as a distractor."""
        return self[int(rng.choice(self.decoys))]


def content_of(rng: np.random.Generator, maker: str) -> str:
    """Random content that the format named by `maker` accepts."""

    def draw(alphabet: str, count: int) -> str:
        return "".join(rng.choice(list(alphabet), count))

    name, _, argument = maker.partition(":")
    if name == "digits":
        return draw(string.digits, int(argument))
    if name == "digits_short":
        return draw(string.digits, int(rng.integers(3, 14)))
    if name == "digits_even":
        return draw(string.digits, 2 * int(rng.integers(2, 11)))
    if name == "upce":
        return "0" + draw(string.digits, 6)
    if name == "codabar":
        return rng.choice(list("ABCD")) + draw(string.digits + "-$", int(rng.integers(4, 14))) + rng.choice(list("ABCD"))
    if name == "databar_limited":
        return "0" + draw(string.digits, 12)
    if name == "gs1":
        return f"[01]{draw(string.digits, 13)}0[10]{draw(string.ascii_uppercase + string.digits, int(rng.integers(1, 16)))}"
    if name == "rune":
        return str(int(rng.integers(0, 256)))
    if name == "upper":
        return draw(string.ascii_uppercase + string.digits, int(rng.integers(3, 15)))
    if name == "ascii":
        return draw(string.ascii_letters + string.digits + "-/", int(rng.integers(4, 26)))
    if name == "text_short":
        return draw(string.ascii_letters + string.digits, int(rng.integers(1, 14)))
    low, high = (420, 1800) if name == "text_long" else (4, 420)
    length = int(np.exp(rng.uniform(np.log(low), np.log(high))))
    return draw(string.ascii_letters + string.digits + " :/.-?=&", length)


def options_of(rng: np.random.Generator, maker: str | None) -> dict:
    if maker == "qr":
        return {"ec_level": str(rng.choice(["L", "M", "Q", "H"]))}
    if maker == "columns":
        return {"columns": int(rng.integers(1, 14))} if rng.random() < 0.7 else {}
    if maker == "columns_gs1":
        return {"columns": int(rng.integers(1, 4))}
    return {}


def add_on(rng: np.random.Generator) -> np.ndarray:
    """Modules of an add-on, [1, W]."""
    import zxingcpp

    kind, digits = (zxingcpp.EAN2, 2) if rng.random() < 0.4 else (zxingcpp.EAN5, 5)
    code = zxingcpp.create_barcode("".join(rng.choice(list(string.digits), digits)), kind)
    image = np.asarray(zxingcpp.write_barcode_to_image(code, scale=1, add_hrt=False, add_quiet_zones=False))
    return (image[-1:] < 128).astype(np.uint8)


def render_codes(rng: np.random.Generator):
    """Yields (bits, label or -1, format) for every recipe; content that a format refuses is drawn again."""
    import zxingcpp

    for kind, label, count, content, options in RECIPES:
        made = tries = 0
        while made < count and tries < 20 * count:
            tries += 1
            try:
                code = zxingcpp.create_barcode(content_of(rng, content), getattr(zxingcpp, kind), **options_of(rng, options))
            except ValueError:
                continue
            image = zxingcpp.write_barcode_to_image(code, scale=1, add_hrt=False, add_quiet_zones=False)
            bits = (np.asarray(image) < 128).astype(np.uint8)
            stacked = "Stk" in kind
            if label == LINEAR and not stacked:
                bits = bits[:1]
            name = kind
            if kind in ("EAN13", "UPCA") and rng.random() < ADD_ON_SHARE:
                bits, name = np.concatenate([bits, np.zeros((1, 9), np.uint8), add_on(rng)], 1), kind + "+"
            rows, columns = np.flatnonzero(bits.any(1)), np.flatnonzero(bits.any(0))
            bits = bits[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            made += 1
            yield bits, -1 if label is None else label, name
        if made < count:
            print(f"symbols: only {made} of {count} {kind}")


def render_markers(rng: np.random.Generator):
    """Yields (bits, label, dictionary) for ArUco and AprilTag markers; bits include the black border of one module."""
    import cv2

    for name, count in DICTIONARIES:
        dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, name))
        side = dictionary.markerSize + 2
        for index in rng.permutation(len(dictionary.bytesList))[:count]:
            image = cv2.aruco.generateImageMarker(dictionary, int(index), side)
            yield (image < 128).astype(np.uint8), FIDUCIAL, name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    rows = list(render_codes(rng)) + list(render_markers(rng))
    np.savez_compressed(
        arguments.out,
        bits=np.packbits(np.concatenate([bits.reshape(-1) for bits, _, _ in rows])),
        sizes=np.array([bits.shape for bits, _, _ in rows], np.uint16),
        labels=np.array([label for _, label, _ in rows], np.int8),
        kinds=np.array([kind for _, _, kind in rows]),
    )
    print(f"symbols: {len(rows)} in {arguments.out}")


if __name__ == "__main__":
    main()
