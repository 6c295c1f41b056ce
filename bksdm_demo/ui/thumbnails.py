"""Small versions of pictures for lists: drawn once, kept in memory up to a bound, never written.

What was drawn is found by the picture's own bytes, so that a picture that was replaced is drawn anew.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict

from PIL import Image

from bksdm_demo.errors import RequestError

WIDTHS = {"192": 192, "384": 384}  # pixels; others are refused, so that nobody fills the memory with sizes
LARGEST = 16 * 2**20  # bytes of small pictures that are kept


class Thumbnails:
    """Safe to use from several threads."""

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest = largest
        self._kept: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def thumbnail(self, png: bytes, asked: str) -> bytes:
        """The picture as a PNG at most so many pixels wide and high, one of WIDTHS, without its parameters.

        Raises RequestError for any other width.
        """
        width = WIDTHS.get(asked)
        if width is None:
            raise RequestError(f"There is no picture of width {asked[:20]!r}; ask for one of {', '.join(WIDTHS)}.")
        key = (hashlib.blake2b(png, digest_size=16).digest(), width)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        small = _shrink(png, width)
        with self._lock:
            self._bytes += len(small) - len(self._kept.get(key, b""))
            self._kept[key] = small
            while self._bytes > self._largest and self._kept:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= len(oldest)
        return small


def _shrink(png: bytes, width: int) -> bytes:
    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        small = picture.convert("RGB")
    small.thumbnail((width, width), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    return buffer.getvalue()
