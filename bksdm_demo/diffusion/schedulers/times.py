"""The times of the training schedule that a sampler visits, and the noise-to-signal ratios there.

Follows table 2 of "Common Diffusion Noise Schedules and Sample Steps are Flawed" (arXiv 2305.08891) as diffusers
reads it, and Karras' spacing. Where the training schedule names no spacing, PNDM and DDIM take "leading", the others
"linspace". Matches diffusers' oddities: "linspace" gives DPM-Solver++ no time 0, and at one step "leading" starts near
time 0, so that such a picture is little more than noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.schedulers.training import TrainingSchedule

KARRAS_RHO = 7.0  # "Elucidating the Design Space" (arXiv 2206.00364), section 3


def stride_times(training: TrainingSchedule, steps: int) -> NDArray[np.int64]:
    """[steps] whole times, falling, for samplers that go from each to `train_steps // steps` before it."""
    if training.spacing == "trailing":
        return trailing_times(training, steps)
    if training.spacing == "linspace":
        return np.linspace(0, training.train_steps - 1, steps).round()[::-1].astype(np.int64)
    return leading_times(training, steps)


def sigma_times(training: TrainingSchedule, steps: int) -> NDArray[np.float64]:
    """[steps] times, falling, for samplers that go along sigmas; "linspace" gives fractions (float32 values)."""
    if training.spacing == "trailing":
        return trailing_times(training, steps).astype(np.float64)
    if training.spacing == "leading":
        return leading_times(training, steps).astype(np.float64)
    return np.linspace(0, training.train_steps - 1, steps, dtype=np.float32)[::-1].astype(np.float64)


def solver_times(training: TrainingSchedule, steps: int) -> NDArray[np.int64]:
    """[steps] whole times, falling, for DPM-Solver++: all but the last of steps + 1 evenly spaced ones."""
    if training.spacing == "trailing":
        return trailing_times(training, steps)
    if training.spacing == "leading":
        stride = training.train_steps // (steps + 1)
        return np.arange(steps, 0, -1, dtype=np.int64) * stride + training.steps_offset
    return np.linspace(0, training.train_steps - 1, steps + 1).round()[:0:-1].astype(np.int64)


def leading_times(training: TrainingSchedule, steps: int) -> NDArray[np.int64]:
    """[steps] whole times, falling, the last one at the schedule's offset."""
    stride = training.train_steps // steps
    return np.arange(steps, dtype=np.int64)[::-1] * stride + training.steps_offset


def trailing_times(training: TrainingSchedule, steps: int) -> NDArray[np.int64]:
    """[steps] whole times, falling, the first one at the last training step."""
    stride = training.train_steps / steps
    return np.round(np.arange(training.train_steps, 0, -stride))[:steps].astype(np.int64) - 1


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
    """The whole training steps nearest to the given ratios, found on a logarithmic scale.

    Those of the cosine schedule are rounded down, as in the reference.
    """
    times = np.interp(np.log(sigmas), np.log(training.sigmas), np.arange(training.train_steps))
    return (times if training.beta_schedule == "squaredcos_cap_v2" else np.round(times)).astype(np.int64)
