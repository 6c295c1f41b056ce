"""What a part occupies in memory when OpenVINO runs it: estimated before it is loaded, given back when it can be.

A loaded part holds each weight once, in the form it computes with: half precision constants stay in the file they are
mapped from (see `constant_node` in translate/context.py), and their pages are dropped once the weights are packed.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from math import prod

from bksdm_demo.mil.program import Program, TensorType

# Fitted to what the process grew by, on the high side: BK-SDM-Tiny's U-Net took 850 MB (estimated 1065), the decoder
# at 512 pixels 555 (660), the text encoder 355 (520: its table of words stays in the file), the checker 1240 (1280),
# the embedded U-Nets 76 to 138 within a tenth. Repeat with benchmarks/part_memory.py.
WEIGHT_BYTES = {"f32": 4, "bf16": 2, "int8": 2}
VALUE_BYTES = {"f32": 4, "bf16": 2, "int8": 2}
OPERATION_BYTES = 70_000
PICTURE_BYTES = 1_500_000_000  # of all tensors while a 512-pixel picture is drawn, whatever the U-Net
LIVE_TENSORS = 4  # of the largest size, while running and afterwards


def weight_count(program: Program) -> int:
    """The elements of all constants."""
    return sum(elements(constant.type) for constant in program.constants.values())


def largest_value(program: Program) -> int:
    """The elements of the largest value that an operation yields."""
    values = (value for operation in program.operations for value in operation.outputs)
    return max((elements(value.type) for value in values), default=0)


def estimate_memory(weights: int, operations: int, largest: int, precision: str) -> int:
    """Resident bytes of a loaded part that has run once: by its weights, operations and largest value (elements)."""
    live = LIVE_TENSORS * VALUE_BYTES[precision] * largest
    return WEIGHT_BYTES[precision] * weights + OPERATION_BYTES * operations + live


def elements(type_: TensorType) -> int:
    """How many numbers a value of this type holds; an open dimension counts as none."""
    return prod(dim or 0 for dim in type_.shape)


def give_back() -> None:
    """Return freed memory to the system, which glibc otherwise keeps for later; does nothing elsewhere."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # absent from other C libraries
        if trim is not None:
            trim(0)
