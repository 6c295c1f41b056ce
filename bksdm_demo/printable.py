"""Text that came from outside (prompts, names of models and files, errors) made safe to print.

A terminal obeys control characters: they move its cursor, change its title or repeat its input. Characters that reorder
a line can make one name look like another. Both are shown as "�". Marks of direction without such power stay.
"""

from __future__ import annotations

import re
import unicodedata

REPLACEMENT = "\ufffd"
BREAKS = re.compile(r"[\t-\r\x85\u2028\u2029]")  # where a terminal would leave the line or the column
# C0, DEL and C1 controls; embeddings, overrides and isolates of text direction; halves of surrogate pairs
UNSAFE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
PLAIN_MARKS = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "×": "x", "·": "-"})


def printable(text: str, encoding: str = "utf-8") -> str:
    """Return the text on one line, without what a terminal obeys or reorders, in characters of this encoding.

    The spelling of a character that the encoding lacks is plain ("..." for "…", "e" for "é"), or "?".
    """
    line = UNSAFE.sub(REPLACEMENT, BREAKS.sub(" ", text))
    return line if _encodable(line, encoding) else "".join(_spelled(char, encoding) for char in line)


def _spelled(char: str, encoding: str) -> str:
    if _encodable(char, encoding):
        return char
    parts = unicodedata.normalize("NFKD", char.translate(PLAIN_MARKS))
    kept = "".join(part for part in parts if not unicodedata.combining(part))
    return kept if kept and _encodable(kept, encoding) else "?"


def _encodable(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
