"""Divided projections: hits in both layouts, near misses that must keep their split."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from bksdm_demo.mil.program import Program
from bksdm_demo.translate.passes.projections import project_into_parts
from tests.translate.programs import Builder, random_arrays, run_program

TOLERANCE = 1e-6
SIZES = (2, 5, 3)


@dataclass(frozen=True)
class Form:
    kind: str = "conv"
    axis: int = 1
    bias: bool = True
    groups: int = 1
    computed: bool = False
    read_twice: bool = False
    activated: bool = False  # something between projection and split


HIT = Form()


def site(form: Form) -> Program:
    random = np.random.default_rng(1)
    b = Builder()
    rows = form.kind == "conv"
    shape = [2, 4, 1, 10] if rows else [2, 10, 4]
    x = b.input("x", shape)
    weight: Any = random.normal(size=(10, 4 // form.groups, 1, 1) if rows else (10, 4)).astype(np.float16)
    inputs: dict[str, Any] = {"weight": b.op("exp", weight.shape, x=weight) if form.computed else weight}
    if form.bias:
        inputs["bias"] = random.normal(size=10).astype(np.float16)
    if rows:
        inputs["groups"] = form.groups
    made = b.op(form.kind, (2, 10, 1, 10) if rows else (2, 10, 10), x=x, **inputs)
    read = b.op("relu", made.shape, x=made) if form.activated else made
    shapes = [
        [size if place == form.axis % len(shape) else old for place, old in enumerate(made.shape)] for size in SIZES
    ]
    parts = b.ops("split", shapes, x=read, axis=form.axis, split_sizes=list(SIZES))
    return b.program(*parts, made) if form.read_twice else b.program(*parts)


@pytest.mark.parametrize(
    "form",
    [HIT, replace(HIT, axis=-3), replace(HIT, bias=False), Form("linear", axis=2), Form("linear", axis=-1, bias=False)],
    ids=["channel-major", "negative axis", "no bias", "token-major", "token-major, negative axis, no bias"],
)
def test_hit(form: Form) -> None:
    program = site(form)
    rewritten, count = project_into_parts(program)
    assert count == 1
    assert [operation.kind for operation in rewritten.operations] == [form.kind] * 3
    arrays = random_arrays(program)
    expected, made = run_program(program, arrays), run_program(rewritten, arrays)
    for name, array in expected.items():
        np.testing.assert_allclose(made[name], array, atol=TOLERANCE)
    assert project_into_parts(rewritten) == (rewritten, 0)


MISSES = {
    "a split of tokens": replace(HIT, axis=3),
    "a split of tokens, token-major": Form("linear", axis=1),
    "groups": replace(HIT, groups=2),
    "computed weights": replace(HIT, computed=True),
    "a projection that something else reads": replace(HIT, read_twice=True),
    "something between": replace(HIT, activated=True),
}


@pytest.mark.parametrize("form", MISSES.values(), ids=MISSES)
def test_near_miss(form: Form) -> None:
    program = site(form)
    assert project_into_parts(program) == (program, 0)
