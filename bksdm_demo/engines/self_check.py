"""The self-check of a part: one fixed input, and how closely two results of it agree.

The same input goes to the part on CPU only and on the units in question. The bar of 35 dB is the one by
which Apple's conversion script for Stable Diffusion judges a converted part. The input is made from names and shapes
alone: token ids stay below any vocabulary's size, everything else is noise.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from math import log10

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.engines.base import Port

BAR = 35.0  # dB
MOST = 200.0  # dB, what equal arrays get
SEED = 17
TOKENS = 256  # every vocabulary of CLIP's kind begins with the 256 bytes
TIMESTEP = 500.0  # in the middle of the training schedule


def seeded_inputs(ports: Sequence[Port]) -> dict[str, NDArray]:
    """One input for these ports, the same on every machine and in every version of numpy."""
    return {port.name: _seeded(port) for port in ports}


def _seeded(port: Port) -> NDArray:
    source = np.random.RandomState(zlib.crc32(f"{SEED} {port.name}".encode()))
    if port.name == "input_ids" or port.dtype == "int32":
        values: NDArray = source.randint(0, TOKENS, port.shape)
    elif port.name == "timestep":
        values = np.full(port.shape, TIMESTEP)
    elif port.name == "images":
        values = source.uniform(0, 1, port.shape)
    elif port.name == "adjustment":
        values = np.zeros(port.shape)
    else:
        values = source.standard_normal(port.shape)
    return np.asarray(values, dtype=port.dtype)


def finite(outputs: Mapping[str, NDArray]) -> bool:
    return all(bool(np.isfinite(array).all()) for array in outputs.values())


def agreement(outputs: Mapping[str, NDArray], reference: Mapping[str, NDArray]) -> float:
    """The lowest PSNR over all outputs in dB, MOST at most: peak of the reference over the root mean square error.

    Returns -MOST for an output that is missing, of another shape or not finite.
    """
    return min((_psnr(outputs.get(name), array) for name, array in reference.items()), default=MOST)


def _psnr(array: NDArray | None, reference: NDArray) -> float:
    if array is None or array.shape != reference.shape or not np.isfinite(array).all():
        return -MOST
    expected = reference.astype(np.float64)
    error = float(np.sqrt(np.mean(np.square(array.astype(np.float64) - expected)))) if expected.size else 0.0
    peak = float(np.max(np.abs(expected), initial=0.0)) or 1.0
    return MOST if error == 0 else min(max(20 * log10(peak / error), -MOST), MOST)
