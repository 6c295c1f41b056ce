"""Fused roundings: hits with and without layout operations between, near misses that must stay integers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from bksdm_demo.mil.program import Program
from bksdm_demo.translate.added_ops import ROUNDING
from bksdm_demo.translate.passes.rounding import fuse_rounding
from tests.translate.programs import Builder, random_arrays, run_program

TOLERANCE = 1e-6
SHAPE = (2, 3, 4)
TWENTIETH = np.float32(0.05)
EACH = np.array([0.01, 0.05, 0.2], np.float32)


@dataclass(frozen=True)
class Form:
    scale: Any = TWENTIETH
    written: Any = TWENTIETH
    zero_point: Any = None  # of both
    axis: int | None = None
    written_axis: int | None = None
    dtype: str = "int8"
    between: tuple[str, ...] = ()
    source: str = "quantize"


HIT = Form()
LAYOUTS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "reshape": ((6, 4), {"shape": [6, 4]}),
    "transpose": ((4, 6), {"perm": [1, 0]}),
    "relu": ((4, 6), {}),
}


def site(form: Form) -> Program:
    b = Builder()
    x = b.input("x", SHAPE, "fp32")
    extra = {} if form.zero_point is None else {"zero_point": form.zero_point}
    if form.source == "quantize":
        axis = {} if form.axis is None else {"axis": form.axis}
        whole = b.op("quantize", SHAPE, form.dtype, input=x, scale=form.scale, output_dtype=form.dtype, **extra, **axis)
    else:
        whole = b.op("cast", SHAPE, "int8", x=x, dtype="int8")
    for kind in form.between:
        shape, inputs = LAYOUTS[kind]
        whole = b.op(kind, shape, form.dtype, x=whole, **inputs)
    axis = {} if form.written_axis is None else {"axis": form.written_axis}
    made = b.op("dequantize", whole.shape, "fp32", input=whole, scale=form.written, **extra, **axis)
    return b.program(b.op("tanh", made.shape, "fp32", x=made))


HITS = {
    "one scale": HIT,
    "a zero point": replace(HIT, zero_point=np.uint8(7), dtype="uint8"),
    "another scale": replace(HIT, written=np.float32(1)),
    "scales by channel": replace(HIT, scale=EACH, written=EACH, axis=1, written_axis=-2),
    "scales by channel, then one": replace(HIT, scale=EACH, axis=1),
    "one scale, then by channel": replace(HIT, written=EACH, written_axis=1),
    "a reshape": replace(HIT, between=("reshape",)),
    "a reshape and a transpose": replace(HIT, between=("reshape", "transpose"), written=np.float32(0.1)),
}


@pytest.mark.parametrize("form", HITS.values(), ids=HITS)
def test_hit(form: Form) -> None:
    program = site(form)
    fused, count = fuse_rounding(program)
    assert count == 1
    assert Counter(operation.kind for operation in fused.operations) == Counter([ROUNDING, *form.between, "tanh"])
    arrays = random_arrays(program)
    (before,), (after,) = run_program(program, arrays).values(), run_program(fused, arrays).values()
    np.testing.assert_allclose(after, before, atol=TOLERANCE)
    assert fuse_rounding(fused) == (fused, 0)


MISSES = {
    "integers of another source": replace(HIT, source="cast"),
    "scales of two axes": replace(HIT, scale=EACH, written=np.full(4, 0.5, np.float32), axis=1, written_axis=2),
    "channels that move": replace(HIT, scale=EACH, axis=1, between=("reshape",)),
    "arithmetic between": replace(HIT, between=("reshape", "transpose", "relu")),
}


@pytest.mark.parametrize("form", MISSES.values(), ids=MISSES)
def test_near_miss(form: Form) -> None:
    program = site(form)
    assert fuse_rounding(program) == (program, 0)


def test_integers_that_something_else_reads_stay() -> None:
    b = Builder()
    x = b.input("x", SHAPE, "fp32")
    whole = b.op("quantize", SHAPE, "int8", input=x, scale=np.float32(0.1), output_dtype="int8")
    values = [b.op("dequantize", SHAPE, "fp32", input=whole, scale=np.float32(scale)) for scale in (0.1, 1.0)]
    program = b.program(*values, whole)
    fused, count = fuse_rounding(program)
    assert count == 2
    assert Counter(operation.kind for operation in fused.operations) == {ROUNDING: 2, "quantize": 1}
    arrays = random_arrays(program)
    before, after = run_program(program, arrays), run_program(fused, arrays)
    for name, array in before.items():
        np.testing.assert_allclose(after[name], array, atol=TOLERANCE)
