"""Reads a picture of this demo back as the result that png_writer.py wrote into it, without its pixels.

For the store, which rebuilds a lost index. Unlike picture_reader.py it takes nothing from other programs, and no
part: a picture tells everything about its run, was let through by the safety checker and is whole, or it is refused.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from PIL import Image

from bksdm_demo.errors import DemoError
from bksdm_demo.parameters.png_writer import RECORD_KEY
from bksdm_demo.parameters.result_json import SCHEMA, SCHEMA_VERSION, SECONDS
from bksdm_demo.records import Request, Result, Timings, Verdict, repaired


def read_picture(data: bytes) -> tuple[Result, Mapping[str, Any]]:
    """Return the result of a PNG and the environment of its run. Raises DemoError for any other file."""
    text, size = _record_text(data)
    try:
        record = json.loads(text)
        if (record["schema"], record["schema_version"]) != (SCHEMA, SCHEMA_VERSION):
            raise ValueError("of another schema")
        result = _result(record, size)
        environment = record["environment"]
        if not isinstance(environment, dict):
            raise TypeError("no environment")
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError, DemoError) as error:
        raise DemoError(f"Its record cannot be read: {error!s:.200}.") from error
    if result.verdict.blocked:
        raise DemoError("The safety checker did not let it through.")
    return result, environment


def _record_text(data: bytes) -> tuple[str, tuple[int, int]]:
    """Return the text of our record, and (height, width) in pixels. Checks every chunk, but decodes no pixel."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            text, (width, height) = picture.info.get(RECORD_KEY), picture.size
            picture.verify()
    except Exception as error:  # Pillow raises many kinds of error for a damaged file
        raise DemoError("It is no PNG, or damaged.") from error
    if not isinstance(text, str):
        raise DemoError("It has no record of this demo.")
    return text, (height, width)


def _result(record: Mapping[str, Any], size: tuple[int, int]) -> Result:
    verdict, seconds = record["verdict"], record["seconds"]
    named = {field.name for field in fields(Request)}
    return Result(
        model=repaired(record["model"]),
        request=Request(**{name: value for name, value in record["request"].items() if name in named}),
        verdict=Verdict(
            verdict["blocked"] is not False,
            repaired(verdict["reason"]),
            tuple(float("nan") if score is None else float(score) for score in verdict["scores"]),
        ),
        timings=Timings(
            **{name: float(seconds[name] or 0) for name in SECONDS},
            steps=tuple(float(second or 0) for second in record["step_seconds"]),
            cold=bool(record["cold"]),
        ),
        truncated=tuple(repaired(word) for word in record["cut_off"]),
        engine=repaired(record["engine"]),
        size_bytes=int(record["size_bytes"]),
        stored_size=size,
        negative_truncated=tuple(repaired(word) for word in record.get("negative_cut_off", ())),  # not in older ones
    )
