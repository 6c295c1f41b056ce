"""MIL ops that join, split, repeat, pad, make and measure tensors. Follows MIL's iOS15-iOS17 definitions.

Leaves out topk, argsort, band_part, one_hot and interleaved concat.
"""

from __future__ import annotations

import numpy as np
import openvino.opset13 as op
from openvino import Node, Output

from bksdm_demo.errors import PackageError, UnsupportedModelError
from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.context import Context, rank
from bksdm_demo.translate.translator import translates

PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}


@translates("concat")
def concat(context: Context, operation: Operation) -> Node:
    """Joins one or more values; a scalar counts as one element."""
    if context.flag(operation, "interleave", False):
        raise UnsupportedModelError(f"concat {operation.name}: interleaved joining is not supported.")
    values = [op.unsqueeze(value, np.int32(0)) if rank(value) == 0 else value for value in _values(context, operation)]
    return op.concat(values, context.integer(operation, "axis"))


@translates("stack")
def stack(context: Context, operation: Operation) -> Node:
    axis = context.integer(operation, "axis")
    return op.concat([op.unsqueeze(value, np.int32(axis)) for value in _values(context, operation)], axis)


def _values(context: Context, operation: Operation) -> list[Output]:
    values = context.values(operation, "values")
    if not values:
        raise PackageError(f"{operation.kind} {operation.name}: it has no values to join.")
    return values


@translates("split")
def split(context: Context, operation: Operation) -> list[Output]:
    """Splits into `split_sizes`, or into `num_splits` equal parts; given both, the sizes count."""
    x = context.value(operation, "x")
    axis = context.axis(operation, "axis", rank(x))
    sizes = context.ints(operation, "split_sizes", [])
    if not sizes:
        count = context.integer(operation, "num_splits")
        total = x.get_shape()[axis]
        if count != len(operation.outputs) or total % count:
            raise PackageError(f"split {operation.name}: {total} elements do not split into {count} equal parts.")
        sizes = [total // count] * count
    return op.variadic_split(x, np.int32(axis), np.array(sizes, np.int32)).outputs()


@translates("tile")
def tile(context: Context, operation: Operation) -> Node:
    """`reps` may be computed."""
    return op.tile(context.value(operation, "x"), context.value(operation, "reps"))


@translates("pad")
def pad(context: Context, operation: Operation) -> Node:
    """`pad` lists before, after, before, after... for the LAST axes."""
    x = context.value(operation, "x")
    mode = context.text(operation, "mode", "constant")
    if mode not in PAD_MODES:
        raise UnsupportedModelError(
            f"pad {operation.name}: the mode {mode!r} is unknown; there are {', '.join(PAD_MODES)}."
        )
    amounts = context.ints(operation, "pad")
    free = [0] * (rank(x) - len(amounts) // 2)
    before, after = (np.array(free + amounts[start::2], np.int32) for start in (0, 1))
    if mode != "constant":
        return op.pad(x, before, after, PAD_MODES[mode])
    filler = op.convert_like(np.float32(context.number(operation, "constant_val", 0.0)), x)
    return op.pad(x, before, after, "constant", filler)


@translates("fill")
def fill(context: Context, operation: Operation) -> Node:
    value = context.optional(operation, "value")
    return op.broadcast(np.float32(0) if value is None else value, context.value(operation, "shape"))


@translates("shape")
def shape(context: Context, operation: Operation) -> Node:
    return op.shape_of(context.value(operation, "x"), "i32")


@translates("range_1d")
def range_1d(context: Context, operation: Operation) -> Node:
    start, end, step = (context.value(operation, key) for key in ("start", "end", "step"))
    return op.range(start, end, step, start.get_element_type().to_string())


@translates("non_zero")
def non_zero(context: Context, operation: Operation) -> Node:
    """MIL lists one position per row, OpenVINO one per column."""
    return op.transpose(op.non_zero(context.value(operation, "x"), "i32"), np.array([1, 0], np.int32))
