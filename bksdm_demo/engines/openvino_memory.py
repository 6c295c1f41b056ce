"""The memory of a part that OpenVINO runs: an estimate before it is loaded, and returning it to the system.

A loaded part holds each weight once, packed for computing. Half precision constants stay in the mapped file (see
`constant_node` in translate/context.py), and their pages are dropped once the weights are packed.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from math import prod

from bksdm_demo.mil.program import Program, TensorType

# Fitted, on the high side, to how much the process grew. BK-SDM-Tiny's U-Net took 850 MB (estimate 1065), the decoder
# at 512 pixels 555 (660), the text encoder 355 (520: its embedding table stays in the file), the checker 1240 (1280),
# and the embedded U-Nets 76 to 138, within a tenth. Repeat with benchmarks/part_memory.py.
WEIGHT_BYTES = {"f32": 4, "bf16": 2, "int8": 2}
VALUE_BYTES = {"f32": 4, "bf16": 2, "int8": 2}
OPERATION_BYTES = 70_000
PICTURE_BYTES = 1_500_000_000  # of all tensors while a 512-pixel picture is drawn, whatever the U-Net
LIVE_TENSORS = 4  # as many of the largest size live while a part runs, and stay afterwards


def weight_count(program: Program) -> int:
    """The number of elements of all constants."""
    return sum(elements(constant.type) for constant in program.constants.values())


def largest_value(program: Program) -> int:
    """The number of elements of the largest value that an operation yields."""
    values = (value for operation in program.operations for value in operation.outputs)
    return max((elements(value.type) for value in values), default=0)


def estimate_memory(weights: int, operations: int, largest: int, precision: str) -> int:
    """The resident bytes of a loaded part that has run once; `weights` and `largest` count elements."""
    live = LIVE_TENSORS * VALUE_BYTES[precision] * largest
    return WEIGHT_BYTES[precision] * weights + OPERATION_BYTES * operations + live


def elements(type_: TensorType) -> int:
    """The number of elements of a value; 0 if a dimension is open."""
    return prod(dim or 0 for dim in type_.shape)


def return_freed_memory() -> None:
    """Return freed memory to the system. Only glibc holds it back; elsewhere this does nothing."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # absent from other C libraries
        if trim is not None:
            trim(0)
