"""Finds the peak rate of matrix products on this machine, over several shapes and several products.

`SHAPES` are so large that computing hides the reading, and near the shapes of the networks' layers.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from benchmarks.flops import PER_MULTIPLY_ADD

SHAPES = ((1024, 1024, 1024), (2048, 2048, 2048), (4096, 4096, 4096), (8192, 1280, 1280), (2048, 1280, 5120))  # M, N, K
TRIALS = 3
RUN_SECONDS = 0.7  # of one sample: long enough for the clock to settle, short against a step

Product = Callable[[], object]


class Peak(ABC):
    """Finds the best product in `prepare`; `run` repeats it and returns the operations that took."""

    def __init__(self, precision: str, threads: int) -> None:
        self.precision, self.threads = precision, threads
        self._best: tuple[Product, int] | None = None
        self._repeats = 1

    @abstractmethod
    def products(self, rows: int, columns: int, inner: int) -> list[Product]:
        """The ways of this library to multiply [rows, inner] by [inner, columns]."""

    def prepare(self) -> None:
        fastest = float("inf")
        for rows, columns, inner in SHAPES:
            flops = PER_MULTIPLY_ADD * rows * columns * inner
            for product in self.products(rows, columns, inner):
                seconds = min(_seconds(product) for _ in range(TRIALS))
                if seconds / flops < fastest:
                    fastest, self._best = seconds / flops, (product, flops)
                    self._repeats = max(1, round(RUN_SECONDS / seconds))

    def run(self) -> int:
        assert self._best is not None, "prepare() first"
        product, flops = self._best
        for _ in range(self._repeats):
            product()
        return flops * self._repeats


def _seconds(product: Product) -> float:
    start = time.perf_counter()
    product()
    return time.perf_counter() - start
