"""torch's CPU generator and `torch.randn`, in numpy: the same float32 numbers, bit for bit, without torch.

Follows ATen's mt19937 engine, `normal_distribution<double>` (fewer than 16 numbers) and `normal_fill` (16 and more) as
torch runs them on x86 processors with AVX2. Without AVX2, on Apple silicon for example, torch calls the system's log,
sin and cos. Its numbers there can differ from these in their last bits; the largest difference among millions was
2.4e-6. Leaves out element types other than float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion import float32_math as cephes

BLOCK = 16  # normal_fill turns 16 uniforms into 16 normals at a time


class TorchSource:
    """The stream of `torch.manual_seed(seed)`; `normal` is `torch.randn`."""

    def __init__(self, seed: int) -> None:
        self._state = np.random.RandomState(seed)  # numpy and torch seed the Mersenne Twister the same way
        self._spare: float | None = None  # the second number of a pair, for the next short draw

    def normal(self, shape: Sequence[int]) -> NDArray[np.float32]:
        size = math.prod(shape)
        numbers = self._short(size) if size < BLOCK else self._long(size)
        return numbers.reshape(tuple(shape))

    def _words(self, count: int) -> NDArray[np.uint32]:
        return np.frombuffer(self._state.bytes(4 * count), dtype="<u4")

    def _short(self, size: int) -> NDArray[np.float32]:
        return np.array([self._one() for _ in range(size)], dtype=np.float32)

    def _one(self) -> float:
        if self._spare is not None:
            value, self._spare = self._spare, None
            return value
        first, second = self._double(), self._double()
        radius = math.sqrt(-2.0 * math.log1p(-second))
        angle = 2.0 * math.pi * first
        self._spare = radius * math.sin(angle)
        return radius * math.cos(angle)

    def _double(self) -> float:
        high, low = (int(word) for word in self._words(2))
        return ((high << 32 | low) & (1 << 53) - 1) * 2.0**-53

    def _long(self, size: int) -> NDArray[np.float32]:
        uniform = self._uniform(size)
        whole = size // BLOCK * BLOCK
        numbers = np.concatenate([box_muller(uniform[:whole]), uniform[whole:]])
        if whole < size:  # draw the last 16 again
            numbers[-BLOCK:] = box_muller(self._uniform(BLOCK))
        return numbers

    def _uniform(self, count: int) -> NDArray[np.float32]:
        return (self._words(count) & 0xFFFFFF).astype(np.float32) * np.float32(2.0**-24)


def box_muller(uniform: NDArray[np.float32]) -> NDArray[np.float32]:
    """[16 n] uniforms in [0, 1) to normals. In each block of 16, eight give the radius and eight the angle."""
    blocks = uniform.reshape(-1, 2, BLOCK // 2)
    radius = np.sqrt(np.float32(-2) * cephes.log(np.float32(1) - blocks[:, 0]))
    sine, cosine = cephes.sin_cos(np.float32(2 * math.pi) * blocks[:, 1])
    return np.stack([radius * cosine, radius * sine], axis=1).reshape(-1)
