"""Decides what the network of a system was trained on: its schedule, and whether it predicts noise or velocity.

The Core ML interface is the same for all. A `scheduler_config.json` states the schedule, else Stable Diffusion v1.4's
is assumed. The prediction type ("epsilon" or "v_prediction") is an entry of that file; a U-Net's metadata may have the
same key. The file wins over the metadata. If neither states it, "epsilon" is assumed: right for SD v1 and SD 2-base,
wrong for SD 2.x at 768 pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from bksdm_demo.diffusion.schedulers.training import PREDICTIONS, TrainingSchedule
from bksdm_demo.diffusion.unet import HIDDEN
from bksdm_demo.errors import PackageError
from bksdm_demo.library.layout import Parts
from bksdm_demo.library.scheduler_config import notes_on, read_config, shown, training_of

KEY = "prediction_type"
SD2_TEXT_WIDTH = 1024  # channels of the U-Net's text input; SD v1 has 768

ReadMetadata = Callable[[Path], Mapping[str, str]]
ReadShapes = Callable[[Path], Mapping[str, tuple[int | None, ...]]]


def read_training(parts: Parts, read_metadata: ReadMetadata) -> TrainingSchedule:
    """The schedule that the system's files state, completed by that of SD v1.4.

    Raises PackageError for a file or metadata with another value than the demo supports, and as `read_metadata` does.
    """
    file = parts.scheduler_config
    training = TrainingSchedule() if file is None else training_of(read_config(file), str(file))
    stated = read_prediction(parts, read_metadata)
    return replace(training, prediction=stated) if stated else training


def read_prediction(parts: Parts, read_metadata: ReadMetadata) -> str:
    """The prediction type that the system's files state, one of PREDICTIONS; "" if they state none.

    Raises PackageError for any other value and for a file that is not a JSON object, and as `read_metadata` does.
    """
    if parts.scheduler_config is not None:
        config = read_config(parts.scheduler_config)
        if KEY in config:
            return _checked(config[KEY], str(parts.scheduler_config))
    for part in parts.unet:
        metadata = read_metadata(part)
        if KEY in metadata:
            return _checked(metadata[KEY], f"The metadata of {part}")
    return ""


def schedule_note(parts: Parts) -> str:
    """A warning about entries of the system's scheduler configuration that are not followed, else ""."""
    file = parts.scheduler_config
    return "" if file is None else notes_on(read_config(file), file.name)


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


def _checked(value: object, source: str) -> str:
    if not isinstance(value, str) or value not in PREDICTIONS:
        raise PackageError(f"{source}: {KEY} is {shown(value)}; choose one of {', '.join(PREDICTIONS)}.")
    return value
