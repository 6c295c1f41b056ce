"""Text for drawn pictures: chooses a font that has the characters, and breaks the text into lines.

Pillow's built-in font (Aileron) comes first, so that an English sheet looks the same on every machine. A text with
other characters gets the system font that lacks the fewest of them. A character that no font has becomes "?". There
are no colour emoji; Pillow shapes text only where raqm is installed.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from PIL import ImageFont

SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "NanumGothic.ttf",
    "wqy-microhei.ttc",
    "PingFang.ttc",
    "segoeui.ttf",
    "msyh.ttc",
    "malgun.ttf",
    "AppleSDGothicNeo.ttc",
)
PROBE_PIXELS = 16  # glyphs are compared at this size
MISSING = "\U0010fffd"  # a private code point without a glyph in any font: drawn as the "missing glyph" box
ELLIPSIS = "…"
LONGEST = 2000  # characters of a text that are read; a sheet never shows more

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def lines_of(text: str, size: float, width: float, most: int) -> tuple[list[str], Font]:
    """Break the text into at most `most` lines of `width` pixels; also return the font of `size` pixels for them.

    A text that does not fit ends with an ellipsis. White space and control characters become single spaces. A text of
    which no font here has even half of the characters is an empty line: a row of question marks says nothing.
    """
    plain = tidy(text)
    face = best_face(plain)
    font = open_face(face, size)
    if 2 * sum(covers(face, char) for char in plain) < len(plain):
        return [""], font
    written = "".join(char if char.isspace() or covers(face, char) else "?" for char in plain)
    return wrap(written, font, width, most), font


def tidy(text: str) -> str:
    """One line of printable characters. Control characters become spaces; joiners and variation selectors go."""
    kept = (" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text[:LONGEST])
    return " ".join("".join(char for char in kept if unicodedata.category(char) not in ("Cf", "Cs")).split())


def wrap(text: str, font: Font, width: float, most: int) -> list[str]:
    """Break the text at spaces, and between characters where a word is wider than the line."""
    lines: list[str] = []
    rest = text
    while rest and len(lines) < most:
        taken = _fitting(rest, font, width)
        lines.append(rest[:taken].rstrip())
        rest = rest[taken:].lstrip()
    if rest:
        last = lines[-1]
        while last and font.getlength(last + ELLIPSIS) > width:
            last = last[:-1].rstrip()
        lines[-1] = last + ELLIPSIS
    return lines


def _fitting(text: str, font: Font, width: float) -> int:
    """How many characters fit into one line: at least one, up to a space if possible."""
    if font.getlength(text) <= width:
        return len(text)
    low, high = 1, len(text)  # the longest prefix that fits, by bisection
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if font.getlength(text[:middle]) <= width else (low, middle - 1)
    space = text.rfind(" ", 0, low + 1)
    return space if space > 0 else low


def best_face(text: str) -> str:
    """The first face with the most characters of the text: "" for Pillow's own, else a font file name."""
    characters = {char for char in text if not char.isspace()}
    best, fewest = "", len(characters) + 1
    for face in ("", *SYSTEM_FONTS):
        missing = sum(not covers(face, char) for char in characters) if _installed(face) else len(characters) + 1
        if missing < fewest:
            best, fewest = face, missing
        if fewest == 0:
            break
    return best


@lru_cache(maxsize=256)
def open_face(face: str, size: float) -> Font:
    """The face at a size in pixels. Raises OSError for a font that is not installed."""
    return ImageFont.truetype(face, size) if face else ImageFont.load_default(size)


@lru_cache(maxsize=64)
def _installed(face: str) -> bool:
    try:
        open_face(face, PROBE_PIXELS)
    except OSError:
        return False
    return True


@lru_cache(maxsize=8192)
def covers(face: str, char: str) -> bool:
    """Whether the face has a glyph for this character, other than the "missing glyph" box."""
    return _picture(face, char) != _picture(face, MISSING)


def _picture(face: str, char: str) -> tuple[tuple[int, int], bytes]:
    mask = open_face(face, PROBE_PIXELS).getmask(char)
    return mask.size, bytes(mask)
