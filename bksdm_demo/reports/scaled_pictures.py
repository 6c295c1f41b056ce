"""Pictures for a report of many: scaled and compressed until each fits its share of the file.

WebP, which every browser of this decade shows; it takes a third of a PNG's bytes or less. Parameters are left out.
"""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass

from PIL import Image

SIDE = 512  # pixels at most
SIDES = (512, 448, 384, 320, 256, 224, 192, 160, 128, 96, 64)
QUALITY, LEAST_QUALITY = 85, 40  # WebP's scale from 0 to 100
LEAST_BITS = 0.05  # bytes per pixel of a smooth picture; a larger side cannot fit


@dataclass(frozen=True)
class ScaledPicture:
    """A picture as WebP; `width` and `height` in pixels are those after scaling."""

    data: bytes
    width: int
    height: int

    @property
    def address(self) -> str:
        """The picture as a data address."""
        return f"data:image/webp;base64,{base64.b64encode(self.data).decode()}"


def scale_picture(png: bytes, most_bytes: int) -> ScaledPicture:
    """The picture of a PNG in at most `most_bytes`, as large as they allow; at the least 64 pixels in low quality."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as opened:
        picture = opened.convert("RGB")
    longest = max(picture.size)
    allowed = math.sqrt(max(1, most_bytes) / LEAST_BITS)
    sides = [side for side in SIDES if side < longest and side <= allowed]
    if longest <= min(SIDE, allowed):
        sides.insert(0, longest)
    for side in sides or [SIDES[-1]]:
        scaled = _encoded(picture, side, QUALITY)
        if len(scaled.data) <= most_bytes:
            return scaled
    return _encoded(picture, SIDES[-1], LEAST_QUALITY)


def _encoded(picture: Image.Image, side: int, quality: int) -> ScaledPicture:
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=quality, method=2)
    return ScaledPicture(buffer.getvalue(), *small.size)
