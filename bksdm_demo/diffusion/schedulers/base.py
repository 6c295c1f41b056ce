"""The scheduler contract, what all schedulers share, and the registry of schedulers by name.

A scheduler is built from the training schedule and a number of steps. Every picture needs a new one, because it holds
the history of its steps. To add one: write a subclass of `Sampler` with a `step`, decorate its builder with
`@register("name")`, import its file in `__init__.py`, and describe it in `bksdm_demo/scheduler_facts.py`.
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
    """The clean latents according to the network's latest output; None before the first step. Previews show them."""

    initial_scale: float
    """The factor that turns standard normal noise into the first sample."""

    @property
    def timesteps(self) -> NDArray[np.float64]:
        """[calls]: the time of each network call, falling. PNDM makes one call more than it has steps."""
        ...

    def scale_input(self, sample: NDArray, index: int) -> NDArray:
        """The sample as the network expects it (variance about 1)."""
        ...

    def levels(self, index: int) -> tuple[float, float]:
        """How much of the clean latents and of the noise is in a scaled sample; their squares sum to 1."""
        ...

    def step(self, output: NDArray, index: int, sample: NDArray, source: NoiseSource) -> NDArray:
        """The next, cleaner sample. `output` is the network's answer to `scale_input(sample, index)`.

        Calls come in order, once per index. Only an ancestral sampler draws from `source`.
        """
        ...


class Sampler:
    """What all schedulers share: their times, and samples that keep a variance of about 1 and need no scaling.

    A subclass adds `step`, and its own scaling if its samples grow with the noise.
    """

    def __init__(self, times: NDArray) -> None:
        self._times = times
        self.initial_scale = 1.0
        self.clean: NDArray | None = None

    @property
    def timesteps(self) -> NDArray[np.float64]:
        return self._times.astype(np.float64)

    def scale_input(self, sample: NDArray, index: int) -> NDArray:
        return sample


Builder = Callable[[TrainingSchedule, int], Scheduler]
_BUILDERS: dict[str, Builder] = {}


def register(name: str) -> Callable[[Builder], Builder]:
    """Register the decorated builder under `name`. Raises ValueError for a name that is taken."""

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
    scheduler = _BUILDERS[name](training, steps)
    if scheduler.timesteps[0] >= training.train_steps:
        raise RequestError(
            f"steps is {steps}; this model's steps_offset of {training.steps_offset} would move its first step beyond "
            f"the last of {training.train_steps} training steps. Choose fewer steps."
        )
    return scheduler
