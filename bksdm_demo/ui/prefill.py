"""Drafts, read from a link or from a picture's own text, into the form's fields. Nothing is run by filling the form.

Of a dropped picture only the text before its pixels reaches the server (drop.js cuts the rest off), as base64; it is
read and forgotten.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from typing import Any

import gradio as gr

from bksdm_demo.errors import RequestError
from bksdm_demo.parameters.partial_request import PartialRequest
from bksdm_demo.parameters.png_reader import read_png
from bksdm_demo.ui.form import Form, seeds_field

LONGEST_UPLOAD = 6_000_000  # characters of base64
FILLED_BY_LINK = "The form holds what the link asks for; press Compare to draw it."
FILLED_BY_PICTURE = "The form holds this picture’s settings; press Compare to draw it again."
NOT_KEPT_HERE = "This server does not keep that comparison; press Compare to draw it again."


def form_values(partial: PartialRequest) -> tuple[Any, ...]:
    """The value of every input of the form; gr.skip() where the partial says nothing. A seed that is told is locked."""
    return tuple(_field(partial, name) for name in Form._fields)


def _field(partial: PartialRequest, name: str) -> Any:
    if name == "previews":
        return gr.skip()
    if name in ("seed", "seeds", "locked"):
        if not partial.seeds:
            return gr.skip()
        return {"seed": partial.seeds[0], "seeds": seeds_field(partial.seeds), "locked": True}[name]
    value = list(partial.models) if name == "models" else getattr(partial, name)
    return gr.skip() if value in (None, []) else value


def read_upload(encoded: object, known_models: Collection[str]) -> PartialRequest:
    """The partial of a picture's first bytes in base64. Raises RequestError as read_png, and for what is no base64."""
    if not isinstance(encoded, str) or not encoded:
        raise RequestError("No picture came; drop a PNG file on the page.")
    if len(encoded) > LONGEST_UPLOAD:
        raise RequestError("This picture carries more text than is read here; type its prompt instead.")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError("The picture did not come whole; drop it once more.") from error
    return read_png(data, known_models)
