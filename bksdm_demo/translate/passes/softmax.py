"""Fuses a softmax that is written out into one operation.

Apple's recipe for 8-bit activations (SPLIT_SOFTMAX) writes it as maximum, sub, mul by log2(e), exp2, sum, inverse and
mul. The sum is at least 1, so the epsilon of the inverse stays below fp16's precision, as does the rounding of log2(e).
A softmax with rounded steps stays as it is.
"""

from __future__ import annotations

import math

from bksdm_demo.mil.program import Constant, Operation, Program
from bksdm_demo.translate.passes.rewrite import Index, added_int, only, replaced, value_and_number

LARGEST_EPSILON = 2e-4  # coremltools adds 1e-4
BASE_TOLERANCE = 1e-3  # relative; fp16 has 11 bits


def fuse_softmax(program: Program) -> tuple[Program, int]:
    """The program with one softmax per site, and the number of sites."""
    index = Index(program)
    changes: dict[str, Operation] = {}
    constants: dict[str, Constant] = {}
    for operation in program.operations:
        site = _site(index, operation)
        if site is None:
            continue
        source, axis = site
        output = operation.outputs[0].name
        constants[f"{output}:axis"] = added_int(axis)
        inputs = {"x": (source,), "axis": (f"{output}:axis",)}
        changes[output] = Operation("softmax", operation.name, inputs, operation.outputs)
    return (replaced(program, changes, constants), len(changes)) if changes else (program, 0)


def _site(index: Index, end: Operation) -> tuple[str, int] | None:
    """The value whose softmax this operation yields, and the axis."""
    for powers, divisor in _quotients(index, end):
        total = _reduced(index, divisor, "reduce_sum")
        shifted = _exponent(index, powers)
        difference = index.producer(shifted, "sub")
        largest = _reduced(index, only(difference, "y"), "reduce_max") if difference is not None else None
        if total is None or largest is None or difference is None or total[0] != powers:
            continue
        if largest == (only(difference, "x"), total[1]):
            return largest
    return None


def _quotients(index: Index, end: Operation) -> list[tuple[str, str]]:
    """Numerator and denominator of a quotient, in each way to read this operation as one."""
    x, y = only(end, "x"), only(end, "y")
    if x is None or y is None or end.kind not in ("mul", "real_div"):
        return []
    if end.kind == "real_div":
        return [(x, y)]
    found = []
    for factor, other in ((x, y), (y, x)):
        inverse = index.producer(other, "inverse")
        epsilon = index.scalar(inverse, "epsilon", 1e-4) if inverse is not None else None
        divisor = only(inverse, "x") if inverse is not None else None
        if divisor is not None and epsilon is not None and 0 <= epsilon <= LARGEST_EPSILON:
            found.append((factor, divisor))
    return found


def _exponent(index: Index, name: str) -> str | None:
    """The v of a value e^v, which may be written as 2^(v log2(e))."""
    power = index.producer(name, "exp", "exp2")
    exponent = only(power, "x") if power is not None else None
    if power is None or power.kind == "exp":
        return exponent
    product = index.producer(exponent, "mul")
    factors = value_and_number(index, product) if product is not None else None
    fits = factors is not None and abs(factors[1] * math.log(2) - 1) < BASE_TOLERANCE
    return factors[0] if factors is not None and fits else None


def _reduced(index: Index, name: str | None, kind: str) -> tuple[str, int] | None:
    """The source and the axis, from the front, of a reduction along one axis that keeps it; else None."""
    reduction = index.producer(name, kind)
    source = only(reduction, "x") if reduction is not None else None
    axes = index.array(reduction, "axes") if reduction is not None else None
    if reduction is None or source is None or axes is None or axes.size != 1:
        return None
    kept = index.scalar(reduction, "keep_dims", 0.0)
    return (source, int(axes.item()) % len(index.shape(source))) if kept else None
