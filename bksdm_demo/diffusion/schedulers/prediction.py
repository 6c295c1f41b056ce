"""Derives the clean latents and the noise from a network's output, whichever of them the network predicts.

A noisy sample is always `signal * clean + level * noise`. Samplers use the derived values and need not know the
prediction type. Leaves out networks that return the clean latents.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Estimate(NamedTuple):
    """The two parts of a noisy sample according to the network, both float64 and shaped like the sample."""

    clean: NDArray[np.float64]
    noise: NDArray[np.float64]


def estimate(output: NDArray, sample: NDArray, signal: float, level: float, prediction: str) -> Estimate:
    """The clean latents and the noise that a network's `output` means for a `sample` of that signal and noise level.

    `prediction` is one of training.PREDICTIONS. The velocity is `signal * noise - level * clean` (Salimans & Ho 2022,
    appendix D), given for a sample whose `signal**2 + level**2` is 1.
    """
    output = np.asarray(output, dtype=np.float64)
    if prediction == "epsilon":
        return Estimate(clean=(sample - level * output) / signal, noise=output)
    return Estimate(clean=signal * sample - level * output, noise=signal * output + level * sample)


def output_for(clean: NDArray, sample: NDArray, signal: float, level: float, prediction: str) -> NDArray[np.float64]:
    """The output that makes `estimate` find these clean latents in the sample; `level` must not be 0."""
    noise: NDArray[np.float64] = (np.asarray(sample, dtype=np.float64) - signal * clean) / level
    return noise if prediction == "epsilon" else signal * noise - level * clean
