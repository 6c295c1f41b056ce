"""Reads the parameters inside a PNG of this demo or another program as a partial request.

It reads both text chunks that png_writer.py writes: our own complete JSON, and the `parameters` text of AUTOMATIC1111's
stable-diffusion-webui, which several programs write. No pixel is decoded and nothing in the file is run. Pillow limits
the size of compressed texts. ComfyUI's workflow graphs and the records of other programs are recognised but not read.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from PIL import Image

from bksdm_demo import scheduler_facts
from bksdm_demo.errors import RequestError
from bksdm_demo.parameters.partial_request import SETTINGS, PartialRequest
from bksdm_demo.parameters.png_writer import PARAMETERS_KEY, RECORD_KEY
from bksdm_demo.parameters.result_json import SCHEMA

LARGEST_FILE = 50_000_000  # bytes
OTHER_PROGRAMS = {  # a text chunk -> the program that writes it
    "workflow": "ComfyUI",
    "invokeai_metadata": "InvokeAI",
    "sd-metadata": "InvokeAI",
    "Comment": "NovelAI",
    "fooocus_scheme": "Fooocus",
}
SETTINGS_LINE = re.compile(r"Steps: \s*\d+\s*,")
LONGEST_SETTINGS = 8_000  # characters; programs write a few hundred
PAIR = re.compile(r'([\w][\w \-/]{0,60}?):\s*("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)')
NEGATIVE = "Negative prompt:"


def read_png(data: bytes, known_models: Collection[str]) -> PartialRequest:
    """Return the partial request in a PNG file. Values that cannot be used become notes.

    Raises RequestError for a file that is no PNG, is too large, or has no parameters that this demo can read.
    """
    texts = _texts(data)
    if RECORD_KEY in texts:
        partial = _own_record(texts[RECORD_KEY], known_models)
        if partial is not None and not partial.empty:
            return partial
    if PARAMETERS_KEY in texts:
        partial = read_parameters(texts[PARAMETERS_KEY], known_models)
        if not partial.empty:
            return partial
    foreign = next((program for key, program in OTHER_PROGRAMS.items() if key in texts), None)
    if foreign is not None:
        raise RequestError(f"This demo cannot read the record of {foreign} in this picture. Type its prompt instead.")
    raise RequestError("This picture has no parameters inside. Many sites remove them. Type its prompt instead.")


def read_parameters(text: str, known_models: Collection[str]) -> PartialRequest:
    """Return the partial request of a `parameters` text: prompt, negative prompt, and settings in the last line."""
    lines = text.strip().splitlines()
    settings: dict[str, str] = {}
    if lines and len(lines[-1]) <= LONGEST_SETTINGS and SETTINGS_LINE.match(lines[-1].strip()):
        settings = dict(_pairs(lines.pop()))
    start = next((place for place, line in enumerate(lines) if line.startswith(NEGATIVE)), len(lines))
    prompt = "\n".join(lines[:start]).strip()
    negative = "\n".join(lines[start:]).removeprefix(NEGATIVE).strip()
    partial = PartialRequest()
    for name, value in (("prompt", prompt), ("negative_prompt", negative)):
        partial = partial.setting(name, value) if value else partial
    return _with_settings(partial, settings, known_models)


def _texts(data: bytes) -> dict[str, str]:
    """Return the text chunks before the pixels."""
    if len(data) > LARGEST_FILE:
        raise RequestError(f"The picture has more than {LARGEST_FILE / 1e6:.0f} MB. Choose a smaller file.")
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            return {str(key): value for key, value in image.info.items() if isinstance(value, str)}
    except Image.DecompressionBombError as error:
        raise RequestError("The picture has too many pixels for this demo.") from error
    except Exception as error:  # Pillow raises many kinds of error for a damaged file
        raise RequestError("This file cannot be read as a PNG. Parameters are read from PNG files only.") from error


def _own_record(text: str, known: Collection[str]) -> PartialRequest | None:
    """Return the partial request of our own record; None if the text is no such record."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA or not isinstance(record.get("request"), dict):
        return None
    request: Mapping[str, Any] = record["request"]
    partial = PartialRequest()
    for name in SETTINGS:
        partial = partial.setting(name, request[name]) if request.get(name) not in (None, "") else partial
    if "seed" in request and _hashable(request["seed"]):
        partial = partial.with_seeds([request["seed"]])
    return _with_model(partial, record.get("model"), known)


def _with_settings(partial: PartialRequest, settings: Mapping[str, str], known: Collection[str]) -> PartialRequest:
    """Return the partial request with the values of the settings line, in the names of this demo."""
    if "Steps" in settings:
        partial = partial.setting("steps", _number(settings["Steps"]))
    if "CFG scale" in settings:
        partial = partial.setting("guidance_scale", _number(settings["CFG scale"]))
    if "Seed" in settings:
        partial = partial.with_seeds([_number(settings["Seed"])])
    if "Sampler" in settings:
        partial = _with_sampler(partial, f"{settings['Sampler']} {settings.get('Schedule type', '')}".strip())
    partial = _with_generator(partial, settings)
    return _with_model(partial, settings.get("Model"), known)


def _with_sampler(partial: PartialRequest, sampler: str) -> PartialRequest:
    """Set our scheduler of this name, else the nearest one with a note. If there is none, only add a note."""
    name = sampler.removesuffix(" Automatic")
    exact = scheduler_facts.by_webui_name(name)
    if exact is not None:
        return partial.setting("scheduler", exact.key)
    near = scheduler_facts.nearest(name)
    if near is not None:
        noted = partial.note(f"The sampler {name[:60]!r} is not available here; {near.webui} is the nearest one.")
        return noted.setting("scheduler", near.key)
    return partial.note(f"The sampler {name[:60]!r} is not available here; the scheduler did not change.")


def _with_generator(partial: PartialRequest, settings: Mapping[str, str]) -> PartialRequest:
    """Set the source of the start noise. The noise of other programs can be repeated only if it came from the CPU."""
    if settings.get("Noise"):
        return partial.setting("generator", settings["Noise"])
    if settings.get("RNG") == "CPU":
        return partial.setting("generator", "torch")
    if partial.seeds:
        return partial.note(
            "The start noise probably came from a graphics card, so the same seed will draw another picture here."
        )
    return partial


def _with_model(partial: PartialRequest, model: object, known: Collection[str]) -> PartialRequest:
    if not isinstance(model, str) or not model:
        return partial
    if model in known:
        return replace(partial, models=(model,))
    return partial.note(f"The model {model[:60]!r} is not available here; the chosen models did not change.")


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """Yield the "Key: value" pairs of a settings line. A value in quotation marks is a JSON string."""
    for key, value in PAIR.findall(line):
        if value.startswith('"'):
            try:
                yield key, str(json.loads(value))
                continue
            except ValueError:
                pass
        yield key, value.strip()


def _number(text: str) -> object:
    """Return the text as an int or float; any other text stays text, and Request refuses it by name."""
    for kind in (int, float):
        try:
            return kind(text[:40])
        except ValueError:
            continue
    return text[:60]


def _hashable(value: object) -> bool:
    return isinstance(value, (int, float, str))
