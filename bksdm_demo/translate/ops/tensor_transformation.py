"""MIL ops that move or select elements by position. Follows MIL's iOS15-iOS17 definitions.

Leaves out reverse, space_to_depth and sliding_windows.
"""

from __future__ import annotations

import numpy as np
import openvino.opset13 as op
from numpy.typing import NDArray
from openvino import Node

from bksdm_demo.errors import PackageError, UnsupportedModelError
from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.context import Context, rank
from bksdm_demo.translate.translator import translates


@translates("reshape")
def reshape(context: Context, operation: Operation) -> Node:
    """-1 is inferred; 0 copies a dimension, but only while the rank stays the same. The shape may be computed."""
    x, shape = context.value(operation, "x"), context.value(operation, "shape")
    if rank(shape) != 1:
        raise PackageError(f"reshape {operation.name}: the shape must be a list, not have {rank(shape)} dimensions.")
    return op.reshape(x, shape, special_zero=shape.get_shape()[0] == rank(x))


@translates("transpose")
def transpose(context: Context, operation: Operation) -> Node:
    """The permutation may hold negative axes."""
    x = context.value(operation, "x")
    return op.transpose(x, np.array(context.axes(operation, "perm", rank(x)), np.int32))


@translates("expand_dims")
def expand_dims(context: Context, operation: Operation) -> Node:
    """Negative axes count in the result."""
    return op.unsqueeze(context.value(operation, "x"), np.array(context.ints(operation, "axes"), np.int32))


@translates("squeeze")
def squeeze(context: Context, operation: Operation) -> Node:
    """Removes the axes given, or every dimension of 1."""
    x = context.value(operation, "x")
    ones = [axis for axis, size in enumerate(x.get_shape()) if size == 1] if not operation.inputs.get("axes") else None
    return op.squeeze(x, np.array(context.ints(operation, "axes", ones), np.int32))


@translates("slice_by_index")
def slice_by_index(context: Context, operation: Operation) -> Node:
    """numpy's x[begin:end:stride] per axis. Masks free a bound; a squeeze takes one element and drops the axis.

    The stored number of a freed bound is junk, and so are `end` and `stride` of a squeezed axis.
    """
    x = context.value(operation, "x")
    dims = rank(x)
    freed = {key: _mask(context, operation, key, dims) for key in ("begin_mask", "end_mask", "squeeze_mask")}
    squeezed = freed["squeeze_mask"]
    stride = np.where(squeezed, 1, context.ints(operation, "stride", [1] * dims))
    begin = op.convert(context.value(operation, "begin"), "i32")
    end = op.convert(context.value(operation, "end"), "i32")
    if squeezed.any():
        begin = op.select(freed["begin_mask"] & squeezed, np.int32(0), begin)
        # element -1 ends at the end of the axis, not at 0
        following = op.select(
            op.equal(begin, np.int32(-1)), np.int32(np.iinfo(np.int32).max), op.add(begin, np.int32(1))
        )
        end = op.select(squeezed, following, end)
    return op.strided_slice(
        x,
        begin,
        end,
        stride.astype(np.int32),
        begin_mask=(freed["begin_mask"] & ~squeezed).astype(int).tolist(),
        end_mask=(freed["end_mask"] & ~squeezed).astype(int).tolist(),
        shrink_axis_mask=squeezed.astype(int).tolist(),
    )


def _mask(context: Context, operation: Operation, key: str, dims: int) -> NDArray[np.bool_]:
    array = context.array(operation, key)
    return np.zeros(dims, bool) if array is None else array.astype(bool).reshape(dims)


@translates("slice_by_size")
def slice_by_size(context: Context, operation: Operation) -> Node:
    """Takes `size` elements from `begin` on; -1 means the rest. `begin` may be computed."""
    x, begin = context.value(operation, "x"), context.value(operation, "begin")
    size = np.array(context.ints(operation, "size"), np.int32)
    if (size < -1).any():
        raise UnsupportedModelError(
            f"slice_by_size {operation.name}: the size {size.tolist()} is not supported; only -1 may be negative."
        )
    kept = [0] * len(size)
    rest = (size == -1).astype(int).tolist()
    return op.strided_slice(x, begin, op.add(begin, size), np.ones(len(size), np.int32), kept, rest)


@translates("depth_to_space")
def depth_to_space(context: Context, operation: Operation) -> Node:
    """Channel (i * b + j) * C + c becomes pixel (i, j) of each block of b x b, in channel c."""
    return op.depth_to_space(context.value(operation, "x"), "blocks_first", context.integer(operation, "block_size"))


@translates("pixel_shuffle")
def pixel_shuffle(context: Context, operation: Operation) -> Node:
    """Channel c * b * b + i * b + j becomes pixel (i, j) of each block of b x b, in channel c."""
    return op.depth_to_space(context.value(operation, "x"), "depth_first", context.integer(operation, "upscale_factor"))
