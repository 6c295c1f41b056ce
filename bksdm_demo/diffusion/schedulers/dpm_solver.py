"""DPM-Solver++ (2M), plain and with Karras' spacing (arXiv 2211.01095, algorithm 2, midpoint form).

Follows diffusers' DPMSolverMultistepScheduler: second order, data prediction, first and last step of first order.
Leaves out the stochastic variants, third order and thresholding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.noise import NoiseSource
from bksdm_demo.diffusion.schedulers.base import Sampler, register
from bksdm_demo.diffusion.schedulers.prediction import estimate
from bksdm_demo.diffusion.schedulers.times import karras_sigmas, sigmas_at, solver_times, times_of
from bksdm_demo.diffusion.schedulers.training import TrainingSchedule


class DpmSolver2M(Sampler):
    """Keeps the previous estimate of the clean latents. `sigmas` [steps + 1] end in 0; `times` [steps] are whole."""

    def __init__(self, times: NDArray, sigmas: NDArray, prediction: str) -> None:
        super().__init__(times)
        self._prediction = prediction
        self._alpha = 1 / np.sqrt(sigmas**2 + 1)
        self._sigma = sigmas * self._alpha
        self._lambda = -np.log(sigmas[:-1])  # log signal-to-noise ratio; infinite at the end, where it is not used
        self._previous: NDArray | None = None

    def levels(self, index: int) -> tuple[float, float]:
        return float(self._alpha[index]), float(self._sigma[index])

    def step(self, output: NDArray, index: int, sample: NDArray, source: NoiseSource) -> NDArray:
        x_0 = estimate(output, sample, self._alpha[index], self._sigma[index], self._prediction).clean
        self.clean = x_0
        if index == len(self._times) - 1:  # sigma becomes 0: only the clean estimate is left
            return x_0
        h = self._lambda[index + 1] - self._lambda[index]
        target = x_0
        if self._previous is not None:
            r = (self._lambda[index] - self._lambda[index - 1]) / h
            target = x_0 + (x_0 - self._previous) / (2 * r)
        self._previous = x_0
        ratio = self._sigma[index + 1] / self._sigma[index]
        return ratio * sample - self._alpha[index + 1] * np.expm1(-h) * target


@register("dpmpp-2m")
def dpm_solver(training: TrainingSchedule, steps: int) -> DpmSolver2M:
    """Whole times, spaced as the training schedule says."""
    times = solver_times(training, steps)
    return DpmSolver2M(times, sigmas_at(training, times), training.prediction)


@register("dpmpp-2m-karras")
def dpm_solver_karras(training: TrainingSchedule, steps: int) -> DpmSolver2M:
    """Karras' spacing of sigma; the network gets the nearest whole time."""
    sigmas = karras_sigmas(training, steps)
    return DpmSolver2M(times_of(training, sigmas[:-1]), sigmas, training.prediction)
