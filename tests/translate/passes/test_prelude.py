"""Cutting the timestep's sinusoid out: what is cut, what stays, and both halves together compute the same."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from bksdm_demo.mil.program import Program, Value
from bksdm_demo.translate.passes.prelude import cut_prelude
from tests.translate.programs import Builder, run_program

FREQUENCIES = np.exp(-np.linspace(0, 9, 8)).astype(np.float16)
ARRAYS = {
    "sample": np.random.default_rng(0).normal(size=(2, 16)).astype(np.float32),
    "timestep": np.array([981, 1], np.float32),
}


def program(waves: bool = True, also_plain: bool = False, mixed_in: bool = False) -> Program:
    """Embeds the timestep as Apple's U-Nets do, then a linear layer, added to the sample."""
    b = Builder()
    sample, timestep = b.input("sample", (2, 16)), b.input("timestep", (2,))
    column = b.op("expand_dims", (2, 1), x=timestep, axes=[1])
    angles = b.op("mul", (2, 8), x=column, y=FREQUENCIES[None])
    if mixed_in:  # the angles depend on the sample too
        first = b.op("slice_by_index", (2, 1), x=sample, begin=[0, 0], end=[2, 1])
        angles = b.op("add", (2, 8), x=angles, y=first)
    kinds = ("sin", "cos") if waves else ("abs", "square")
    both = [b.op(kind, (2, 8), x=angles) for kind in kinds]
    joined = b.op("concat", (2, 16), values=both, axis=1)
    low = b.op("slice_by_index", (2, 8), x=joined, begin=[0, 0], end=[2, 8])
    high = b.op("slice_by_index", (2, 8), x=joined, begin=[0, 8], end=[2, 16])
    embedding = b.op("concat", (2, 16), values=[high, low], axis=1)
    weight = np.random.default_rng(1).normal(size=(16, 16)).astype(np.float16)
    dense = b.op("linear", (2, 16), x=embedding, weight=weight)
    if also_plain:
        dense = b.op("add", (2, 16), x=dense, y=b.op("tanh", (2, 1), x=column))
    return b.program(b.op("add", (2, 16), x=sample, y=dense))


def check_same(whole: Program, main: Program, prelude: Program) -> None:
    made = run_program(prelude, {name: ARRAYS[name] for name in names(prelude.inputs)})
    fed = {name: made[name] if name in made else ARRAYS[name] for name in names(main.inputs)}
    (after,), (before,) = run_program(main, fed).values(), run_program(whole, ARRAYS).values()
    np.testing.assert_allclose(after, before, atol=1e-5)


def names(values: Iterable[Value]) -> list[str]:
    return [value.name for value in values]


def test_the_sinusoid_is_cut() -> None:
    whole = program()
    main, prelude = cut_prelude(whole)
    assert prelude is not None
    assert names(prelude.inputs) == ["timestep"]
    assert names(main.inputs) == ["sample", *prelude.outputs]
    assert [operation.kind for operation in main.operations] == ["linear", "add"]
    check_same(whole, main, prelude)


def test_an_input_that_is_used_elsewhere_crosses_too() -> None:
    whole = program(also_plain=True)
    main, prelude = cut_prelude(whole)
    assert prelude is not None
    assert len(prelude.outputs) == 2
    check_same(whole, main, prelude)


def test_no_second_cut() -> None:
    main, _ = cut_prelude(program())
    assert cut_prelude(main) == (main, None)


@pytest.mark.parametrize("near", [{"waves": False}, {"mixed_in": True}])
def test_near_miss(near: dict[str, bool]) -> None:
    whole = program(**near)
    assert cut_prelude(whole) == (whole, None)


def test_a_program_that_is_nothing_but_waves_stays() -> None:
    b = Builder()
    whole = b.program(b.op("sin", (3,), x=b.input("x", (3,))))
    assert cut_prelude(whole) == (whole, None)
