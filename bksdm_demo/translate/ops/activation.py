"""MIL's activations and softmax. Follows MIL's iOS15-iOS17 definitions.

Leaves out the parametric ones (prelu, softplus_parametric...), which no diffusion model has.
"""

from __future__ import annotations

import numpy as np
import openvino.opset13 as op
from openvino import Node

from bksdm_demo.errors import UnsupportedModelError
from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.context import Context, rank
from bksdm_demo.translate.translator import translates

GELU_MODES = {
    "EXACT": "erf",
    "TANH_APPROXIMATION": "tanh",
    "SIGMOID_APPROXIMATION": "",
}  # in OpenVINO's words


@translates("relu")
def relu(context: Context, operation: Operation) -> Node:
    return op.relu(context.value(operation, "x"))


@translates("leaky_relu")
def leaky_relu(context: Context, operation: Operation) -> Node:
    x = context.value(operation, "x")
    return op.prelu(x, np.array([context.number(operation, "alpha", 0.01)], np.float32))


@translates("sigmoid")
def sigmoid(context: Context, operation: Operation) -> Node:
    return op.sigmoid(context.value(operation, "x"))


@translates("silu")
def silu(context: Context, operation: Operation) -> Node:
    return op.swish(context.value(operation, "x"))


@translates("gelu")
def gelu(context: Context, operation: Operation) -> Node:
    """EXACT uses the error function; the two approximations use tanh and x * sigmoid(1.702 x)."""
    x = context.value(operation, "x")
    mode = context.text(operation, "mode", "EXACT")
    if mode not in GELU_MODES:
        raise UnsupportedModelError(
            f"gelu {operation.name}: the mode {mode!r} is unknown; there are {', '.join(GELU_MODES)}."
        )
    if mode == "SIGMOID_APPROXIMATION":
        return op.multiply(x, op.sigmoid(op.multiply(x, np.float32(1.702))))
    return op.gelu(x, GELU_MODES[mode])


@translates("softmax")
def softmax(context: Context, operation: Operation) -> Node:
    x = context.value(operation, "x")
    return op.softmax(x, context.axis(operation, "axis", rank(x), -1))
