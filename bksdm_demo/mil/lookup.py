"""Looks up table values by indices packed in a bit stream, several at a time, at the speed of memory.

A code of 8, 12 or 16 bits holds several indices. The table is expanded once, so that one look-up yields all values of a
code. Chunks of codes stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 16  # codes
_WORTH_PAIRS = 1 << 18  # elements; from here on a table for pairs of 8-bit indices pays off


def look_up(data: NDArray[np.uint8], bits: int, table: NDArray, count: int) -> NDArray:
    """`count` elements of `table` [2^bits], flat, in its type; `bits` is 1, 2, 3, 4, 6 or 8.

    `data` holds the indices as a bit stream, least significant bit first, at least `count` of them.
    """
    data = np.ascontiguousarray(data[: -(-count * bits // 8)])
    if bits == 8 and count < _WORTH_PAIRS:
        return table[data]
    code_bits = {8: 16, 6: 12, 3: 12}.get(bits, 8)
    spread = _spread(table, code_bits // bits)
    values = np.empty((-(-data.size * 8 // code_bits) + 1, spread.shape[1]), table.dtype)
    done = 0
    for codes in _codes(data, code_bits):
        # "clip": every code is in range, and this mode alone writes to `out` without a copy
        np.take(spread, codes, axis=0, out=values[done : done + codes.size], mode="clip")
        done += codes.size
    return values.reshape(-1)[:count]


def _spread(table: NDArray, together: int) -> NDArray:
    """The table [size ^ together, together] of the values for each code of so many indices."""
    size = table.size
    spread = np.empty((size**together, together), table.dtype)
    for place in range(together):
        spread[:, place] = np.tile(np.repeat(table, size**place), size ** (together - 1 - place))
    return spread


def _codes(data: NDArray[np.uint8], bits: int) -> Iterator[NDArray]:
    """The bit stream as codes of 8, 12 or 16 bits, padded with zeros."""
    step = {8: _CHUNK, 12: _CHUNK // 2 * 3, 16: _CHUNK * 2}[bits]
    for start in range(0, data.size, step):
        chunk = data[start : start + step]
        whole = {8: 1, 12: 3, 16: 2}[bits]
        if chunk.size % whole:
            chunk = np.concatenate([chunk, np.zeros(-chunk.size % whole, np.uint8)])
        if bits == 8:
            yield chunk
        elif bits == 16:
            yield chunk.view("<u2")
        else:
            low, middle, high = chunk.reshape(-1, 3).T.astype(np.uint16)
            codes = np.empty((low.size, 2), np.intp)
            codes[:, 0] = low | ((middle & 15) << 8)
            codes[:, 1] = (middle >> 4) | (high << 4)
            yield codes.reshape(-1)
