"""Palettized weights: each element is an index of 1 to 8 bits into a small table of values.

Follows `constexpr_lut_to_dense` of iOS16 (one flat table, bit-packed indices) and of iOS18 (a table per group of
channels, and tables of vectors). Pure numpy; the results equal coremltools' own decompression bit for bit.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.mil.lookup import look_up

_MOST_BLOCKS = 4096  # tables to decode one by one
INDEX_BITS = (1, 2, 4, 6, 8)  # of the flat iOS16 form; iOS18 adds 3


def index_bits(table_size: int) -> int:
    """The width in bits of indices into a flat table of this many values. ValueError for any other size."""
    bits = table_size.bit_length() - 1
    if bits not in INDEX_BITS or table_size != 1 << bits:
        raise ValueError(f"a table of {table_size} values; it must have 2, 4, 16, 64 or 256")
    return bits


def decode_flat(indices: NDArray[np.uint8], table: NDArray, shape: tuple[int, ...]) -> NDArray:
    """The dense array of `shape` from bit-packed `indices` (uint8 [M]) and a flat `table` ([2^n], n = 1, 2, 4, 6, 8).

    ValueError for a table of another size or an index stream whose length does not fit the shape.
    """
    bits, count = index_bits(table.size), prod(shape)
    needed = -(-count * bits // 8)
    if indices.size != needed:
        raise ValueError(f"{indices.size} bytes of {bits}-bit indices; shape {list(shape)} needs {needed}")
    return look_up(indices, bits, table.reshape(-1), count).reshape(shape)


def decode_grouped(indices: NDArray, tables: NDArray, vector_axis: int | None = None) -> NDArray:
    """The dense array from `indices` [d_0 .. d_K-1] and `tables` [g_0 .. g_K-1, 2^n, vector size].

    Position i along axis a uses table i // (d_a / g_a). Each index yields a vector along `vector_axis`.
    ValueError for ranks or sizes that do not fit each other.
    """
    if indices.dtype != np.uint8:
        raise ValueError(f"indices of the type {indices.dtype}")
    if tables.ndim != indices.ndim + 2:
        raise ValueError(f"tables {list(tables.shape)} for indices {list(indices.shape)}")
    groups, size, vector = tables.shape[:-2], tables.shape[-2], tables.shape[-1]
    if any(g == 0 or d % g for d, g in zip(indices.shape, groups, strict=True)):
        raise ValueError(f"tables {list(tables.shape)} do not divide indices {list(indices.shape)}")
    if not 0 < size <= 256 or vector < 1:
        raise ValueError(f"tables of {size} vectors of {vector} values")
    if vector > 1 and (vector_axis is None or not -indices.ndim <= vector_axis < indices.ndim):
        raise ValueError(f"vectors of {vector} values along the axis {vector_axis}")
    if indices.size and int(indices.max()) >= size:
        raise ValueError(f"index {int(indices.max())} into tables of {size} values")
    flat = tables.reshape(prod(groups), size, vector)
    if len(flat) == 1 and vector == 1:
        return _one_table(indices, flat[0, :, 0])
    if len(flat) <= _MOST_BLOCKS:
        dense = np.empty((*indices.shape, vector), tables.dtype)
        for number, place in enumerate(np.ndindex(groups)):
            block = tuple(
                slice(i * (dim // g), (i + 1) * (dim // g))
                for i, dim, g in zip(place, indices.shape, groups, strict=True)
            )
            dense[block] = _one_table(indices[block], flat[number])
    else:
        dense = flat[_group_numbers(indices.shape, groups), indices]  # [d_0 .. d_K-1, vector]
    if vector == 1:
        return dense[..., 0]
    axis = (vector_axis or 0) % indices.ndim
    shape = tuple(dim * (vector if i == axis else 1) for i, dim in enumerate(indices.shape))
    return np.moveaxis(dense, -1, axis + 1).reshape(shape)


def _one_table(indices: NDArray[np.uint8], table: NDArray) -> NDArray:
    """The rows of `table` [2^n] or [2^n, vector size], n <= 8, at `indices` of any shape."""
    if table.ndim > 1 and table.shape[1] > 1:
        return table[indices]
    whole = np.zeros(256, table.dtype)
    whole[: len(table)] = table.reshape(-1)
    return look_up(indices.reshape(-1), 8, whole, indices.size).reshape(indices.shape + table.shape[1:])


def _group_numbers(shape: tuple[int, ...], groups: tuple[int, ...]) -> NDArray[np.intp]:
    """The number of the table for each position, in row-major order of the groups; broadcasts to `shape`."""
    number = np.zeros((1,) * len(shape), np.intp)
    for axis, (dim, group) in enumerate(zip(shape, groups, strict=True)):
        along = np.arange(dim) // (dim // group) if dim else np.arange(0)
        number = number * group + along.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return number
