"""MIL ops that read and write by computed positions. Follows MIL's iOS15-iOS17 definitions.

Indices of any integer type run as i32. Negative indices count from the end (legal up to iOS16; harmless later, where
the converter guards them itself). Leaves out: scatter and scatter_along_axis.
"""

from __future__ import annotations

import numpy as np
import openvino.opset13 as op
import openvino.opset15 as op15
from openvino import Node, Output

from bksdm_demo.errors import UnsupportedModelError
from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.context import Context
from bksdm_demo.translate.translator import translates

SCATTER_MODES = {"add": "sum", "sub": "sub", "mul": "prod", "min": "min", "max": "max", "update": "none"}


@translates("gather")
def gather(context: Context, operation: Operation) -> Node:
    x, indices = context.value(operation, "x"), context.value(operation, "indices")
    axis = np.int32(context.integer(operation, "axis", 0))
    return op.gather(x, indices, axis, context.integer(operation, "batch_dims", 0))


@translates("gather_along_axis")
def gather_along_axis(context: Context, operation: Operation) -> Node:
    x, indices = context.value(operation, "x"), context.value(operation, "indices")
    axis = context.integer(operation, "axis", 0)
    size = np.int32(x.get_shape()[axis])
    return op.gather_elements(x, _from_front(indices, size), axis)


@translates("gather_nd")
def gather_nd(context: Context, operation: Operation) -> Node:
    """The last axis of `indices` addresses the leading axes of x after the batch axes."""
    x, indices = context.value(operation, "x"), context.value(operation, "indices")
    batch = context.integer(operation, "batch_dims", 0)
    return op.gather_nd(x, _from_front(indices, _addressed(x, indices, batch)), batch)


@translates("scatter_nd")
def scatter_nd(context: Context, operation: Operation) -> Node:
    """MIL's default mode is "add"; repeated positions accumulate."""
    data, indices, updates = (context.value(operation, key) for key in ("data", "indices", "updates"))
    mode = context.text(operation, "mode", "add")
    if mode not in SCATTER_MODES:
        raise UnsupportedModelError(f"scatter_nd {operation.name}: the mode {mode!r} is not known.")
    positions = _from_front(indices, _addressed(data, indices, 0))
    return op15.scatter_nd_update(data, positions, updates, reduction=SCATTER_MODES[mode])


def _addressed(x: Output, indices: Output, batch: int) -> np.ndarray:
    """The sizes of the axes that the last axis of `indices` speaks of."""
    depth = indices.get_partial_shape()[-1].get_length()
    return np.array(x.get_shape()[batch : batch + depth], np.int32)


def _from_front(indices: Output, sizes: np.ndarray | np.int32) -> Node:
    """Indices counted from the front."""
    return op.select(op.less(indices, np.int32(0)), op.add(indices, sizes), indices)
