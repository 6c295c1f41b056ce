"""MIL's matrix products. Follows MIL's iOS15-iOS17 definitions."""

from __future__ import annotations

import openvino.opset13 as op
from openvino import Node

from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.context import Context
from bksdm_demo.translate.translator import translates


@translates("linear")
def linear(context: Context, operation: Operation) -> Node:
    """x W^T + b over the last axis; the weight is [out, in]."""
    x = context.value(operation, "x")
    product = op.matmul(x, context.weight(operation, x), False, True)
    bias = context.optional(operation, "bias")
    return product if bias is None else op.add(product, bias)


@translates("matmul")
def matmul(context: Context, operation: Operation) -> Node:
    x, y = context.value(operation, "x"), context.value(operation, "y")
    return op.matmul(x, y, context.flag(operation, "transpose_x", False), context.flag(operation, "transpose_y", False))


@translates("einsum")
def einsum(context: Context, operation: Operation) -> Node:
    """The equation decides which operand is which: the converter may swap those of Apple's Python code."""
    equation = context.text(operation, "equation").replace(" ", "")
    return op.einsum([value for value in context.values(operation, "values")], equation)
