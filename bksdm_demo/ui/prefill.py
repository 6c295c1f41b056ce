"""Fills the form from a partial request, which comes from a link or from the text in a picture. Nothing runs.

drop.js sends a dropped picture without its pixels, as base64. The server reads it and keeps nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from typing import Any

import gradio as gr

from bksdm_demo.errors import RequestError
from bksdm_demo.languages import marked
from bksdm_demo.parameters.partial_request import PartialRequest
from bksdm_demo.parameters.picture_reader import read_settings
from bksdm_demo.records import SAVINGS
from bksdm_demo.ui.form import Form, seeds_field
from bksdm_demo.wording.comparison import interval_text

LONGEST_UPLOAD = 6_000_000  # characters of base64
FILLED_BY_LINK = marked("The form is filled in from the link. Press Compare to start.")
FILLED_BY_PICTURE = marked("The form is filled in from the settings in this picture. Press Compare to draw with them.")
NOT_STORED_HERE = marked("This server does not have that comparison. Press Compare to draw it again.")


def form_values(partial: PartialRequest) -> tuple[Any, ...]:
    """Return the value of every input of the form; gr.skip() where `partial` has none. A given seed is locked."""
    return tuple(_field(partial, name) for name in Form._fields)


def _field(partial: PartialRequest, name: str) -> Any:
    if name == "previews":
        return gr.skip()
    if name in ("seed", "seeds", "locked"):
        if not partial.seeds:
            return gr.skip()
        return {"seed": partial.seeds[0], "seeds": seeds_field(partial.seeds), "locked": True}[name]
    if name in SAVINGS:
        return gr.skip() if partial.empty else _saving(partial, name)
    value = list(partial.models) if name == "models" else getattr(partial, name)
    return gr.skip() if value in (None, []) else value


def _saving(partial: PartialRequest, name: str) -> Any:
    """The value of an option that saves evaluations; it is off where nothing says that it is on."""
    value = getattr(partial, name)
    value = SAVINGS[name] if value is None else value
    return interval_text(value) if name == "guidance_interval" else value


def read_upload(encoded: object, known_models: Collection[str]) -> PartialRequest:
    """Read a partial request from a picture without its pixels in base64.

    Raises RequestError for invalid base64, and where read_settings does.
    """
    if not isinstance(encoded, str) or not encoded:
        raise RequestError("No picture arrived. Drop a picture file on the page.")
    if len(encoded) > LONGEST_UPLOAD:
        raise RequestError("This picture contains more text than this page reads. Type its prompt instead.")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError("The picture did not arrive complete. Drop it again.") from error
    return read_settings(data, known_models)
