"""How a message is written: a JSON object, and behind a zero byte a picture as PNG, if there is one.

Reading trusts nothing: every value has its type and its range, or the message is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from numpy.typing import NDArray

from bksdm_demo.errors import DemoError
from bksdm_demo.parameters.png_writer import decode_png, plain_png
from bksdm_demo.records import repaired

VERSION = 1  # of the messages; the pages and workers of one pool run the same
LARGEST_SIDE = 4096  # pixels of a picture
LARGEST = 2**53  # of a whole number
PNG_HEADER = slice(16, 24)  # width and height, four bytes each

Value = TypeVar("Value")


class MessageError(DemoError):
    """A message of the pool does not say what it must."""


def write(record: Mapping[str, Any], image: NDArray | None = None) -> bytes:
    """Write a message. `image` is uint8 [H, W, 3]."""
    text = json.dumps({"v": VERSION, **record}, separators=(",", ":")).encode()
    return text if image is None else text + b"\0" + plain_png(image)


def read(payload: bytes, most: int) -> tuple[Fields, NDArray | None]:
    """Read a message of at most `most` bytes: its fields, and its picture if it has one. Raises MessageError."""
    if len(payload) > most:
        raise MessageError(f"A message has {len(payload):,} bytes; at most {most:,} are allowed.")
    text, zero, png = payload.partition(b"\0")
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageError("A message is no JSON.") from error
    if not isinstance(record, dict) or record.get("v") != VERSION:
        raise MessageError(f"A message is not of version {VERSION}. Pages and workers must run the same version.")
    return Fields(record), _picture(png) if zero else None


def _picture(png: bytes) -> NDArray:
    sides = png[PNG_HEADER]
    if not all(0 < int.from_bytes(side, "big") <= LARGEST_SIDE for side in (sides[:4], sides[4:])):
        raise MessageError(f"A message holds no picture of at most {LARGEST_SIDE} pixels a side.")
    return decode_png(png)


class Fields:
    """The fields of one object of a message. Every method raises MessageError with the field's name."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = record

    def has(self, name: str) -> bool:
        return self._record.get(name) is not None

    def text(self, name: str, most: int = 200) -> str:
        """A text of at most `most` characters, `repaired`."""
        value = self._typed(name, str)
        if len(value) > most:
            raise MessageError(f"{name} has {len(value):,} characters; at most {most:,} are allowed.")
        return repaired(value)

    def whole(self, name: str, most: int = LARGEST) -> int:
        """A whole number from 0 to `most`."""
        value = self._typed(name, int)
        if isinstance(value, bool) or not 0 <= value <= most:
            raise MessageError(f"{name} is {value!r:.40}; it must be from 0 to {most:,}.")
        return value

    def number(self, name: str) -> float:
        """A finite number."""
        value = self._record.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise MessageError(f"{name} is {value!r:.40}, which is no number.")
        return float(value)

    def flag(self, name: str) -> bool:
        return self._typed(name, bool)

    def inside(self, name: str) -> Mapping[str, Any]:
        """An object."""
        return self._typed(name, dict)

    def each(self, name: str, most: int, made: Callable[[Fields], Value]) -> tuple[Value, ...]:
        """A list of at most `most` objects, each `made` into something."""
        value = self._typed(name, list)
        if len(value) > most or not all(isinstance(item, dict) for item in value):
            raise MessageError(f"{name} must be a list of at most {most} objects.")
        return tuple(made(Fields(item)) for item in value)

    def _typed(self, name: str, kind: type[Value]) -> Value:
        value = self._record.get(name)
        if not isinstance(value, kind):
            raise MessageError(f"{name} is {value!r:.40}, which is no {kind.__name__}.")
        return value
