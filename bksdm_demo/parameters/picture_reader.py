"""Reads the settings inside a picture of this demo or another program as a partial request.

Our own complete record comes first, then the `parameters` text of stable-diffusion-webui and the programs that follow
it, then the records of other programs (`other_programs/`). What was read, and what of it was left out, is in the notes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from bksdm_demo.errors import RequestError
from bksdm_demo.parameters.other_programs.comfyui import is_graph, read_comfyui
from bksdm_demo.parameters.other_programs.json_records import parsed, read_json, read_texts
from bksdm_demo.parameters.other_programs.stated import Stated, partial_request
from bksdm_demo.parameters.other_programs.webui import OURS, read_webui
from bksdm_demo.parameters.other_programs.webui import PROGRAM as WEBUI
from bksdm_demo.parameters.partial_request import SETTINGS, PartialRequest
from bksdm_demo.parameters.picture_texts import COMMENT, DESCRIPTION, XP_COMMENT, kind, picture_texts
from bksdm_demo.parameters.png_writer import PARAMETERS_KEY, RECORD_KEY
from bksdm_demo.parameters.result_json import SCHEMA

GRAPH_KEY = "prompt"
RECORDS = ("invokeai_metadata", "sd-metadata", "Comment")  # texts that hold only a JSON record
REMARKS = (COMMENT, "exif:UserComment", XP_COMMENT, DESCRIPTION, "Description", "dc:description", "comment")
NAMES_SHOWN = 6  # texts that are named in a sentence


def read_settings(data: bytes, known_models: Collection[str]) -> PartialRequest:
    """Return the partial request in a PNG, JPEG or WebP file. Values that cannot be used become notes.

    Raises RequestError for another file, a damaged one, and one without settings that this demo can read.
    """
    texts = picture_texts(data)
    own = _own_record(texts.get(RECORD_KEY, ""), known_models)
    if own is not None and not own.empty:
        return own
    for name, stated in _stated(texts):
        partial = partial_request(stated, known_models)
        if stated.program == OURS:
            return partial
        source = f"Read: the text {name!r}, in the layout of {stated.program}."
        return replace(partial, notes=(source, *partial.notes))
    raise RequestError(_nothing(kind(data), texts))


def _stated(texts: Mapping[str, str]) -> Iterator[tuple[str, Stated]]:
    """Yield what each readable text states, with its name, the most telling first. Empty records are left out."""
    for name, stated in _records(texts):
        if stated is not None and not stated.empty:
            yield name, stated


def _records(texts: Mapping[str, str]) -> Iterator[tuple[str, Stated | None]]:
    if PARAMETERS_KEY in texts:
        yield PARAMETERS_KEY, _record(texts[PARAMETERS_KEY])
    graph = parsed(texts.get(GRAPH_KEY, ""))
    if is_graph(graph):
        yield GRAPH_KEY, read_comfyui(graph)
    for name in RECORDS:
        yield name, read_json(parsed(texts.get(name, "")))
    stated = read_texts(texts)
    yield ("Dream" if "Dream" in texts else "Description" if "Description" in texts else GRAPH_KEY), stated
    for name in REMARKS:
        found = _record(texts.get(name, ""))
        yield name, found if found is not None and _tells_settings(found) else None


def _tells_settings(stated: Stated) -> bool:
    """Whether a remark is one on settings. Any text can be a remark, so a prompt alone does not count as one."""
    return stated.program != WEBUI or stated.steps is not None or bool(stated.sampler)


def _record(text: str) -> Stated | None:
    """Return what a text states that may be JSON or not. JSON of an unknown program is no prompt."""
    value = parsed(text) if text.lstrip().startswith("{") else None
    if isinstance(value, dict):
        return read_comfyui(value) if is_graph(value) else read_json(value)
    return read_webui(text)


def _nothing(file_kind: str, texts: Mapping[str, str]) -> str:
    """A sentence on a picture without settings: what was examined, and what was found."""
    where = "before its pixels" if file_kind == "PNG" else "in its EXIF and XMP"
    if not texts:
        return f"This {file_kind} file has no text {where}. Many sites remove it. Type its prompt instead."
    listed = ", ".join(repr(name[:40]) for name in list(texts)[:NAMES_SHOWN])
    more = f" and {len(texts) - NAMES_SHOWN} more" if len(texts) > NAMES_SHOWN else ""
    return (
        f"This picture has no settings that this demo can read. Its texts are {listed}{more}. Type its prompt instead."
    )


def _own_record(text: str, known: Collection[str]) -> PartialRequest | None:
    """Return the partial request of our own record; None if the text is no such record."""
    record = parsed(text)
    if not isinstance(record, dict) or record.get("schema") != SCHEMA or not isinstance(record.get("request"), dict):
        return None
    request: Mapping[str, Any] = record["request"]
    partial = PartialRequest()
    for name in SETTINGS:
        partial = partial.setting(name, request[name]) if request.get(name) not in (None, "") else partial
    if "seed" in request and isinstance(request["seed"], int | float | str):
        partial = partial.with_seeds([request["seed"]])
    if partial.empty:
        return partial
    model = record.get("model")
    if isinstance(model, str) and model in known:
        partial = replace(partial, models=(model,))
    elif isinstance(model, str) and model:
        partial = partial.note(f"The model {model[:60]!r} is not available here; the chosen models did not change.")
    return partial if partial.negative_prompt is not None else replace(partial, negative_prompt="")
