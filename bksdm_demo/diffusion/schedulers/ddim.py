"""DDIM without added noise (arXiv 2010.02502, eq. 12 with sigma 0).

Follows diffusers' DDIMScheduler. Leaves out eta and clipping.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.noise import NoiseSource
from bksdm_demo.diffusion.schedulers.base import Sampler, register
from bksdm_demo.diffusion.schedulers.prediction import estimate
from bksdm_demo.diffusion.schedulers.times import stride_times
from bksdm_demo.diffusion.schedulers.training import TrainingSchedule


@register("ddim")
class Ddim(Sampler):
    """One network call per step, no history."""

    def __init__(self, training: TrainingSchedule, steps: int) -> None:
        super().__init__(stride_times(training, steps))
        self._training = training
        self._stride = training.train_steps // steps

    def levels(self, index: int) -> tuple[float, float]:
        return self._training.levels(int(self._times[index]))

    def step(self, output: NDArray, index: int, sample: NDArray, source: NoiseSource) -> NDArray:
        time = int(self._times[index])
        a_t, a_prev = (self._training.alpha_at(at, ends_clean=True) for at in (time, time - self._stride))
        x_0, eps = estimate(output, sample, np.sqrt(a_t), np.sqrt(1 - a_t), self._training.prediction)
        self.clean = x_0
        return np.sqrt(a_prev) * x_0 + np.sqrt(1 - a_prev) * eps
