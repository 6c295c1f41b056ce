"""The arrays of one part in memory that two processes share: a place for each input and output, used again by each run.

The memory belongs to an open file without a name, so nothing remains of it when both processes have ended, however they
ended. One process makes the file, the other inherits it.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Sequence
from itertools import accumulate
from math import prod

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.engines.base import Port

ALIGNMENT = 64  # bytes; a runtime reads aligned arrays in place
ZEROS = bytes(1 << 20)


class SharedArrays:
    """Views of the shared memory by port name. Both processes must pass the same ports.

    An output whose shape the file leaves open has no place here.
    """

    def __init__(self, file: int, inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
        places = _places(inputs, outputs)
        memory = mmap.mmap(file, _size(places))
        offsets = accumulate((_bytes(port) for port in places), initial=0)
        views = [np.ndarray(port.shape, port.dtype, memory, at) for port, at in zip(places, offsets, strict=False)]
        named = [(port.name, view) for port, view in zip(places, views, strict=True)]
        self.inputs: dict[str, NDArray] = dict(named[: len(inputs)])
        self.outputs: dict[str, NDArray] = dict(named[len(inputs) :])


def new_file() -> int:
    """Return the descriptor of an empty file without a name. The caller closes it."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("part-arrays")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def fill(file: int, inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
    """Give the file its size. Raises OSError if there is no room: a hole would crash whoever writes to it later."""
    size, written = _size(_places(inputs, outputs)), 0
    while written < size:
        written += os.pwrite(file, ZEROS[: size - written], written)


def _places(inputs: Sequence[Port], outputs: Sequence[Port]) -> list[Port]:
    return [*inputs, *(port for port in outputs if port.shape and 0 not in port.shape)]


def _size(places: Sequence[Port]) -> int:
    return max(sum(map(_bytes, places)), 1)  # nothing cannot be mapped


def _bytes(port: Port) -> int:
    size = prod(port.shape) * np.dtype(port.dtype).itemsize
    return -(-size // ALIGNMENT) * ALIGNMENT
