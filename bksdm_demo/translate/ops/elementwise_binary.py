"""MIL ops on two tensors, element by element, with numpy's broadcasting. Follows MIL's iOS15-iOS17 definitions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import openvino as ov
import openvino.opset13 as op
from openvino import Node, Output

from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.context import Context
from bksdm_demo.translate.translator import translates

_DIRECT: dict[str, Callable[[Output, Output], Node]] = {
    "add": op.add,
    "equal": op.equal,
    "greater": op.greater,
    "greater_equal": op.greater_equal,
    "less": op.less,
    "less_equal": op.less_equal,
    "logical_and": op.logical_and,
    "logical_or": op.logical_or,
    "logical_xor": op.logical_xor,
    "maximum": op.maximum,
    "minimum": op.minimum,
    "mod": op.floor_mod,
    "mul": op.multiply,
    "not_equal": op.not_equal,
    "pow": op.power,
    "sub": op.subtract,
}


@translates(*_DIRECT)
def direct(context: Context, operation: Operation) -> Node:
    return _DIRECT[operation.kind](context.value(operation, "x"), context.value(operation, "y"))


@translates("real_div")
def real_div(context: Context, operation: Operation) -> Node:
    """x / y; integers are divided as floats and then truncated."""
    x, y = context.value(operation, "x"), context.value(operation, "y")
    if x.get_element_type() != ov.Type.i32:
        return op.divide(x, y)
    return op.convert(op.divide(op.convert(x, "f32"), op.convert(y, "f32")), "i32")


@translates("floor_div")
def floor_div(context: Context, operation: Operation) -> Node:
    """floor(x / y). Integers go by way of the remainder, because the runtime truncates their division."""
    x, y = context.value(operation, "x"), context.value(operation, "y")
    if x.get_element_type() != ov.Type.i32:
        return op.floor(op.divide(x, y))
    negates = op.equal(y, np.int32(-1))
    divisor = op.select(negates, np.int32(1), y)  # the least int32 divided by -1 would kill the process
    whole = op.divide(op.subtract(x, op.floor_mod(x, divisor)), divisor)
    return op.select(negates, op.subtract(np.int32(0), x), whole)
