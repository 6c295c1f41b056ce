"""Euler and Euler ancestral steps on the noise-to-signal ratio sigma (arXiv 2206.00364; k-diffusion's samplers).

Follows diffusers' EulerDiscreteScheduler and EulerAncestralDiscreteScheduler (linear interpolation of sigma). Leaves
out churn and Karras' spacing. Samples grow with sigma here: `sample = clean + sigma * noise`, so `scale_input` divides
them by sqrt(sigma**2 + 1).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.noise import NoiseSource
from bksdm_demo.diffusion.schedulers.base import Sampler, register
from bksdm_demo.diffusion.schedulers.prediction import estimate
from bksdm_demo.diffusion.schedulers.times import sigma_times, sigmas_at
from bksdm_demo.diffusion.schedulers.training import TrainingSchedule


@register("euler")
class Euler(Sampler):
    """First order, deterministic."""

    def __init__(self, training: TrainingSchedule, steps: int) -> None:
        super().__init__(sigma_times(training, steps))
        self._prediction = training.prediction
        self._sigmas = sigmas_at(training, self._times)
        highest = float(self._sigmas[0])
        self.initial_scale = math.sqrt(highest**2 + 1) if training.spacing == "leading" else highest

    def scale_input(self, sample: NDArray, index: int) -> NDArray:
        return sample / np.sqrt(self._sigmas[index] ** 2 + 1)

    def levels(self, index: int) -> tuple[float, float]:
        sigma = float(self._sigmas[index])
        return 1 / math.sqrt(sigma**2 + 1), sigma / math.sqrt(sigma**2 + 1)

    def step(self, output: NDArray, index: int, sample: NDArray, source: NoiseSource) -> NDArray:
        eps = self._noise(output, index, sample)
        return sample + (self._sigmas[index + 1] - self._sigmas[index]) * eps

    def _noise(self, output: NDArray, index: int, sample: NDArray) -> NDArray:
        """The noise in the sample; remembers the clean latents on the way."""
        sigma = self._sigmas[index]
        signal = 1 / np.sqrt(sigma**2 + 1)
        self.clean, eps = estimate(output, sample * signal, signal, sigma * signal, self._prediction)
        return eps


@register("euler-ancestral")
class EulerAncestral(Euler):
    """Steps below the next sigma, then adds fresh noise from the request's own source to come up to it."""

    def step(self, output: NDArray, index: int, sample: NDArray, source: NoiseSource) -> NDArray:
        sigma, sigma_next = self._sigmas[index], self._sigmas[index + 1]
        sigma_up = np.sqrt(sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2)
        sigma_down = np.sqrt(max(sigma_next**2 - sigma_up**2, 0.0))
        eps = self._noise(output, index, sample)
        fresh = source.normal(sample.shape).astype(np.float64)
        return sample + (sigma_down - sigma) * eps + sigma_up * fresh
