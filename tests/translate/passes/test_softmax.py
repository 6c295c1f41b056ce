"""A softmax that is written out: hits in several spellings, near misses that must stay literal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest

from bksdm_demo.mil.program import Program
from bksdm_demo.translate.passes.softmax import fuse_softmax
from tests.translate.programs import Builder, random_arrays, run_program

TOLERANCE = 1e-3  # log2(e) in fp16 and the epsilon, which the fused form leaves out
SHAPE = (2, 6, 1, 5)


@dataclass(frozen=True)
class Form:
    axis: int = 1
    sum_axis: int | None = None
    keep: bool = True
    base: float = float(np.float16(1.4426950408889634))
    base_first: bool = False
    power: str = "exp2"
    quotient: str = "inverse"
    inverse_first: bool = False
    epsilon: float = 1e-4
    shift: str = "reduce_max"
    other_numerator: bool = False
    other_source: bool = False
    rounded: bool = False


HIT = Form()


def site(form: Form) -> Program:
    b = Builder()
    x, other = b.input("x", SHAPE), b.input("other", SHAPE)

    def reduced(axis: int) -> list[int]:
        sizes = [1 if place == axis % 4 else size for place, size in enumerate(SHAPE)]
        return sizes if form.keep else [size for place, size in enumerate(sizes) if place != axis % 4]

    def reduce(kind: str, axis: int) -> dict[str, object]:
        return {"axes": [axis], "keep_dims": form.keep}

    largest = b.op(form.shift, reduced(form.axis), x=other if form.other_source else x, **reduce(form.shift, form.axis))
    power = b.op("sub", SHAPE, x=x, y=largest)
    if form.power == "exp2":
        base = np.float16(form.base)
        power = b.op("mul", SHAPE, **({"x": base, "y": power} if form.base_first else {"x": power, "y": base}))
    power = b.op(form.power, SHAPE, x=power)
    if form.rounded:
        whole = b.op("quantize", SHAPE, "int8", input=power, scale=np.float16(0.01), output_dtype="int8")
        power = b.op("dequantize", SHAPE, input=whole, scale=np.float16(0.01))
    axis = form.axis if form.sum_axis is None else form.sum_axis
    total = b.op("reduce_sum", reduced(axis), x=power, **reduce("reduce_sum", axis))
    top = other if form.other_numerator else power
    if form.quotient == "real_div":
        return b.program(b.op("real_div", SHAPE, x=top, y=total))
    part = b.op("inverse", total.shape, x=total, epsilon=np.float32(form.epsilon))
    return b.program(b.op("mul", SHAPE, **({"x": part, "y": top} if form.inverse_first else {"x": top, "y": part})))


HITS = {
    "as Apple's recipe writes it": HIT,
    "another axis": replace(HIT, axis=3),
    "a negative axis": replace(HIT, axis=-3),
    "factors in another order": replace(HIT, base_first=True, inverse_first=True),
    "a division": replace(HIT, quotient="real_div"),
    "exp": replace(HIT, power="exp"),
}


@pytest.mark.parametrize("form", HITS.values(), ids=HITS)
def test_hit(form: Form) -> None:
    program = site(form)
    fused, count = fuse_softmax(program)
    assert count == 1
    assert [operation.kind for operation in fused.operations] == ["softmax"]
    arrays = random_arrays(program)
    (before,), (after,) = run_program(program, arrays).values(), run_program(fused, arrays).values()
    np.testing.assert_allclose(after, before, atol=TOLERANCE)
    np.testing.assert_allclose(after.sum(form.axis), 1, atol=1e-6)
    assert fuse_softmax(fused) == (fused, 0)


MISSES = {
    "a sum over another axis": replace(HIT, sum_axis=3),
    "another base": replace(HIT, base=1.0),
    "a large epsilon": replace(HIT, epsilon=1e-2),
    "a minimum": replace(HIT, shift="reduce_min"),
    "the maximum of another value": replace(HIT, other_source=True),
    "another numerator": replace(HIT, other_numerator=True),
    "rounded steps": replace(HIT, rounded=True),
    "a natural power in base 2": replace(HIT, power="cos"),
}


@pytest.mark.parametrize("form", MISSES.values(), ids=MISSES)
def test_near_miss(form: Form) -> None:
    program = site(form)
    assert fuse_softmax(program) == (program, 0)


def test_a_reduction_that_drops_its_axis_stays() -> None:
    """Over the first axis of two equal ones, broadcasting would make sense of it."""
    b = Builder()
    x = b.input("x", (4, 4))
    largest = b.op("reduce_max", (4,), x=x, axes=[0])
    power = b.op("exp", (4, 4), x=b.op("sub", (4, 4), x=x, y=largest))
    program = b.program(b.op("real_div", (4, 4), x=power, y=b.op("reduce_sum", (4,), x=power, axes=[0])))
    assert fuse_softmax(program) == (program, 0)
    assert Counter(operation.kind for operation in program.operations)["reduce_max"] == 1
