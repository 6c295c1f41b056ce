"""The first converters' normalisation: hits in several spellings, near misses that must stay literal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from bksdm_demo.mil.program import Program
from bksdm_demo.translate.passes.layer_norm import fuse_layer_norm
from tests.translate.programs import Builder, run_program

TOLERANCE = 2e-5
SHAPE = (2, 8, 1, 5)


@dataclass(frozen=True)
class Form:
    axes: tuple[int, ...] = (1,)
    variance_axes: tuple[int, ...] | None = None
    keep: bool = True
    square: bool = False  # the square as an operation of its own
    other: bool = False  # the variance is another value's
    cross: bool = False  # a product in place of the square
    reversed_sub: bool = False
    epsilon_first: bool = False
    computed_epsilon: bool = False
    root_first: bool = False
    root: str = "rsqrt"
    applied_to: str = "centred"
    mean_of_other: bool = False


HIT = Form()


def site(form: Form) -> Program:
    b = Builder()
    x, other = b.input("x", SHAPE), b.input("other", SHAPE)
    reduced = [1 if axis in [a % 4 for a in form.axes] else size for axis, size in enumerate(SHAPE)]
    if not form.keep:
        reduced = [1, 5]
    mean = b.op("reduce_mean", reduced, x=other if form.mean_of_other else x, axes=list(form.axes), keep_dims=form.keep)
    centred = b.op("sub", SHAPE, **({"x": mean, "y": x} if form.reversed_sub else {"x": x, "y": mean}))
    base = b.op("sub", SHAPE, x=other, y=mean) if form.other else centred
    product = {} if form.square else {"y": x if form.cross else base}
    squared = b.op("square" if form.square else "mul", SHAPE, x=base, **product)
    axes = form.axes if form.variance_axes is None else form.variance_axes
    small = [1 if axis in [a % 4 for a in axes] else size for axis, size in enumerate(SHAPE)] if form.keep else reduced
    variance = b.op("reduce_mean", small, x=squared, axes=list(axes), keep_dims=form.keep)
    epsilon: Any = np.float16(1e-3)
    if form.computed_epsilon:
        epsilon = b.op("exp", (), x=np.float16(-7))
    shifted = b.op(
        "add", small, **({"x": epsilon, "y": variance} if form.epsilon_first else {"x": variance, "y": epsilon})
    )
    root = b.op(form.root, small, x=shifted, **({"epsilon": np.float16(6e-4)} if form.root == "rsqrt" else {}))
    value = x if form.applied_to == "x" else centred
    return b.program(b.op("mul", SHAPE, **({"x": root, "y": value} if form.root_first else {"x": value, "y": root})))


HITS = {
    "as coremltools 7 writes it": HIT,
    "square": replace(HIT, square=True),
    "epsilon first": replace(HIT, epsilon_first=True),
    "root first": replace(HIT, root_first=True),
    "negative axis": replace(HIT, axes=(-3,)),
    "several axes": replace(HIT, axes=(3, 1)),
}


@pytest.mark.parametrize("form", HITS.values(), ids=HITS)
def test_hit(form: Form) -> None:
    program = site(form)
    fused, count = fuse_layer_norm(program)
    assert count == 1
    assert [operation.kind for operation in fused.operations] == ["layer_norm"]
    random = np.random.default_rng(0)
    arrays = {name: random.normal(1, 0.1, SHAPE).astype(np.float32) for name in ("x", "other")}
    (before,), (after,) = run_program(program, arrays).values(), run_program(fused, arrays).values()
    np.testing.assert_allclose(after, before, atol=TOLERANCE)
    assert fuse_layer_norm(fused) == (fused, 0)


MISSES = {
    "a variance over other axes": replace(HIT, variance_axes=(3,)),
    "means that drop their axis": replace(HIT, keep=False),
    "the variance of another value": replace(HIT, other=True),
    "a product of two values": replace(HIT, cross=True),
    "the mean less the value": replace(HIT, reversed_sub=True),
    "the mean of another value": replace(HIT, mean_of_other=True),
    "a computed epsilon": replace(HIT, computed_epsilon=True),
    "a root that is not turned over": replace(HIT, root="sqrt"),
    "applied to the value with its mean": replace(HIT, applied_to="x"),
}


@pytest.mark.parametrize("form", MISSES.values(), ids=MISSES)
def test_near_miss(form: Form) -> None:
    program = site(form)
    assert fuse_layer_norm(program) == (program, 0)
