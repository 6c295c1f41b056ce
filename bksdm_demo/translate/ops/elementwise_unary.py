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
FP16_INFINITE = np.float32(65520)  # the least number that rounds to infinity in fp16


@translates(*_DIRECT)
def direct(context: Context, operation: Operation) -> Node:
    return _DIRECT[operation.kind](context.value(operation, "x"))


@translates("exp2")
def exp2(context: Context, operation: Operation) -> Node:
    """2 to the power of x; of integers it yields integers."""
    x = context.value(operation, "x")
    return op.convert(op.power(np.float32(2), op.convert(x, "f32")), x.get_element_type())


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
    """Float to integer truncates; to bool means "not zero"; to fp16 makes infinite what fp16 cannot hold.

    Every other cast within one running type does nothing.
    """
    x = context.value(operation, "x")
    dtype = context.text(operation, "dtype")
    if dtype not in CASTS:
        raise UnsupportedModelError(
            f"cast {operation.name}: the type {dtype!r} is unknown; there are {', '.join(CASTS)}."
        )
    source, target = x.get_element_type(), element_type(dtype)
    if target == ov.Type.boolean and source != target:
        return op.not_equal(x, op.convert_like(np.float32(0), x))
    made = x if source == target else op.convert(x, target).output(0)
    return _overflown(made) if dtype == "fp16" and _holds_more(context, operation) else made


def _holds_more(context: Context, operation: Operation) -> bool:
    """Whether the declared type of x holds numbers that fp16 does not."""
    return context.declared_type(operation, "x").dtype not in ("fp16", "bool", "int8", "uint8", "int16")


def _overflown(x: Output) -> Node:
    """x, with infinities for what fp16 cannot hold. A conversion to f16 would not do: the runtime leaves it out."""
    infinite = op.multiply(x, np.float32(np.inf))
    return op.select(op.greater_equal(op.absolute(x), FP16_INFINITE), infinite, x)


@translates("identity")
def identity(context: Context, operation: Operation) -> Node:
    return context.value(operation, "x")
