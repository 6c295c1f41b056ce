"""The scheduler contract and the registry of samplers by name.

A scheduler is built from the training schedule and a number of steps, serves one picture, and is thrown away: its
multistep history lives in it. To add one: write a class with these five members, decorate a builder with
`@register("name")`, import its file in `__init__.py`, and add the name to `records.SCHEDULERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.noise import NoiseSource
from bksdm_demo.diffusion.schedulers.training import TrainingSchedule
from bksdm_demo.errors import RequestError


class Scheduler(Protocol):
    """One way from noise to latents. Samples are float64 of any shape; `index` counts network calls from 0."""

    clean: NDArray | None
    """The clean latents as the network's latest output has them, None before the first step: what a preview shows."""

    @property
    def timesteps(self) -> NDArray[np.float64]:
        """[calls]: the time each network call is told, falling. PNDM makes one call more than it has steps."""
        ...

    @property
    def initial_scale(self) -> float:
        """What standard normal noise is multiplied by to start."""
        ...

    def scale_input(self, sample: NDArray, index: int) -> NDArray:
        """The sample as the network wants to see it (variance about 1)."""
        ...

    def step(self, output: NDArray, index: int, sample: NDArray, source: NoiseSource) -> NDArray:
        """The next, cleaner sample. `output` is the network's answer to `scale_input(sample, index)`.

        Calls come in order, once per index. Only an ancestral sampler draws from `source`.
        """
        ...


Builder = Callable[[TrainingSchedule, int], Scheduler]
_BUILDERS: dict[str, Builder] = {}


def register(name: str) -> Callable[[Builder], Builder]:
    """Decorator: make a builder known under `name`; a name taken twice is a programming error."""

    def add(builder: Builder) -> Builder:
        if name in _BUILDERS:
            raise ValueError(f"A scheduler named {name!r} is already registered.")
        _BUILDERS[name] = builder
        return builder

    return add


def scheduler_names() -> tuple[str, ...]:
    """The names that `build_scheduler` takes, in the order of registration."""
    return tuple(_BUILDERS)


def build_scheduler(name: str, training: TrainingSchedule, steps: int) -> Scheduler:
    """A fresh scheduler for one picture. Raises RequestError for an unknown name or an impossible number of steps."""
    if name not in _BUILDERS:
        raise RequestError(f"scheduler is {name!r}; choose one of {', '.join(_BUILDERS)}.")
    if not 1 <= steps <= training.train_steps // 2:
        raise RequestError(f"steps is {steps}; it must be between 1 and {training.train_steps // 2}.")
    return _BUILDERS[name](training, steps)
