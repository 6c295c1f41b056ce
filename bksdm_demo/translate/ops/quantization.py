"""MIL's quantize and dequantize of iOS17, and the rounding to 8 bits that a pass makes of the two (added_ops.py).

    quantize:   clip(round(x / scale) + zero_point), halves to the even neighbour, as int8 or uint8
    dequantize: (x - zero_point) * scale

Scale and zero point are constants: one number, or one for each channel along `axis`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import openvino.opset13 as op
from numpy.typing import NDArray
from openvino import Node, Output

from bksdm_demo.errors import PackageError, UnsupportedModelError
from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.added_ops import ROUNDING
from bksdm_demo.translate.context import Context, rank
from bksdm_demo.translate.translator import translates

RANGES = {"int8": (-128, 127), "uint8": (0, 255)}
LEVELS = 256


@dataclass(frozen=True)
class _Grid:
    """The numbers (k - zero_point) * scale that integers k stand for; float32, broadcastable to the value."""

    scale: NDArray[np.float32]
    zero_point: NDArray[np.float32]

    def number(self, k: float) -> NDArray[np.float32]:
        return np.asarray((np.float32(k) - self.zero_point) * self.scale, np.float32)


@translates("quantize")
def quantize(context: Context, operation: Operation) -> Node:
    x = context.value(operation, "input")
    return op.convert(_integers(x, _grid(context, operation, x), _range(context, operation)), "i32")


@translates("dequantize")
def dequantize(context: Context, operation: Operation) -> Node:
    x = context.value(operation, "input")
    return _numbers(op.convert(x, "f32"), _grid(context, operation, x))


@translates(ROUNDING)
def rounding(context: Context, operation: Operation) -> Node:
    """quantize and then dequantize. As a FakeQuantize, which lets OpenVINO compute in integers, if that is wanted."""
    x = context.value(operation, "x")
    read, written = _grid(context, operation, x), _grid(context, operation, x, "written_")
    low, high = _range(context, operation)
    if not context.int8 or min(read.scale.min(), written.scale.min()) < 0:
        return _numbers(_integers(x, read, (low, high)), written)
    ends = (grid.number(end) for grid in (read, written) for end in (low, high))
    return op.fake_quantize(x, *(op.constant(end) for end in ends), LEVELS)


def _integers(x: Output, grid: _Grid, ends: tuple[int, int]) -> Node:
    whole = op.round(op.divide(x, grid.scale), "half_to_even")
    return op.clamp(op.add(whole, grid.zero_point) if grid.zero_point.any() else whole, *ends)


def _numbers(x: Node, grid: _Grid) -> Node:
    return op.multiply(op.subtract(x, grid.zero_point) if grid.zero_point.any() else x, grid.scale)


def _grid(context: Context, operation: Operation, x: Output, prefix: str = "") -> _Grid:
    where, dims = f"{operation.kind} {operation.name}", rank(x)
    scale = context.floats(operation, f"{prefix}scale")
    if scale is None or not scale.all():
        raise PackageError(f"{where}: the input scale is absent or zero.")
    zero_point = context.floats(operation, f"{prefix}zero_point")
    zero_point = np.zeros((), np.float32) if zero_point is None else zero_point
    across = [1] * dims
    if max(scale.size, zero_point.size) > 1:
        across[context.axis(operation, "axis", dims)] = -1
    return _Grid(*(array.reshape(across) if array.size > 1 else array.reshape(()) for array in (scale, zero_point)))


def _range(context: Context, operation: Operation) -> tuple[int, int]:
    dtype = context.text(operation, "output_dtype")
    if dtype not in RANGES:
        raise UnsupportedModelError(
            f"{operation.kind} {operation.name}: the type {dtype!r} is unknown; there are {', '.join(RANGES)}."
        )
    return RANGES[dtype]
