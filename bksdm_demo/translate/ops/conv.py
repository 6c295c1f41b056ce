"""MIL's convolution in one, two and three dimensions. Follows MIL's iOS15-iOS17 definitions.

Leaves out conv_transpose, and "same" padding where MIL's own text contradicts itself (even kernels, strides).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import openvino.opset13 as op
from openvino import Node, Output

from bksdm_demo.errors import UnsupportedModelError
from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.context import Context, rank
from bksdm_demo.translate.translator import translates


@translates("conv")
def conv(context: Context, operation: Operation) -> Node:
    """x [B, Ci, *spatial] with weight [Co, Ci / groups, *kernel] and bias [Co]."""
    x = context.value(operation, "x")
    weight = context.weight(operation, x)
    dims = rank(weight) - 2
    strides = context.ints(operation, "strides", [1] * dims)
    dilations = context.ints(operation, "dilations", [1] * dims)
    kernel = list(weight.get_shape())[2:]
    before, after = _padding(context, operation, kernel, strides, dilations)
    groups = context.integer(operation, "groups", 1)
    if groups == 1:
        result = op.convolution(x, weight, strides, before, after, dilations)
    else:
        result = op.group_convolution(x, _grouped(weight, groups), strides, before, after, dilations)
    bias = context.floats(operation, "bias")
    return result if bias is None else op.add(result, bias.reshape((1, -1) + (1,) * dims))


def _grouped(weight: Output, groups: int) -> Node:
    """[Co, Ci/g, *kernel] -> [g, Co/g, Ci/g, *kernel]."""
    outputs, *rest = weight.get_shape()
    return op.reshape(weight, np.array([groups, outputs // groups, *rest], np.int32), special_zero=False)


def _padding(
    context: Context, operation: Operation, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[list[int], list[int]]:
    """The padding before and after each spatial axis; MIL lists it as before, after, before, after..."""
    kind = context.text(operation, "pad_type", "valid")
    if kind == "custom":
        pad = context.ints(operation, "pad", [0] * 2 * len(kernel))
        return pad[0::2], pad[1::2]
    if kind == "valid":  # ignores any pad in the file
        return [0] * len(kernel), [0] * len(kernel)
    if kind not in ("same", "same_lower"):
        raise UnsupportedModelError(
            f"conv {operation.name}: the pad_type {kind!r} is unknown; there are custom, valid, same and same_lower."
        )
    if any(size % 2 == 0 for size in kernel) or any(stride != 1 for stride in strides):
        raise UnsupportedModelError(f"conv {operation.name}: {kind!r} padding needs odd kernels and strides of 1.")
    half = [dilation * (size // 2) for size, dilation in zip(kernel, dilations, strict=True)]
    return half, half
