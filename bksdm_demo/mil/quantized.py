"""Decodes affine-quantized and sparse weights, in pure numpy.

Follows `constexpr_affine_dequantize` and `constexpr_sparse_to_dense` of iOS16 and `constexpr_blockwise_shift_scale` of
iOS18. The results equal coremltools' own decompression bit for bit. Leaves out iOS18's joint forms (a table or scales
applied to sparse data); constants.py combines them.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.mil.elements import unpack_bits


def dequantize(data: NDArray, scale: NDArray, zero_point: NDArray, axis: int) -> NDArray:
    """scale * (data - zero_point) in float32, returned in the type of `scale`.

    Scale and zero point are scalars or hold one value per channel along `axis`. ValueError if they do not fit.
    """
    channels = _along(scale, data, axis), _along(zero_point, data, axis)
    return (channels[0].astype(np.float32) * (data.astype(np.float32) - channels[1])).astype(scale.dtype)


def _along(values: NDArray, data: NDArray, axis: int) -> NDArray:
    if values.ndim == 0:
        return values
    if not -data.ndim <= axis < data.ndim or values.shape != (data.shape[axis],):
        raise ValueError(f"channel values {list(values.shape)} for data {list(data.shape)} along axis {axis}")
    return values.reshape([-1 if i == axis % data.ndim else 1 for i in range(data.ndim)])


def shift_scale(data: NDArray, scale: NDArray, offset: NDArray | None) -> NDArray:
    """scale * (data - offset) in the type of `scale`; scale and offset [b_0 .. b_K-1] hold one value per block.

    ValueError if the blocks do not divide the data.
    """
    blocks = scale.shape
    fits = len(blocks) == data.ndim and all(b and d % b == 0 for d, b in zip(data.shape, blocks, strict=False))
    if not fits or (offset is not None and offset.shape != blocks):
        raise ValueError(f"scale blocks {list(blocks)} do not divide data {list(data.shape)}")
    value = data.astype(scale.dtype)
    if offset is not None:
        value = value - _expand(offset, data.shape)
    return (_expand(scale, data.shape) * value).astype(scale.dtype)


def _expand(blocks: NDArray, shape: tuple[int, ...]) -> NDArray:
    for axis, dim in enumerate(shape):
        if blocks.shape[axis] not in (1, dim):
            blocks = np.repeat(blocks, dim // blocks.shape[axis], axis)
    return np.broadcast_to(blocks, shape)


def scatter(mask: NDArray[np.uint8], nonzero: NDArray, shape: tuple[int, ...]) -> NDArray:
    """Zeros of `shape` with the values of `nonzero` where the bit stream `mask` (uint8, low bit first) has ones.

    ValueError if the mask's length or its number of ones does not fit.
    """
    count = prod(shape)
    if mask.size != -(-count // 8):
        raise ValueError(f"a mask of {mask.size} bytes for shape {list(shape)}")
    return scatter_mask(unpack_bits(mask, 1, count).reshape(shape), nonzero)


def scatter_mask(mask: NDArray[np.uint8], nonzero: NDArray) -> NDArray:
    """The same for a `mask` in the final shape, with an element of 0 or 1 per position."""
    chosen = mask.astype(bool)
    if int(chosen.sum()) != nonzero.size:
        raise ValueError(f"a mask with {int(chosen.sum())} ones for {nonzero.size} values")
    dense = np.zeros(mask.shape, nonzero.dtype)
    dense[chosen] = nonzero.reshape(-1)
    return dense
