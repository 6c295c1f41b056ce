"""A terminal that remembers its screen: as much of ECMA-48 as the command line writes."""

from __future__ import annotations

import io
import re

CONTROL = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])")


class Terminal(io.StringIO):
    """A stream that calls itself a terminal."""

    def isatty(self) -> bool:
        return True

    def screen(self, width: int) -> list[str]:
        """The lines on a screen of this many characters, without spaces at their ends."""
        return screen_of(self.getvalue(), width)


def screen_of(text: str, width: int) -> list[str]:
    """What a terminal of this width shows after the text: it wraps, moves up, wipes lines and ignores colours."""
    rows: list[list[str]] = [[]]
    row = column = place = 0
    while place < len(text):
        if control := CONTROL.match(text, place):
            place = control.end()
            number, kind = control.groups()
            if kind == "A":
                row = max(0, row - int(number or 1))
            elif kind == "K":
                rows[row] = []
            continue
        char = text[place]
        place += 1
        if char == "\r":
            column = 0
            continue
        if char == "\n" or column >= width:
            row, column = row + 1, 0
            if row == len(rows):
                rows.append([])
        if char != "\n":
            rows[row] += " " * (column + 1 - len(rows[row]))
            rows[row][column] = char
            column += 1
    lines = ["".join(cells).rstrip() for cells in rows]
    while lines and not lines[-1]:
        lines.pop()
    return lines
