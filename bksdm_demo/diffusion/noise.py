"""Seeded sources of standard normal noise: one seed gives one stream, and a run draws from it throughout.

There are two generators, because the same seed gives different pictures in different programs. "numpy" is
`numpy.random.RandomState(seed).standard_normal` rounded to float32 (Apple's Swift pipeline, the default). "torch" is
`torch.manual_seed(seed)` and `torch.randn` on the CPU (diffusers). Leaves out GPU generators.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.torch_generator import TorchSource
from bksdm_demo.errors import RequestError


class NoiseSource(Protocol):
    """A stream of standard normal numbers; each call continues where the last one stopped."""

    def normal(self, shape: Sequence[int]) -> NDArray[np.float32]:
        """The next float32 numbers, in row-major order."""
        ...


class NumpySource:
    """`numpy.random.RandomState`, whose stream numpy guarantees never to change."""

    def __init__(self, seed: int) -> None:
        self._state = np.random.RandomState(seed)

    def normal(self, shape: Sequence[int]) -> NDArray[np.float32]:
        return np.asarray(self._state.standard_normal(tuple(shape)), dtype=np.float32)


_SOURCES: dict[str, Callable[[int], NoiseSource]] = {"numpy": NumpySource, "torch": TorchSource}


def open_source(seed: int, generator: str = "numpy") -> NoiseSource:
    """A fresh stream for a seed in [0, 2**32). Raises RequestError for another seed or an unknown generator."""
    if generator not in _SOURCES:
        raise RequestError(f"generator is {generator!r}; choose one of {', '.join(_SOURCES)}.")
    if not 0 <= seed < 2**32:
        raise RequestError(f"seed is {seed}; it must be between 0 and {2**32 - 1}.")
    return _SOURCES[generator](seed)
