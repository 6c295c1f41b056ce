"""The masked fill: one hit in the converter's form, near misses that must keep scattering."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from bksdm_demo.mil.program import Program
from bksdm_demo.translate.passes.masked_fill import fuse_masked_fill
from tests.translate.programs import Builder, run_program

SHAPE = (1, 4, 3, 3)


@dataclass(frozen=True)
class Form:
    mode: str | None = "update"
    cast: bool = True
    rows: bool = False  # the mask covers rows, not elements
    narrow: bool = False  # the mask covers only the first column
    counted: bool = False  # the mask is a count, not a bool
    filler: tuple[float, ...] = (0.0,)
    computed: bool = False  # the updates are data
    guarded: bool = False  # against negative positions, as for iOS17
    bound: int = 0  # from which on the guard lets positions pass
    guards_other: bool = False  # the guard tests other numbers


HIT = Form()


def site(form: Form) -> Program:
    b = Builder()
    images = b.input("images", SHAPE)
    shape = SHAPE[:3] if form.rows else (*SHAPE[:3], 1) if form.narrow else SHAPE
    mask = b.input("mask", shape, "int32" if form.counted else "bool")
    listed = b.op("cast", shape, "int32", x=mask, dtype="int32") if form.cast else mask
    places = b.op("non_zero", (None, len(shape)), "int32", x=listed)
    size = b.op("shape", (2,), "int32", x=places)
    count = b.op("slice_by_index", (), "int32", x=size, begin=[0], end=[0], squeeze_mask=[True])
    reps = b.op("concat", (1,), "int32", values=[count], axis=0)
    if form.rows:
        twice = b.op("concat", (2,), "int32", values=[count, b.const(1)], axis=0)
        updates = b.op("tile", (None, 3), x=np.zeros((1, 3), np.float16), reps=twice)
    elif form.computed:
        updates = b.op("gather_nd", (None,), x=b.input("other", SHAPE), indices=places)
    else:
        updates = b.op("tile", (None,), x=np.array(form.filler, np.float16), reps=reps)
    if form.guarded:
        tested = b.op("mul", (None, 4), "int32", x=places, y=-1) if form.guards_other else places
        passing = b.op("greater_equal", (None, 4), "bool", x=tested, y=form.bound)
        wrapped = b.op("add", (None, 4), "int32", x=places, y=list(SHAPE))
        places = b.op("select", (None, 4), "int32", cond=passing, a=places, b=wrapped)
    mode = {} if form.mode is None else {"mode": form.mode}
    return b.program(b.op("scatter_nd", SHAPE, data=images, indices=places, updates=updates, **mode))


@pytest.mark.parametrize("flagged", [0.0, 0.4, 1.0])
@pytest.mark.parametrize(
    "form", [HIT, replace(HIT, cast=False), replace(HIT, filler=(0.25,)), replace(HIT, guarded=True)]
)
def test_hit(form: Form, flagged: float) -> None:
    program = site(form)
    fused, count = fuse_masked_fill(program)
    assert count == 1
    assert [operation.kind for operation in fused.operations] == ["select"]
    random = np.random.default_rng(0)
    arrays = {"images": random.random(SHAPE).astype(np.float32), "mask": random.random(SHAPE) < flagged}
    (before,), (after,) = run_program(program, arrays).values(), run_program(fused, arrays).values()
    np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(after, np.where(arrays["mask"], form.filler[0], arrays["images"]))
    assert fuse_masked_fill(fused) == (fused, 0)


MISSES = {
    "adding": replace(HIT, mode="add"),
    "adding by default": replace(HIT, mode=None),
    "whole rows": replace(HIT, rows=True),
    "a mask of another shape": replace(HIT, narrow=True),
    "a mask of counts": replace(HIT, counted=True),
    "several constants in turn": replace(HIT, filler=(0.0, 0.5)),
    "positions moved by another guard": replace(HIT, guarded=True, bound=1),
    "positions guarded by other numbers": replace(HIT, guarded=True, guards_other=True),
    "updates that are data": replace(HIT, computed=True),
}


@pytest.mark.parametrize("form", MISSES.values(), ids=MISSES)
def test_near_miss(form: Form) -> None:
    program = site(form)
    assert fuse_masked_fill(program) == (program, 0)
