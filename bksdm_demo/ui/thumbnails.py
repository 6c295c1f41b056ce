"""Makes small versions of pictures for lists and caches them in memory up to a limit, never on disk.

The cache key is a digest of the picture's bytes, so a replaced picture gets a new thumbnail.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict

from PIL import Image

from bksdm_demo.errors import RequestError

WIDTHS = {"192": 192, "384": 384}  # pixels; refusing others bounds the sizes in the cache
LARGEST = 16 * 2**20  # bytes of thumbnails in the cache


class Thumbnails:
    """A cache of thumbnails, safe to use from several threads."""

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest = largest
        self._cached: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def thumbnail(self, png: bytes, wanted: str) -> bytes:
        """Return the picture as a PNG at most `wanted` pixels wide and high, without its parameters.

        `wanted` is a key of WIDTHS; any other raises RequestError.
        """
        width = WIDTHS.get(wanted)
        if width is None:
            raise RequestError(f"There is no thumbnail of width {wanted[:20]!r}. Choose one of {', '.join(WIDTHS)}.")
        key = (hashlib.blake2b(png, digest_size=16).digest(), width)
        with self._lock:
            if key in self._cached:
                self._cached.move_to_end(key)
                return self._cached[key]
        small = _shrink(png, width)
        with self._lock:
            self._size += len(small) - len(self._cached.get(key, b""))
            self._cached[key] = small
            while self._size > self._largest and self._cached:
                _, oldest = self._cached.popitem(last=False)
                self._size -= len(oldest)
        return small


def _shrink(png: bytes, width: int) -> bytes:
    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        small = picture.convert("RGB")
    small.thumbnail((width, width), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    return buffer.getvalue()
