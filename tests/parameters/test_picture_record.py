"""A picture's own record read back: equal to what was written, and refused where anything is missing or damaged."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from bksdm_demo.errors import DemoError
from bksdm_demo.parameters.picture_record import read_picture
from bksdm_demo.parameters.png_writer import RECORD_KEY, encode_png, parameters_text, picture_record, plain_png
from bksdm_demo.records import Request, Result, Timings, Verdict

PIXELS = np.zeros((8, 16, 3), np.uint8)
RESULT = Result(
    "emoji-tiny",
    Request("naïve 红苹果", "blurry", seed=2**32 - 1, steps=3, guidance_scale=2.5, scheduler="pndm", generator="torch"),
    Verdict(False, "", (0.25, -0.5)),
    Timings(0.5, 0.25, 0.75, 0.125, 0.0625, 1.6875, (0.25, 0.25, 0.25), True, 0.5),
    PIXELS,
    ("word", "wört"),
    "fake",
    123,
    negative_truncated=("hand",),
)


def png(record: Any) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text(RECORD_KEY, record if isinstance(record, str) else json.dumps(record))
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "PNG", pnginfo=info)
    return stream.getvalue()


def test_what_was_written_is_read() -> None:
    result, environment = read_picture(encode_png(RESULT, "Emoji Tiny", {"engine": "fake"}))
    assert result == replace(RESULT, image=None, stored_size=(8, 16))
    assert environment == {"engine": "fake"}


def test_any_missing_field_is_refused() -> None:
    good = picture_record(RESULT, "Emoji Tiny", {})
    read_picture(png(good))
    for key in set(good) - {"name", "width", "height", "negative_cut_off"}:  # the picture itself has its size
        with pytest.raises(DemoError, match="cannot be read"):
            read_picture(png({name: value for name, value in good.items() if name != key}))


def test_an_earlier_picture_does_not_say_what_was_cut_off_the_negative_prompt() -> None:
    record = picture_record(RESULT, "Emoji Tiny", {})
    del record["negative_cut_off"]
    result, _ = read_picture(png(record))
    assert (result.truncated, result.negative_truncated) == (("word", "wört"), ())


@pytest.mark.parametrize("value", [None, 1, float("inf"), "text", [], {}, [None], {"blocked": None}])
def test_any_value_of_a_wrong_type_is_refused_or_of_a_right_one(value: object) -> None:
    good = picture_record(RESULT, "Emoji Tiny", {})
    for key in good:
        try:
            result, _ = read_picture(png({**good, key: value}))
        except DemoError:
            continue
        assert isinstance(result.model + result.engine + "".join(result.truncated + result.negative_truncated), str)
        assert not result.verdict.blocked


def test_a_picture_without_a_clear_pass_is_refused() -> None:
    good = picture_record(RESULT, "Emoji Tiny", {})
    for verdict in (True, None, "no", 0):
        with pytest.raises(DemoError, match="did not let it through"):
            read_picture(png({**good, "verdict": {**good["verdict"], "blocked": verdict}}))


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "null", "[" * 100_000])
def test_a_record_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DemoError):
        read_picture(png(text))


def test_a_damaged_file_is_refused() -> None:
    data = encode_png(RESULT, "Emoji Tiny", {})
    flipped = bytearray(data)
    flipped[-20] ^= 1  # in the pixels
    for damaged in (b"", b"\x89PNG", data[:-30], bytes(flipped), plain_png(PIXELS)):
        with pytest.raises(DemoError):
            read_picture(damaged)


def test_options_that_save_evaluations_are_written_where_they_are_on() -> None:
    plain = picture_record(RESULT, "Emoji Tiny", {})["request"]
    assert not {"guidance_interval", "forecast", "deep_every"} & plain.keys()  # so an earlier version reads it
    assert "orecast" not in parameters_text(RESULT)
    saving = replace(RESULT, request=replace(RESULT.request, guidance_interval=(0, 0.5), forecast=True, deep_every=2))
    assert 'Guidance interval: "0:0.5", Forecast: on' in parameters_text(saving)
    assert read_picture(encode_png(saving, "Emoji Tiny", {}))[0].request == saving.request
