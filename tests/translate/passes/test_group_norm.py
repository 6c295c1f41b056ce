"""GroupNorm without weights: hits as converters write it, near misses that must stay literal."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from bksdm_demo.mil.program import Program
from bksdm_demo.translate.added_ops import GROUP_NORM
from bksdm_demo.translate.passes.group_norm import fuse_group_norm
from tests.translate.programs import Builder, run_program

TOLERANCE = 1e-5
PICTURE = (2, 12, 4, 6)


@dataclass(frozen=True)
class Form:
    grouped: tuple[int, ...] = (2, 3, 4, 4, 6)
    axes: tuple[int, ...] = (2, 3, 4)
    variance_axes: tuple[int, ...] | None = None
    result: tuple[int, ...] = PICTURE
    product: bool = False  # the square as a mul
    root: str = "sqrt"
    biased: bool = False  # the variance is of the value, not of the difference
    swapped: bool = False  # the root over the difference


HIT = Form()


def site(form: Form) -> Program:
    b = Builder()
    x = b.input("x", PICTURE)
    small, other = (
        [1 if axis in axes else size for axis, size in enumerate(form.grouped)]
        for axes in (form.axes, form.variance_axes or form.axes)
    )
    grouped = b.op("reshape", form.grouped, x=x, shape=list(form.grouped))
    mean = b.op("reduce_mean", small, x=grouped, axes=list(form.axes), keep_dims=True)
    centred = b.op("sub", form.grouped, x=grouped, y=mean)
    base = grouped if form.biased else centred
    factors = {"y": base} if form.product else {}
    squared = b.op("mul" if form.product else "square", form.grouped, x=base, **factors)
    variance = b.op("reduce_mean", other, x=squared, axes=list(form.variance_axes or form.axes), keep_dims=True)
    root = b.op(form.root, other, x=b.op("add", other, x=variance, y=np.float16(1e-3)))
    pair = {"x": root, "y": centred} if form.swapped else {"x": centred, "y": root}
    normal = b.op("real_div", form.grouped, **pair)
    return b.program(b.op("reshape", form.result, x=normal, shape=list(form.result)))


HITS = {
    "as the converter writes it": HIT,
    "the square as a product": replace(HIT, product=True),
    "one group": replace(HIT, grouped=(2, 1, 12, 4, 6)),
    "a group per channel": replace(HIT, grouped=(2, 12, 1, 4, 6)),
}


@pytest.mark.parametrize("form", HITS.values(), ids=HITS)
def test_hit(form: Form) -> None:
    program = site(form)
    fused, count = fuse_group_norm(program)
    assert count == 1
    assert [operation.kind for operation in fused.operations] == [GROUP_NORM]
    arrays = {"x": np.random.default_rng(0).normal(3, 0.5, PICTURE).astype(np.float32)}
    (before,), (after,) = run_program(program, arrays).values(), run_program(fused, arrays).values()
    wide = arrays["x"].astype(np.float64).reshape(form.grouped)
    mean, variance = (f(wide, axis=(2, 3, 4), keepdims=True) for f in (np.mean, np.var))
    expected = ((wide - mean) / np.sqrt(variance + float(np.float16(1e-3)))).reshape(PICTURE)
    np.testing.assert_allclose(after, expected, atol=TOLERANCE)
    np.testing.assert_allclose(after, before, atol=TOLERANCE)
    assert fuse_group_norm(fused) == (fused, 0)


MISSES = {
    "normalised per row": replace(HIT, axes=(2, 4)),
    "a variance over other axes": replace(HIT, variance_axes=(3, 4)),
    "rows taken for channels": replace(HIT, grouped=(2, 3, 16, 6, 1), result=PICTURE),
    "pictures of a batch mixed": replace(HIT, grouped=(1, 6, 4, 4, 6)),
    "a result of another shape": replace(HIT, result=(2, 12, 24)),
    "a result with sides exchanged": replace(HIT, result=(2, 12, 6, 4)),
    "another function of the variance": replace(HIT, root="exp"),
    "the square of the value itself": replace(HIT, biased=True),
    "the root over the difference": replace(HIT, swapped=True),
}


@pytest.mark.parametrize("form", MISSES.values(), ids=MISSES)
def test_near_miss(form: Form) -> None:
    program = site(form)
    assert fuse_group_norm(program) == (program, 0)
