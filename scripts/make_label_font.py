"""Write src/detect/annotate/label_font.ts: outlines of DejaVu Sans Bold for the labels of annotated pictures.

Needs fontTools and the font's file: `python scripts/make_label_font.py DejaVuSans-Bold.ttf`.
"""
import pathlib
import sys

from fontTools.pens.basePen import decomposeQuadraticSegment
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.ttLib import TTFont

ROOT = pathlib.Path(__file__).resolve().parent.parent
RANGES = [(0x20, 0x7E), (0xA1, 0xAC), (0xAE, 0x17F), (0x391, 0x3A9), (0x3AC, 0x3CE), (0x400, 0x45F), (0x490, 0x491),
          (0x2013, 0x2014), (0x2018, 0x201A), (0x201C, 0x201E), (0x2022, 0x2022), (0x2026, 0x2026), (0x20AC, 0x20AC),
          (0xFFFD, 0xFFFD)]


def outline(glyphs, name):
    """Contours as text: m x y, l dx dy, q dx dy dx dy; up is positive; numbers count from where the pen is."""
    pen = DecomposingRecordingPen(glyphs)
    glyphs[name].draw(pen)
    text, at = [], (0, 0)

    def emit(command, *points):
        nonlocal at
        numbers = []
        for point in points:
            numbers += [round(point[0] - at[0]), round(point[1] - at[1])]
        at = tuple(round(value) for value in points[-1])
        text.append(command + " ".join(map(str, numbers)))

    for operator, points in pen.value:
        if operator == "moveTo":
            emit("m", points[0])
        elif operator == "lineTo":
            emit("l", points[0])
        elif operator == "qCurveTo":
            if points[-1] is None:
                last, first = points[-2], points[0]
                start = ((last[0] + first[0]) / 2, (last[1] + first[1]) / 2)
                emit("m", start)
                points = (*points[:-1], start)
            for control, end in decomposeQuadraticSegment(points):
                emit("q", control, end)
        elif operator not in ("closePath", "endPath"):
            raise ValueError(operator)
    return "".join(text)


font = TTFont(sys.argv[1])
glyphs, cmap = font.getGlyphSet(), font.getBestCmap()
lines = []
for first, last in RANGES:
    for code in range(first, last + 1):
        if code in cmap:
            lines.append(f"  \"{code:x} {glyphs[cmap[code]].width} {outline(glyphs, cmap[code])}\",")
hhea = font["hhea"]
(ROOT / "src/detect/annotate/label_font.ts").write_text(
    "/**\n"
    " * Outlines for labels, made by scripts/make_label_font.py from DejaVu Sans Bold; its licence is in\n"
    " * label_font.LICENSE. One text a glyph: code point in hexadecimal, advance, contours (m: move, l: line, q: quadratic\n"
    " * curve of control and end; numbers count from where the pen is, up is positive).\n"
    " */\n"
    f"export const UNITS_PER_EM = {font['head'].unitsPerEm};\n"
    f"export const ASCENT = {hhea.ascent};\n"
    f"export const DESCENT = {-hhea.descent};\n"
    "export const GLYPHS: readonly string[] = [\n" + "\n".join(lines) + "\n];\n"
)
