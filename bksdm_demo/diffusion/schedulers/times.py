"""The times of the training schedule that a sampler visits.

Follows table 2 of "Common Diffusion Noise Schedules and Sample Steps are Flawed" (arXiv 2305.08891) as diffusers
reads it: "leading" for PNDM and DDIM, "linspace" for the others, and Karras' spacing. Matches diffusers' oddities at
one step, where "leading" starts at time 1 and Euler's "linspace" at time 0: such a picture is little more than noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.schedulers.training import TrainingSchedule

STEPS_OFFSET = 1  # SD v1.4's configuration: the last "leading" time is 1, not 0
KARRAS_RHO = 7.0  # "Elucidating the Design Space" (arXiv 2206.00364), section 3


def leading_times(training: TrainingSchedule, steps: int) -> NDArray[np.int64]:
    """[steps] whole times, falling, the last one at STEPS_OFFSET."""
    stride = training.train_steps // steps
    return np.arange(steps, dtype=np.int64)[::-1] * stride + STEPS_OFFSET


def even_times(training: TrainingSchedule, steps: int) -> NDArray[np.float64]:
    """[steps] times from the last training step down to 0, both included; not whole numbers (float32 values)."""
    return np.linspace(0, training.train_steps - 1, steps, dtype=np.float32)[::-1].astype(np.float64)


def even_whole_times(training: TrainingSchedule, steps: int) -> NDArray[np.int64]:
    """[steps] whole times from the last training step towards 0, which is left out."""
    return np.linspace(0, training.train_steps - 1, steps + 1).round()[:0:-1].astype(np.int64)


def sigmas_at(training: TrainingSchedule, times: NDArray) -> NDArray[np.float64]:
    """[steps + 1] noise-to-signal ratios at the given times, linear between training steps, ending in 0.

    Rounded to float32, as the reference keeps them.
    """
    between = np.interp(times, np.arange(training.train_steps), training.sigmas)
    return np.append(between, 0.0).astype(np.float32).astype(np.float64)


def karras_sigmas(training: TrainingSchedule, steps: int) -> NDArray[np.float64]:
    """[steps + 1] noise-to-signal ratios evenly spaced in their seventh root, ending in 0 (arXiv 2206.00364, eq. 5)."""
    high, low = training.sigmas[-1] ** (1 / KARRAS_RHO), training.sigmas[0] ** (1 / KARRAS_RHO)
    ramp = high + np.linspace(0, 1, steps) * (low - high)
    return np.append(ramp**KARRAS_RHO, 0.0).astype(np.float32).astype(np.float64)


def times_of(training: TrainingSchedule, sigmas: NDArray) -> NDArray[np.int64]:
    """The whole training steps nearest to the given ratios, found on a logarithmic scale."""
    times = np.interp(np.log(sigmas), np.log(training.sigmas), np.arange(training.train_steps))
    return np.round(times).astype(np.int64)
