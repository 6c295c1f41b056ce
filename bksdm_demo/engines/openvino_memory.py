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

# Fitted to what the process grew by; repeat with benchmarks/part_memory.py.
WEIGHT_BYTES = {"f32": 4, "bf16": 2, "int8": 2}
OPERATION_BYTES = 70_000
LIVE_TENSORS = 4  # of the largest size, in f32, while running and afterwards


def weight_count(program: Program) -> int:
    """The elements of all constants."""
    return sum(elements(constant.type) for constant in program.constants.values())


def largest_value(program: Program) -> int:
    """The elements of the largest value that an operation yields."""
    values = (value for operation in program.operations for value in operation.outputs)
    return max((elements(value.type) for value in values), default=0)


def estimate_memory(weights: int, operations: int, largest: int, precision: str) -> int:
    """Resident bytes of a loaded part that has run once: by its weights, operations and largest value (elements)."""
    return WEIGHT_BYTES[precision] * weights + OPERATION_BYTES * operations + LIVE_TENSORS * 4 * largest


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
