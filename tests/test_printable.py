"""Text made safe to print: against Unicode's own tables, over every character, and in narrow encodings."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from bksdm_demo.printable import REPLACEMENT, printable

EVERY = [chr(code) for code in range(sys.maxunicode + 1)]
FIRST_PLANE = "".join(EVERY[:0x10000])  # has all characters of the encodings tested, and those that look like them
REORDERING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}  # bidirectional classes of UAX #9


def dangerous(char: str) -> bool:
    """Controls, separators of lines, surrogates, and characters that open or close a direction of text."""
    return unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or unicodedata.bidirectional(char) in REORDERING


def test_nothing_dangerous_is_left_and_everything_else_stays() -> None:
    for char in EVERY:
        shown = printable(char)
        assert shown in ((" ", REPLACEMENT) if dangerous(char) else (char,))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("red\x1b[31m apple\x07", "red�[31m apple�"),
        ("two\nlines\tand\u2028more", "two lines and more"),
        ("\x9b2J", "�2J"),
        ("\u202egnp.exe", "�gnp.exe"),
        ("עברית \u200fعربي 辛 👩‍🚀", "עברית \u200fعربي 辛 👩‍🚀"),  # marks and joiners that scripts and emoji need
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_every_encoding_can_print_it(encoding: str) -> None:
    assert printable(FIRST_PLANE, encoding).encode(encoding)


def test_characters_that_an_encoding_lacks_are_spelled_plainly() -> None:
    assert printable("“café” … 2×3 – 사과", "ascii") == '"cafe" ... 2x3 - ??'
    assert printable("“café” … 2×3", "latin-1") == '"café" ... 2×3'
