"""MIL ops that reduce axes to one value. Follows MIL's iOS15-iOS17 definitions; without axes, all are reduced.

Leaves out reduce_log_sum and reduce_log_sum_exp, which are rare.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import openvino.opset13 as op
from numpy.typing import NDArray
from openvino import Node, Output

from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.context import Context, rank
from bksdm_demo.translate.translator import translates

_DIRECT: dict[str, Callable[[Output, NDArray, bool], Node]] = {
    "reduce_l1_norm": op.reduce_l1,
    "reduce_l2_norm": op.reduce_l2,
    "reduce_max": op.reduce_max,
    "reduce_mean": op.reduce_mean,
    "reduce_min": op.reduce_min,
    "reduce_prod": op.reduce_prod,
    "reduce_sum": op.reduce_sum,
    "reduce_sum_square": lambda x, axes, keep: op.reduce_sum(op.multiply(x, x), axes, keep),
}


@translates(*_DIRECT)
def reduce(context: Context, operation: Operation) -> Node:
    x = context.value(operation, "x")
    axes = context.axes(operation, "axes", rank(x), range(rank(x)))
    return _DIRECT[operation.kind](x, np.array(axes, np.int32), context.flag(operation, "keep_dims", False))


@translates("reduce_argmax", "reduce_argmin")
def reduce_arg(context: Context, operation: Operation) -> Node:
    """The index of the extreme value. MIL leaves ties open; this takes the first, as Apple's runtime does.

    CLIP's pooled output needs that: the padding repeats the end token, and the first one marks the end of the text.
    """
    x = context.value(operation, "x")
    axis = context.axis(operation, "axis", rank(x), -1)
    mode = "max" if operation.kind == "reduce_argmax" else "min"
    indices = op.topk(x, np.int32(1), axis, mode=mode, sort="value", stable=True).output(1)
    if context.flag(operation, "keep_dims", False):
        return indices
    return op.squeeze(indices, np.array([axis], np.int32))
