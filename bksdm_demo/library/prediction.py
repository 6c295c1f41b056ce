"""Reads what the U-Net of a system predicts: the noise ("epsilon") or the velocity ("v_prediction").

The Core ML interface is the same for both. diffusers writes the type into `scheduler_config.json` as `prediction_type`;
a U-Net's metadata may have the same key. The file wins over the metadata. If neither states it, "epsilon" is assumed:
right for SD v1 and SD 2-base, wrong for SD 2.x at 768 pixels. Ignores the other entries of the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from bksdm_demo.diffusion.schedulers.training import PREDICTIONS
from bksdm_demo.diffusion.unet import HIDDEN
from bksdm_demo.errors import PackageError
from bksdm_demo.library.layout import Parts

KEY = "prediction_type"
SD2_TEXT_WIDTH = 1024  # channels of the U-Net's text input; SD v1 has 768
LARGEST_CONFIG = 1_000_000  # bytes; real ones have a few hundred

ReadMetadata = Callable[[Path], Mapping[str, str]]
ReadShapes = Callable[[Path], Mapping[str, tuple[int | None, ...]]]


def read_prediction(parts: Parts, read_metadata: ReadMetadata) -> str:
    """The prediction type that the system's files state, one of PREDICTIONS; "" if they state none.

    Raises PackageError for any other value and for a file that is not a JSON object, and as `read_metadata` does.
    """
    if parts.scheduler_config is not None:
        config = _read_config(parts.scheduler_config)
        if KEY in config:
            return _checked(config[KEY], str(parts.scheduler_config))
    for part in parts.unet:
        metadata = read_metadata(part)
        if KEY in metadata:
            return _checked(metadata[KEY], f"The metadata of {part}")
    return ""


def unstated_note(parts: Parts, read_shapes: ReadShapes) -> str:
    """A warning about a U-Net without a stated prediction that is as wide as SD 2's, else "".

    `read_shapes` gives the shapes of a part's inputs by name.
    """
    inputs = [read_shapes(part) for part in parts.unet]
    if not any(shapes.get(HIDDEN, ())[1:2] == (SD2_TEXT_WIDTH,) for shapes in inputs):  # [B, D, 1, L]
        return ""
    return (
        f"Its text input has {SD2_TEXT_WIDTH} channels, like Stable Diffusion 2, and no file states its "
        f"{KEY}. This demo assumes epsilon. If the pictures look wrong, put a scheduler_config.json with "
        f'{{"{KEY}": "v_prediction"}} beside the model.'
    )


def _read_config(file: Path) -> Mapping[str, object]:
    try:
        with file.open("rb") as stream:
            config = json.loads(stream.read(LARGEST_CONFIG))
    except (OSError, ValueError, RecursionError) as error:
        raise PackageError(f"{file} cannot be read as JSON ({error}); download it again, or remove it.") from error
    if not isinstance(config, dict):
        raise PackageError(f"{file} holds no JSON object; download it again, or remove it.")
    return config


def _checked(value: object, source: str) -> str:
    if not isinstance(value, str) or value not in PREDICTIONS:
        raise PackageError(f"{source}: {KEY} is {value!r}; choose one of {', '.join(PREDICTIONS)}.")
    return value
