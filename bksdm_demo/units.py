"""Units: their sizes, and numbers with units for people, written the same way in the page, reports and terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from bksdm_demo.languages import say

GIB = 2**30  # bytes
DAY = 86_400.0  # seconds
SOON = 3.0  # seconds of a wait that is not worth a number
BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:[kMGT]?B|[kMGT]|m?s|min|h|dB)\b)")


def format_bytes(size: int) -> str:
    """Decimal units, three significant digits: "987 B", "1.23 MB", "45.6 MB", "2.09 GB"."""
    return _scaled(size, ("B", "kB", "MB", "GB", "TB"))


def format_count(count: int) -> str:
    """4200 -> "4.20 k", 12_990_000 -> "13.0 M"."""
    return _scaled(count, ("", "k", "M", "G", "T")).rstrip()


def duration(length: float) -> str:
    """Seconds, rounded up to whole ones: "45 s", "2 min 05 s", "3 h 20 min"."""
    whole = math.ceil(length)
    if whole < 60:
        return say("{seconds} s", seconds=whole)
    if whole < 3600:
        return say("{minutes} min {seconds} s", minutes=whole // 60, seconds=f"{whole % 60:02d}")
    return say("{hours} h {minutes} min", hours=whole // 3600, minutes=whole % 3600 // 60)


def rounded_seconds(length: float) -> int:
    """Seconds for an estimate, rounded to 5 below a minute, 10 below 3, 30 below 10 and 60 beyond; never 0."""
    step = next((step for most, step in ((60, 5), (180, 10), (600, 30)) if length < most), 60)
    return max(step, round(length / step) * step)


def about(length: float) -> str:
    """An estimate, see rounded_seconds: "35 s", "1 min 40 s", "12 min"."""
    rounded = rounded_seconds(length)
    if rounded % 60 == 0 and 60 <= rounded < 3600:
        return say("{minutes} min", minutes=rounded // 60)
    return duration(rounded)


def unbroken(text: str) -> str:
    """Put a no-break space between each number and its unit, so that a page does not break the line there.

    Other words keep their spaces. Files and terminals get the plain text.
    """
    return BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", text)


def _scaled(value: float, units: Sequence[str]) -> str:
    power = 0
    while power < len(units) - 1 and value >= 999.5:
        value, power = value / 1000, power + 1
    if power == 0:
        return f"{value:.0f} {units[0]}"
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {units[power]}"
