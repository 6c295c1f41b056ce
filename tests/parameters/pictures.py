"""Picture files with texts inside, as other programs write them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping

from PIL import Image, PngImagePlugin

USER_COMMENT, DETAILS = 0x9286, 0x8769


def png(texts: Mapping[str, str] = {}, itxt: bool = False, exif: Image.Exif | None = None) -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        (info.add_itxt if itxt else info.add_text)(key, text)
    buffer = io.BytesIO()
    given = {} if exif is None else {"exif": exif.tobytes()}  # Pillow takes an Exif of nested tags only for empty
    Image.new("RGB", (4, 4)).save(buffer, "PNG", pnginfo=info, **given)
    return buffer.getvalue()


def comment_exif(text: str, encoding: str = "utf-16-be") -> Image.Exif:
    exif = Image.Exif()
    head = b"UNICODE\0" if encoding.startswith("utf-16") else b"ASCII\0\0\0"
    exif.get_ifd(DETAILS)[USER_COMMENT] = head + text.encode(encoding)
    return exif


def other(kind: str, exif: Image.Exif | None = None, **options: object) -> bytes:
    """A JPEG or WebP."""
    buffer = io.BytesIO()
    given = {} if exif is None else {"exif": exif}
    Image.new("RGB", (8, 8)).save(buffer, kind, **given, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bare_png(*chunks: bytes, size: int = 4) -> bytes:
    """A PNG of these chunks and no pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
