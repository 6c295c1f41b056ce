"""MIL ops that map each element on its own, and casts. Follows MIL's iOS15-iOS17 definitions.

Leaves out asin, atanh and similar rare ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import openvino as ov
import openvino.opset13 as op
from openvino import Node, Output

from bksdm_demo.errors import UnsupportedModelError
from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.context import Context, element_type
from bksdm_demo.translate.translator import translates

_DIRECT: dict[str, Callable[[Output], Node]] = {
    "abs": op.absolute,
    "ceil": op.ceiling,
    "cos": op.cos,
    "erf": op.erf,
    "exp": op.exp,
    "floor": op.floor,
    "logical_not": op.logical_not,
    "sign": op.sign,
    "sin": op.sin,
    "sqrt": op.sqrt,
    "tanh": op.tanh,
}

CASTS = ("fp16", "fp32", "int8", "uint8", "int16", "uint16", "int32", "bool")


@translates(*_DIRECT)
def direct(context: Context, operation: Operation) -> Node:
    return _DIRECT[operation.kind](context.value(operation, "x"))


@translates("square")
def square(context: Context, operation: Operation) -> Node:
    x = context.value(operation, "x")
    return op.multiply(x, x)


@translates("rsqrt")
def rsqrt(context: Context, operation: Operation) -> Node:
    """1 / sqrt(x + epsilon)."""
    epsilon = np.float32(context.number(operation, "epsilon", 1e-12))
    return op.divide(np.float32(1), op.sqrt(op.add(context.value(operation, "x"), epsilon)))


@translates("inverse")
def inverse(context: Context, operation: Operation) -> Node:
    """1 / (x + epsilon)."""
    epsilon = np.float32(context.number(operation, "epsilon", 1e-4))
    return op.divide(np.float32(1), op.add(context.value(operation, "x"), epsilon))


@translates("log")
def log(context: Context, operation: Operation) -> Node:
    """log(x + epsilon)."""
    epsilon = np.float32(context.number(operation, "epsilon", 1e-45))
    return op.log(op.add(context.value(operation, "x"), epsilon))


@translates("clip")
def clip(context: Context, operation: Operation) -> Node:
    """Bounds may be infinite: F.normalize of coremltools 6/7 clips to (eps, inf)."""
    low, high = context.number(operation, "alpha"), context.number(operation, "beta")
    return op.clamp(context.value(operation, "x"), low, high)


@translates("cast")
def cast(context: Context, operation: Operation) -> Node:
    """Float to integer truncates; to bool means "not zero"; a cast within one running type does nothing."""
    x = context.value(operation, "x")
    dtype = context.text(operation, "dtype")
    if dtype not in CASTS:
        raise UnsupportedModelError(
            f"cast {operation.name}: the type {dtype!r} is unknown; there are {', '.join(CASTS)}."
        )
    target = element_type(dtype)
    if x.get_element_type() == target:
        return x
    if target == ov.Type.boolean:
        return op.not_equal(x, op.convert_like(np.float32(0), x))
    return op.convert(x, target)


@translates("identity")
def identity(context: Context, operation: Operation) -> Node:
    return context.value(operation, "x")
