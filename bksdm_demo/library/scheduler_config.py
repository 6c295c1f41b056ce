"""Reads diffusers' `scheduler_config.json` into the schedule that the system's network was trained with.

The entries of TRAINING are followed by every scheduler that the demo offers. Entries that choose or tune a sampling
method (`use_karras_sigmas`, `solver_order`, ...) are ignored, because the visitor chooses the method. What a file
leaves out has diffusers' default if diffusers wrote the file, which its `_class_name` shows, and Stable Diffusion
v1.4's value otherwise. Entries that would change the pictures in a way that no scheduler here follows are refused; two
that diffusers' own pipeline ignores or discourages give a note.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bksdm_demo.diffusion.schedulers.training import TrainingSchedule
from bksdm_demo.errors import PackageError
from bksdm_demo.mil.files import read_json

Config = Mapping[str, object]

MOST_BYTES = 4 * 2**20  # real files have a few hundred, with trained_betas up to 30,000
LARGEST = 10**9  # of a number; no entry comes near it
OTHER_CLASSES = ("FlowMatch", "EDM")  # beginnings of `_class_name` whose networks were not trained on betas


@dataclass(frozen=True)
class _Entry:
    """One entry: the field of TrainingSchedule, a check of its type, that type in words, and diffusers' default."""

    field: str
    fits: Callable[[object], bool]
    kind: str
    default: Any


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _are_betas(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(_is_number(beta) for beta in value))


TRAINING = {
    "num_train_timesteps": _Entry("train_steps", _is_whole, "a whole number", 1000),
    "beta_start": _Entry("beta_start", _is_number, "a number", 0.0001),
    "beta_end": _Entry("beta_end", _is_number, "a number", 0.02),
    "beta_schedule": _Entry("beta_schedule", _is_text, "a text", "linear"),
    "trained_betas": _Entry("trained_betas", _are_betas, "null or a list of numbers", None),
    "prediction_type": _Entry("prediction", _is_text, "a text", "epsilon"),
    "timestep_spacing": _Entry("spacing", _is_text, "a text", ""),  # each sampler's own
    "steps_offset": _Entry("steps_offset", _is_whole, "a whole number", 0),
    "set_alpha_to_one": _Entry("set_alpha_to_one", _is_flag, "true or false", None),  # each sampler's own
}
UNSUPPORTED: Mapping[str, object] = {  # entry -> the only value that is followed
    "rescale_betas_zero_snr": False,
    "thresholding": False,
    "use_flow_sigmas": False,
    "final_sigmas_type": "zero",
    "timestep_type": "discrete",
}
NOTED: Mapping[str, tuple[object, str]] = {  # entry -> the value that gives a note, and the note
    "clip_sample": (
        True,
        "clip_sample is true; this demo never clips latents, as diffusers' Stable Diffusion pipeline does not.",
    ),
    "skip_prk_steps": (
        False,
        "skip_prk_steps is false; PNDM leaves out its Runge-Kutta steps here, as for Stable Diffusion v1.4.",
    ),
}


def read_config(file: Path) -> Config:
    """The entries of a scheduler configuration. Raises PackageError if the file is not a JSON object."""
    config = read_json(file, MOST_BYTES)
    if not isinstance(config, dict):
        raise PackageError(f"{file} holds no JSON object; download it again, or remove it.")
    return config


def training_of(config: Config, source: str) -> TrainingSchedule:
    """The training schedule that the entries of `config` state.

    Raises PackageError with `source`, the entry and its value for one that is impossible or not supported.
    """
    _refuse_unsupported(config, source)
    fields = {}
    for key, entry in TRAINING.items():
        if key in config:
            if not entry.fits(config[key]):
                raise PackageError(f"{source}: {key} is {shown(config[key])}; it must be {entry.kind}.")
            fields[entry.field] = _frozen(config[key])
        elif "_class_name" in config:
            fields[entry.field] = entry.default
    try:
        return TrainingSchedule(**fields)
    except PackageError as error:
        raise PackageError(f"{source}: {error}") from error


def notes_on(config: Config, source: str) -> str:
    """A sentence for each entry that the demo reads but does not follow, "" for none."""
    notes = (text for key, (value, text) in NOTED.items() if config.get(key, not value) is value)
    return " ".join(f"{source}: {text}" for text in notes)


def _refuse_unsupported(config: Config, source: str) -> None:
    name = config.get("_class_name", "")
    if isinstance(name, str) and name.startswith(OTHER_CLASSES):
        raise PackageError(
            f"{source}: _class_name is {shown(name)}; this demo draws only networks that were trained on betas."
        )
    for key, followed in UNSUPPORTED.items():
        if key in config and config[key] != followed:
            raise PackageError(
                f"{source}: {key} is {shown(config[key])}; this demo follows only {shown(followed)}, "
                "and with another value its pictures would be wrong."
            )


def _frozen(value: object) -> Any:
    return tuple(value) if isinstance(value, list) else value


def shown(value: object) -> str:
    """A value for a message, shortened if it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
