"""PNDM without its Runge-Kutta start ("PLMS"), the sampler SD v1.4 was published with (arXiv 2202.09778).

Follows diffusers' PNDMScheduler with `skip_prk_steps` True and `set_alpha_to_one` False. Leaves out the Runge-Kutta
steps. The second network call repeats the first step with an averaged slope, so a run of n > 1 steps calls n + 1 times.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.noise import NoiseSource
from bksdm_demo.diffusion.schedulers.base import register
from bksdm_demo.diffusion.schedulers.prediction import estimate
from bksdm_demo.diffusion.schedulers.times import leading_times
from bksdm_demo.diffusion.schedulers.training import TrainingSchedule

# Adams-Bashforth weights of the newest to the oldest noise, by how many are known (arXiv 2202.09778, eq. 9 and 12).
WEIGHTS = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))


@register("pndm")
class Pndm:
    """Keeps the last four noises and, between the first two calls, the sample it started from."""

    initial_scale = 1.0

    def __init__(self, training: TrainingSchedule, steps: int) -> None:
        self._training = training
        self._stride = training.train_steps // steps
        times = leading_times(training, steps)
        self._times = np.concatenate([times[:1], times[1:2], times[1:]])  # the second time comes twice
        self._noises: list[NDArray] = []  # newest first
        self._start: NDArray | None = None
        self.clean: NDArray | None = None

    @property
    def timesteps(self) -> NDArray[np.float64]:
        return self._times.astype(np.float64)

    def scale_input(self, sample: NDArray, index: int) -> NDArray:
        return sample

    def step(self, output: NDArray, index: int, sample: NDArray, source: NoiseSource) -> NDArray:
        time = int(self._times[index])
        eps = self._noise(output, sample, time)
        if index == 1 and self._start is not None:  # redo the first step with the mean of both its ends
            start, self._start = self._start, None
            return self._transfer(start, (eps + self._noises[0]) / 2, time + self._stride, time)
        self._start = sample if index == 0 else None
        self._noises = [eps, *self._noises[:3]]
        weights = WEIGHTS[len(self._noises) - 1]
        slope = sum(weight * noise for weight, noise in zip(weights, self._noises, strict=True))
        return self._transfer(sample, np.asarray(slope), time, time - self._stride)

    def _noise(self, output: NDArray, sample: NDArray, time: int) -> NDArray:
        a_t = self._training.alphas_cumprod[time]
        self.clean, eps = estimate(output, sample, np.sqrt(a_t), np.sqrt(1 - a_t), self._training.prediction)
        return eps

    def _transfer(self, x_t: NDArray, eps: NDArray, time: int, earlier: int) -> NDArray:
        """Eq. 11: carry a sample from one time to an earlier one along a given noise."""
        alphas = self._training.alphas_cumprod
        a_t, a_prev = alphas[time], alphas[max(earlier, 0)]
        divisor = a_t * np.sqrt(1 - a_prev) + np.sqrt(a_t * (1 - a_t) * a_prev)
        return np.sqrt(a_prev / a_t) * x_t - (a_prev - a_t) / divisor * eps
