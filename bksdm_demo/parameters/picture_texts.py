"""The texts inside a picture file: text chunks of a PNG, and comments in the EXIF and XMP of a PNG, JPEG and WebP.

No pixel is decoded and nothing in the file is run. A PNG is read up to its pixels. Pillow limits compressed texts to
1 MB each. XMP is searched as text, not parsed as XML, so an entity in it means nothing.
"""

from __future__ import annotations

import html
import io
import struct
from collections.abc import Iterator, Mapping

from PIL import Image

from bksdm_demo.errors import RequestError

LARGEST_FILE = 50_000_000  # bytes
LONGEST_TEXT = 1_000_000  # characters
MOST_TEXTS = 200
RIFF_HEADER = 12  # bytes
COMMENT, XP_COMMENT, DESCRIPTION = "UserComment", "XPComment", "ImageDescription"
XMP_KEYS = ("XML:com.adobe.xmp", "xmp")
XMP_NAMES = ("exif:UserComment", "dc:description")
EXIF_TAGS = {0x010E: DESCRIPTION, 0x010F: "Make", 0x0110: "Model", 0x9286: COMMENT, 0x9C9C: XP_COMMENT}
EXIF_DETAILS = 0x8769
EXIF_HEADER = b"Exif\0\0"
PROFILE = "Raw profile type exif"  # EXIF in hexadecimal digits, as ImageMagick writes it


def kind(data: bytes) -> str:
    """ "PNG", "JPEG" or "WebP" by the first bytes; "" for any other file."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    return "WebP" if data[:4] == b"RIFF" and data[8:RIFF_HEADER] == b"WEBP" else ""


def picture_texts(data: bytes) -> dict[str, str]:
    """Return the texts of a picture by their names in the file; XMP properties and EXIF tags by theirs.

    Raises RequestError for a file of another kind, a damaged one, and one with too much in it.
    """
    if len(data) > LARGEST_FILE:
        raise RequestError(f"The picture has more than {LARGEST_FILE / 1e6:.0f} MB. Choose a smaller file.")
    name = kind(data)
    if not name:
        raise RequestError("This file is no PNG, JPEG or WebP picture. Settings are read from these only.")
    try:
        info = dict(_webp_chunks(data)) if name == "WebP" else _pillow_info(data, name)
    except Image.DecompressionBombError as error:
        raise RequestError("The picture has too many pixels for this demo.") from error
    except Exception as error:  # Pillow raises many kinds of error for a damaged file
        if "MAX_TEXT" in str(error) or "Decompressed data too large" in str(error):
            raise RequestError("This picture contains more text than this demo reads.") from error
        raise RequestError(f"This {name} file cannot be read. It may be damaged; choose another one.") from error
    found = {key: value for key, value in info.items() if isinstance(value, str) and key not in (*XMP_KEYS, PROFILE)}
    for key, value in [*_exif_texts(info), *_xmp_texts(info)]:
        if key not in found and value.strip():
            found[key] = value
    return {key: text for key, text in list(found.items())[:MOST_TEXTS] if len(text) <= LONGEST_TEXT}


def _pillow_info(data: bytes, name: str) -> dict[str, object]:
    with Image.open(io.BytesIO(data), formats=[name]) as image:
        info = {str(key): value for key, value in image.info.items()}
    comment = info.get("comment")
    return {**info, "comment": comment.decode("utf-8", "replace")} if isinstance(comment, bytes) else info


def _webp_chunks(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the EXIF and XMP chunks, which follow the pixels. Chunks have an even number of bytes."""
    names = {b"EXIF": "exif", b"XMP ": "xmp"}
    place = RIFF_HEADER
    while place + 8 <= len(data):
        (size,) = struct.unpack_from("<I", data, place + 4)
        if data[place : place + 4] in names:
            yield names[data[place : place + 4]], data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def _exif_texts(info: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    raw = info.get("exif")
    if not isinstance(raw, bytes):
        raw = _profile(info.get(PROFILE))
    if not raw:
        return
    exif = Image.Exif()
    try:
        exif.load(raw if raw.startswith(EXIF_HEADER) else EXIF_HEADER + raw)
        values = {**exif, **exif.get_ifd(EXIF_DETAILS)}
    except Exception:  # damaged EXIF: Pillow raises many kinds of error. The other texts still count.
        return
    for tag, name in EXIF_TAGS.items():
        value = values.get(tag)
        if isinstance(value, bytes):
            value = _xp_text(value) if name == XP_COMMENT else _comment_text(value)
        if isinstance(value, str):
            text = value.strip("\0 ")
            prefix, _, rest = text.partition(":")
            named = name in ("Make", "Model") and prefix.lower() in ("prompt", "workflow")  # ComfyUI's in a WebP
            if named or name not in ("Make", "Model"):
                yield (prefix.lower(), rest) if named else (name, text)


def _profile(text: object) -> bytes:
    if not isinstance(text, str):
        return b""
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return b""


def _comment_text(value: bytes) -> str:
    """Decode a comment: its first 8 bytes name the character set; the order of UTF-16's bytes is guessed from zeros."""
    head, body = value[:8], value[8:]
    if head == b"UNICODE\0":
        big = body[::2].count(0) >= body[1::2].count(0)
        return body.decode("utf-16-be" if big else "utf-16-le", "replace").lstrip("\ufeff")
    if head in (b"ASCII\0\0\0", bytes(8)):
        return body.decode("utf-8", "replace")
    return value.decode("utf-8", "replace")


def _xp_text(value: bytes) -> str:
    return value.decode("utf-16-le", "replace")


def _xmp_texts(info: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    raw = next((info[key] for key in XMP_KEYS if key in info), "")
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    for name in XMP_NAMES:
        attribute = text.partition(f"{name}=")[2][: LONGEST_TEXT + 2]
        element = text.partition(f"<{name}")[2].partition(f"</{name}>")
        if element[1]:
            yield name, html.unescape(_without_tags("<" + element[0])).strip()
        elif attribute[:1] in ("'", '"'):
            yield name, html.unescape(attribute[1:].partition(attribute[0])[0])


def _without_tags(text: str) -> str:
    return "".join(part.partition(">")[2] for part in text.split("<"))
