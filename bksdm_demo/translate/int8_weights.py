"""The whole numbers behind a weight that a file stores in 8 bits or fewer, for products of integers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.mil.constants import Compressed
from bksdm_demo.mil.program import Constant
from bksdm_demo.translate.passes.projections import Rows
from bksdm_demo.translate.passes.rewrite import Reshaped

Whole = tuple[NDArray[np.int8], NDArray[np.float32]]
_NAMES = {  # the operands of each kind of operation: data, zero point
    "constexpr_affine_dequantize": ("quantized_data", "zero_point"),
    "constexpr_blockwise_shift_scale": ("data", "offset"),
}


def whole_numbers(constant: Constant) -> Whole | None:
    """int8 [O, ...] and the scale of each output, float32 [O, 1, ...]; their product is the weight.

    None for a weight that is stored otherwise, or has other scales than one for the tensor or one for each output.
    """
    if isinstance(constant, Reshaped):
        return _reshaped(constant)
    if isinstance(constant, Rows):
        found = whole_numbers(constant.source)
        return (
            None
            if found is None
            else (found[0][constant.start : constant.stop], found[1][constant.start : constant.stop])
        )
    if not isinstance(constant, Compressed) or constant.kind not in _NAMES:
        return None
    return _centred(constant)


def _centred(constant: Compressed) -> Whole | None:
    """The stored numbers less their zero point, if that fits into int8."""
    data_name, zero_name = _NAMES[constant.kind]
    operands = constant.operands
    data = operands[data_name].array()
    if data.shape != constant.type.shape or data.dtype.kind not in "iu" or data.dtype.itemsize != 1 or not data.ndim:
        return None
    if "axis" in operands and operands["axis"].array() % data.ndim and operands["scale"].array().size > 1:
        return None
    across = (len(data), *[1] * (data.ndim - 1))
    scale = _by_output(operands["scale"].array(), across)
    zero_point = _by_output(operands[zero_name].array() if zero_name in operands else np.zeros(()), across)
    if scale is None or zero_point is None:
        return None
    centred = data.astype(np.float32) - zero_point
    whole = centred.astype(np.int8)
    return (whole, scale) if (whole == centred).all() else None


def _by_output(values: NDArray, across: tuple[int, ...]) -> NDArray[np.float32] | None:
    """One number, or one for each output, as float32 [O, 1, ...]; None for any other shape."""
    if values.size == 1:
        return np.full(across, values.item(), np.float32)
    return values.astype(np.float32).reshape(across) if values.shape in (across, across[:1]) else None


def _reshaped(constant: Reshaped) -> Whole | None:
    found = whole_numbers(constant.source)
    shape = [dim or 0 for dim in constant.type.shape]
    if found is None or not shape or shape[0] != len(found[0]):
        return None
    return found[0].reshape(shape), found[1].reshape(shape[0], *[1] * (len(shape) - 1))
