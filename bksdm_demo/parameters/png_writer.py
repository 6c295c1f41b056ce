"""Writes one picture as a PNG with its parameters inside.

They are in two text chunks. `parameters` has the layout of AUTOMATIC1111's stable-diffusion-webui, which most picture
browsers read (modules/infotext_utils.py: the prompt, "Negative prompt:", one line of "Key: value" pairs). `bksdm-demo`
is our own JSON (result_json.py), complete and unambiguous. Blocked pictures are refused.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from bksdm_demo import scheduler_facts
from bksdm_demo.errors import DemoError
from bksdm_demo.parameters.result_json import SCHEMA, SCHEMA_VERSION, request_report, result_report
from bksdm_demo.records import Request, Result
from bksdm_demo.wording.comparison import saving_facts

PARAMETERS_KEY = "parameters"
RECORD_KEY = "bksdm-demo"

SAMPLER_NAMES = {facts.key: facts.webui for facts in scheduler_facts.FACTS}


def encode_png(result: Result, name: str, environment: Mapping[str, Any], with_parameters: bool = True) -> bytes:
    """Encode the picture losslessly, with its parameters if `with_parameters`.

    `name` is the model's display name. Raises DemoError if there is no picture or the verdict blocks it.
    """
    if result.verdict.blocked:
        raise DemoError(f"{name}: the safety checker blocked this picture, so it is not written.")
    if result.image is None:
        raise DemoError(f"{name}: this picture is not in memory. Read it from the store first.")
    info = PngImagePlugin.PngInfo()
    if with_parameters:
        _add_text(info, PARAMETERS_KEY, parameters_text(result, str(environment.get("demo_version", ""))))
        _add_text(info, RECORD_KEY, json.dumps(picture_record(result, name, environment), allow_nan=False))
    buffer = io.BytesIO()
    Image.fromarray(result.image).save(buffer, "PNG", pnginfo=info, optimize=True)
    return buffer.getvalue()


def plain_png(image: NDArray) -> bytes:
    """Encode uint8 [H, W, 3] as a PNG without parameters; fast rather than small."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def decode_png(data: bytes) -> NDArray:
    """Decode a PNG of ours to uint8 [H, W, 3]. Raises DemoError for damaged data."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            image = np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise DemoError(f"The file of a picture is damaged: {error}.") from error
    image.setflags(write=False)
    return image


def picture_record(result: Result, name: str, environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of the `bksdm-demo` chunk: request, model, outcome and environment."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "request": request_report(result.request),
        "model": result.model,
        "name": name,
        **result_report(result),
        "environment": dict(environment),
    }


def parameters_text(result: Result, version: str = "") -> str:
    """Return the parameters in stable-diffusion-webui's layout. An empty negative prompt has no line.

    `Steps` is the number that was asked for; PNDM takes one more. `RNG: CPU` is that program's name for torch's CPU
    generator. It has no name for NumPy's generator, which is written under our own key `Noise`.
    """
    request = result.request
    pairs = {
        "Steps": request.steps,
        "Sampler": SAMPLER_NAMES[request.scheduler],
        "CFG scale": f"{request.guidance_scale:g}",
        "Seed": request.seed,
        **_size(result),
        "Model": _quoted(result.model),
        **_noise(request),
        **{label: _quoted(value) for label, value in saving_facts(request)},
        "Version": f"bksdm-demo {version}".strip(),
    }
    lines = [request.prompt.strip()]
    if request.negative_prompt.strip():
        lines.append(f"Negative prompt: {request.negative_prompt.strip()}")
    return "\n".join([*lines, ", ".join(f"{key}: {value}" for key, value in pairs.items())])


def _size(result: Result) -> dict[str, str]:
    return {} if result.size is None else {"Size": f"{result.size[1]}x{result.size[0]}"}


def _noise(request: Request) -> dict[str, str]:
    return {"RNG": "CPU"} if request.generator == "torch" else {"Noise": request.generator}


def _quoted(value: str) -> str:
    """Return a value with a comma, colon or line break as a JSON string, as that program does."""
    return json.dumps(value, ensure_ascii=False) if any(mark in value for mark in ",:\n") else value


def _add_text(info: PngImagePlugin.PngInfo, key: str, text: str) -> None:
    """Add a text chunk: tEXt for Latin-1, iTXt for other text. NUL and lone surrogates fit neither and are replaced."""
    info.add_text(key, text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8"))
