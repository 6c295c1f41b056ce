"""PNDM without its Runge-Kutta start ("PLMS"), the sampler SD v1.4 was published with (arXiv 2202.09778).

Follows diffusers' PNDMScheduler with `skip_prk_steps` True. Leaves out the Runge-Kutta steps. The second network call
repeats the first step with an averaged slope, so a run of n > 1 steps calls n + 1 times.

Like diffusers, the multistep formula averages the network's outputs as they are. A velocity becomes noise only after
that, at the sample that the step starts from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.noise import NoiseSource
from bksdm_demo.diffusion.schedulers.base import Sampler, register
from bksdm_demo.diffusion.schedulers.prediction import Estimate, estimate
from bksdm_demo.diffusion.schedulers.times import stride_times
from bksdm_demo.diffusion.schedulers.training import TrainingSchedule

# Adams-Bashforth weights, newest output first, by how many outputs are known (arXiv 2202.09778, eq. 9 and 12).
WEIGHTS = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))


@register("pndm")
class Pndm(Sampler):
    """Keeps the last four outputs of the network and, between the first two calls, the sample it started from."""

    def __init__(self, training: TrainingSchedule, steps: int) -> None:
        times = stride_times(training, steps)
        super().__init__(np.concatenate([times[:1], times[1:2], times[1:]]))  # the second time comes twice
        self._training = training
        self._stride = training.train_steps // steps
        self._outputs: list[NDArray] = []  # newest first
        self._start: NDArray | None = None

    def levels(self, index: int) -> tuple[float, float]:
        return self._training.levels(int(self._times[index]))

    def step(self, output: NDArray, index: int, sample: NDArray, source: NoiseSource) -> NDArray:
        time = int(self._times[index])
        output = np.asarray(output, dtype=np.float64)
        self.clean = self._estimate(output, sample, time).clean
        if index == 1 and self._start is not None:  # redo the first step with the mean of both its ends
            start, self._start = self._start, None
            return self._transfer(start, (output + self._outputs[0]) / 2, time + self._stride, time)
        self._start = sample if index == 0 else None
        self._outputs = [output, *self._outputs[:3]]
        weights = WEIGHTS[len(self._outputs) - 1]
        slope = sum(weight * known for weight, known in zip(weights, self._outputs, strict=True))
        return self._transfer(sample, np.asarray(slope), time, time - self._stride)

    def _estimate(self, output: NDArray, sample: NDArray, time: int) -> Estimate:
        a_t = self._training.alphas_cumprod[time]
        return estimate(output, sample, np.sqrt(a_t), np.sqrt(1 - a_t), self._training.prediction)

    def _transfer(self, x_t: NDArray, output: NDArray, time: int, earlier: int) -> NDArray:
        """Eq. 11: carry a sample from one time to an earlier one along an averaged output."""
        a_t, a_prev = (self._training.alpha_at(at, ends_clean=False) for at in (time, earlier))
        eps = self._estimate(output, x_t, time).noise
        divisor = a_t * np.sqrt(1 - a_prev) + np.sqrt(a_t * (1 - a_t) * a_prev)
        return np.sqrt(a_prev / a_t) * x_t - (a_prev - a_t) / divisor * eps
