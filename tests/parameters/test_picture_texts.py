"""Texts of pictures: where programs put them, in which encodings, and in files that are damaged or hostile."""

from __future__ import annotations

import json
import struct
import zlib

import pytest
from PIL import Image

from bksdm_demo.errors import RequestError
from bksdm_demo.parameters.picture_texts import LONGEST_TEXT, kind, picture_texts
from tests.parameters.pictures import bare_png, chunk, comment_exif, other, png

TEXT = "a red fox, 狐\nSteps: 20"
XMP = "<x:xmpmeta><rdf:Description>{}</rdf:Description></x:xmpmeta>"


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le", "utf-8"])
def test_a_user_comment_is_read_in_every_format_and_byte_order(encoding: str) -> None:
    exif = comment_exif(TEXT, encoding)
    for data in (png(exif=exif), other("JPEG", exif), other("WEBP", exif)):
        assert picture_texts(data)["UserComment"] == TEXT


def test_other_exif_tags_are_read() -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x9C9C] = "described", "noted\0".encode("utf-16-le")
    exif[0x010F], exif[0x0110] = "workflow:{}", 'prompt:{"3": {}}'  # ComfyUI's, in a WebP
    assert picture_texts(other("WEBP", exif)) == {
        "ImageDescription": "described",
        "XPComment": "noted",
        "workflow": "{}",
        "prompt": '{"3": {}}',
    }
    camera = Image.Exif()
    camera[0x010F], camera[0x0110] = "Nikon", "D90: prompt"
    assert picture_texts(other("JPEG", camera)) == {}


def test_exif_as_a_raw_profile_is_read() -> None:
    digits = comment_exif(TEXT).tobytes().hex()
    profile = f"\nexif\n{len(digits) // 2:8}\n" + "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    assert picture_texts(png({"Raw profile type exif": profile}))["UserComment"] == TEXT
    assert picture_texts(png({"Raw profile type exif": "\n\n\nno digits"})) == {}


@pytest.mark.parametrize(
    "inside",
    [
        "<exif:UserComment>a &lt;fox&gt;</exif:UserComment>",
        '<exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">a &lt;fox&gt;</rdf:li></rdf:Alt></exif:UserComment>',
    ],
)
def test_xmp_is_read_without_its_tags(inside: str) -> None:
    for data in (
        png({"XML:com.adobe.xmp": XMP.format(inside)}, itxt=True),
        other("JPEG", xmp=XMP.format(inside).encode()),
        other("WEBP", xmp=XMP.format(inside).encode()),
    ):
        assert picture_texts(data) == {"exif:UserComment": "a <fox>"}


def test_an_xmp_attribute_is_read() -> None:
    xmp = '<rdf:Description exif:UserComment="a &quot;fox&quot;"/>'
    assert picture_texts(png({"XML:com.adobe.xmp": xmp}, itxt=True)) == {"exif:UserComment": 'a "fox"'}


def test_a_jpeg_comment_is_read() -> None:
    assert picture_texts(other("JPEG", comment="a red fox")) == {"comment": "a red fox"}


def test_a_picture_without_its_pixels_is_enough() -> None:
    """As drop.js sends them: up to the pixels of a PNG and JPEG, and the parts of a WebP that hold none."""
    exif = comment_exif(TEXT)
    data = png(exif=exif)
    assert picture_texts(data[: data.index(b"IDAT") + 4])["UserComment"] == TEXT
    data = other("JPEG", exif)
    scan = data.index(b"\xff\xda")
    end = scan + 2 + struct.unpack(">H", data[scan + 2 : scan + 4])[0]
    assert picture_texts(data[:end])["UserComment"] == TEXT
    data = other("WEBP", exif)
    assert picture_texts(data[:12] + data[data.index(b"EXIF") :])["UserComment"] == TEXT


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is no PNG, JPEG or WebP picture"),
        (b"GIF89a" + bytes(100), "is no PNG, JPEG or WebP picture"),
        (png({"parameters": "fox"})[:40], "This PNG file cannot be read"),
        (other("JPEG")[:10], "This JPEG file cannot be read"),
        (bytes(50_000_001), "more than 50 MB"),
    ],
)
def test_other_and_damaged_files_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        picture_texts(data)


def test_decompression_bombs_are_refused_with_a_true_sentence() -> None:
    packed = zlib.compress(b"x" * 3_000_000)
    for bomb in (
        chunk(b"zTXt", b"parameters\0\0" + packed),
        chunk(b"iTXt", b"parameters\0\1\0\0\0" + packed),
    ):
        with pytest.raises(RequestError, match="more text than this demo reads"):
            picture_texts(bare_png(bomb))
    with pytest.raises(RequestError, match="too many pixels"):
        picture_texts(bare_png(size=2**31 - 1))


def test_texts_that_are_too_long_are_left_out() -> None:
    assert picture_texts(png({"long": "x" * (LONGEST_TEXT + 1), "short": "x"})) == {"short": "x"}


@pytest.mark.parametrize(
    "exif",
    [b"", b"MM", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0" + b"\xff" * 5_000, b"MM\0*\0\0\0\x08" + b"\0\1" * 900],
)
def test_damaged_exif_hides_no_other_text(exif: bytes) -> None:
    assert picture_texts(bare_png(chunk(b"tEXt", b"parameters\0fox"), chunk(b"eXIf", exif)))["parameters"] == "fox"


@pytest.mark.parametrize(
    "xmp", ["<" * 100_000, "exif:UserComment=" * 10_000, "<exif:UserComment" * 10_000, "&" * 10_000]
)
def test_hostile_xmp_gives_no_text(xmp: str) -> None:
    assert picture_texts(png({"XML:com.adobe.xmp": xmp}, itxt=True)) == {}


def test_a_webp_that_lies_about_its_sizes_ends() -> None:
    for size in (0, 1, 2**32 - 1):
        assert picture_texts(b"RIFF\0\0\0\0WEBP" + b"VP8 " + struct.pack("<I", size) + bytes(9)) == {}


def test_kinds_go_by_the_first_bytes() -> None:
    assert [kind(data) for data in (png(), other("JPEG"), other("WEBP"), json.dumps({}).encode())] == [
        "PNG",
        "JPEG",
        "WebP",
        "",
    ]
