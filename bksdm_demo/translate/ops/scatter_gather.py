"""MIL ops that read and write by computed positions. Follows MIL's iOS15-iOS17 definitions.

Indices of any integer type run as i32. Negative indices count from the end: legal up to iOS16 and harmless later, where
the converter guards against them. An index outside the tensor would make the runtime read or write foreign memory, so
constant ones are refused and computed ones are clamped to the edge. Leaves out scatter and scatter_along_axis.
"""

from __future__ import annotations

import numpy as np
import openvino.opset13 as op
import openvino.opset15 as op15
from numpy.typing import NDArray
from openvino import Node, Output

from bksdm_demo.errors import PackageError, UnsupportedModelError
from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.context import Context, rank
from bksdm_demo.translate.translator import translates

SCATTER_MODES = {"add": "sum", "sub": "sub", "mul": "prod", "min": "min", "max": "max", "update": "none"}


@translates("gather")
def gather(context: Context, operation: Operation) -> Node:
    x, indices = context.value(operation, "x"), context.value(operation, "indices")
    axis = context.axis(operation, "axis", rank(x), 0)
    return op.gather(x, indices, np.int32(axis), _batch_axes(context, operation, axis))


@translates("gather_along_axis")
def gather_along_axis(context: Context, operation: Operation) -> Node:
    x, indices = context.value(operation, "x"), context.value(operation, "indices")
    axis = context.axis(operation, "axis", rank(x), 0)
    sizes = np.array(x.get_shape()[axis], np.int32)
    return op.gather_elements(x, _from_front(context, operation, indices, sizes), axis)


@translates("gather_nd")
def gather_nd(context: Context, operation: Operation) -> Node:
    """The last axis of `indices` addresses the leading axes of x after the batch axes."""
    x, indices = context.value(operation, "x"), context.value(operation, "indices")
    batch = _batch_axes(context, operation, rank(x))
    sizes = _addressed(operation, x, indices, batch)
    return op.gather_nd(x, _from_front(context, operation, indices, sizes), batch)


@translates("scatter_nd")
def scatter_nd(context: Context, operation: Operation) -> Node:
    """MIL's default mode is "add"; repeated positions accumulate."""
    data, indices, updates = (context.value(operation, key) for key in ("data", "indices", "updates"))
    mode = context.text(operation, "mode", "add")
    if mode not in SCATTER_MODES:
        raise UnsupportedModelError(
            f"scatter_nd {operation.name}: the mode {mode!r} is unknown; there are {', '.join(SCATTER_MODES)}."
        )
    positions = _from_front(context, operation, indices, _addressed(operation, data, indices, 0))
    return op15.scatter_nd_update(data, positions, updates, reduction=SCATTER_MODES[mode])


def _batch_axes(context: Context, operation: Operation, most: int) -> int:
    """How many leading axes the data and the indices share."""
    batch = context.integer(operation, "batch_dims", 0)
    if not 0 <= batch <= most:
        raise PackageError(f"{operation.kind} {operation.name}: batch_dims is {batch}; it may be 0 to {most}.")
    return batch


def _addressed(operation: Operation, x: Output, indices: Output, batch: int) -> NDArray[np.int32]:
    """The sizes of the axes that the last axis of `indices` addresses."""
    depth = indices.get_partial_shape()[-1].get_length()
    if depth > rank(x) - batch:
        raise PackageError(
            f"{operation.kind} {operation.name}: addresses {depth} axes after {batch}, but there are {rank(x)}."
        )
    return np.array(list(x.get_shape())[batch : batch + depth], np.int32)


def _from_front(context: Context, operation: Operation, indices: Output, sizes: NDArray[np.int32]) -> Node:
    """The indices counted from the front, all inside axes of these sizes."""
    known = context.array(operation, "indices") if context.is_constant(operation, "indices") else None
    outside = known is not None and ((known < -sizes) | (known >= sizes)).any()
    if outside or not sizes.all():
        raise PackageError(f"{operation.kind} {operation.name}: an index is outside the tensor's {sizes.tolist()}.")
    counted = op.select(op.less(indices, np.int32(0)), op.add(indices, sizes), indices)
    return counted if known is not None else op.maximum(op.minimum(counted, sizes - 1), np.int32(0))
