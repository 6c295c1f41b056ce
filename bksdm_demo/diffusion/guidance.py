"""Classifier-free guidance (arXiv 2207.12598), and the order of the two halves.

Every doubled array holds the negative prompt's half FIRST and the prompt's half second. Leaves out rescaling.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEGATIVE, POSITIVE = 0, 1


def stack_halves(negative: NDArray, positive: NDArray) -> NDArray:
    """Two [1, ...] arrays as one [2, ...], negative half first."""
    return np.concatenate([negative, positive], axis=0)


def double(sample: NDArray) -> NDArray:
    """The same [1, ...] sample for both halves: [2, ...]."""
    return stack_halves(sample, sample)


def guide(output: NDArray, scale: float) -> NDArray:
    """[2, ...] network output to [1, ...]: from the negative prompt's half towards the prompt's, `scale` times as far.

    A scale of 1 is exactly the prompt's half, 0 exactly the negative prompt's; between them the halves blend (diffusers
    takes the prompt's half for everything up to 1). Equation 6 of the paper with w = scale - 1.
    """
    negative, positive = output[NEGATIVE : NEGATIVE + 1], output[POSITIVE : POSITIVE + 1]
    if scale == 1:
        return positive
    if scale == 0:
        return negative
    return negative + scale * (positive - negative)
