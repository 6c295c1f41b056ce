"""Convolution before doubling: equal numbers to the last pixel, near misses that must stay."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from bksdm_demo.mil.program import Program
from bksdm_demo.translate.passes.upsampling import convolve_before_doubling, meeting
from tests.translate.programs import Builder, random_arrays, run_program

TOLERANCE = 1e-5
BATCH, CHANNELS, HEIGHT, WIDTH, FILTERS = 2, 3, 4, 5, 6


@dataclass(frozen=True)
class Form:
    factors: tuple[Any, Any] = (2.0, 2.0)
    kernel: tuple[int, int] = (3, 3)
    pad: tuple[int, ...] = (1, 1, 1, 1)
    pad_type: str = "custom"
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1
    bias: bool = True
    computed: bool = False
    between: bool = False  # something happens to the doubled picture


def site(form: Form, twice: bool = False) -> Program:
    random = np.random.default_rng(1)
    b = Builder()
    x = b.input("x", (BATCH, CHANNELS, HEIGHT, WIDTH))
    height, width = (int(size * factor) for size, factor in zip((HEIGHT, WIDTH), form.factors, strict=True))
    up = {"scale_factor_height": form.factors[0], "scale_factor_width": form.factors[1]}
    doubled = b.op("upsample_nearest_neighbor", (BATCH, CHANNELS, height, width), x=x, **up)
    if form.between:
        doubled = b.op("relu", doubled.shape, x=doubled)
    made = []
    for _ in range(1 + twice):
        weight: Any = random.normal(size=(FILTERS, CHANNELS // form.groups, *form.kernel)).astype(np.float16)
        if form.computed:
            weight = b.op("exp", weight.shape, x=weight)
        inputs = {"weight": weight, "pad": list(form.pad), "pad_type": form.pad_type, "groups": form.groups}
        inputs |= {"strides": list(form.strides), "dilations": list(form.dilations)}
        if form.bias:
            inputs["bias"] = random.normal(size=FILTERS).astype(np.float16)
        pad = (2, 2) if form.pad_type == "same" else (sum(form.pad[:2]), sum(form.pad[2:]))
        sizes = [
            (size + around - dilation * (kernel - 1) - 1) // stride + 1
            for size, around, dilation, kernel, stride in zip(
                (height, width), pad, form.dilations, form.kernel, form.strides, strict=True
            )
        ]
        made.append(b.op("conv", (BATCH, FILTERS, *sizes), x=doubled, **inputs))
    return b.program(*made)


def check_same(before: Program, after: Program) -> None:
    arrays = random_arrays(before)
    expected, made = run_program(before, arrays), run_program(after, arrays)
    for name, array in expected.items():
        np.testing.assert_allclose(made[name], array, atol=TOLERANCE)


HIT = Form()


@pytest.mark.parametrize(
    "form",
    [HIT, replace(HIT, factors=(2, 2)), replace(HIT, bias=False), replace(HIT, pad_type="same", pad=(0, 0, 0, 0))],
    ids=["floats", "whole factors", "no bias", "same padding"],
)
def test_hit(form: Form) -> None:
    program = site(form)
    rewritten, count = convolve_before_doubling(program)
    assert count == 1
    kinds = Counter(operation.kind for operation in rewritten.operations)
    assert kinds == {"conv": 4, "concat": 1, "depth_to_space": 1}
    check_same(program, rewritten)
    assert convolve_before_doubling(rewritten) == (rewritten, 0)


def test_two_convolutions_of_one_doubling() -> None:
    program = site(HIT, twice=True)
    rewritten, count = convolve_before_doubling(program)
    assert count == 2
    assert "upsample_nearest_neighbor" not in {operation.kind for operation in rewritten.operations}
    check_same(program, rewritten)


def test_a_doubling_with_another_reader_stays() -> None:
    program = site(HIT)
    doubled = program.operations[0].outputs[0].name
    looked_at = replace(program, outputs=(*program.outputs, doubled))
    rewritten, count = convolve_before_doubling(looked_at)
    assert count == 1
    assert rewritten.operations[0] == program.operations[0]
    check_same(looked_at, rewritten)


MISSES = {
    "threefold": replace(HIT, factors=(3.0, 3.0)),
    "doubled one way": replace(HIT, factors=(1.0, 2.0)),
    "a kernel of one": replace(HIT, kernel=(1, 1), pad=(0, 0, 0, 0)),
    "a kernel of five": replace(HIT, kernel=(5, 5), pad=(2, 2, 2, 2)),
    "a flat kernel": replace(HIT, kernel=(1, 3), pad=(0, 0, 1, 1)),
    "no padding": replace(HIT, pad=(0, 0, 0, 0)),
    "valid, whatever the pad says": replace(HIT, pad_type="valid", pad=(0, 0, 0, 0)),
    "padding on one side": replace(HIT, pad=(2, 0, 1, 1)),
    "strides": replace(HIT, strides=(2, 2)),
    "dilations": replace(HIT, dilations=(2, 2), pad=(1, 1, 1, 1)),
    "groups": replace(HIT, groups=3),
    "computed weights": replace(HIT, computed=True),
    "something between": replace(HIT, between=True),
}


@pytest.mark.parametrize("form", MISSES.values(), ids=MISSES)
def test_near_miss(form: Form) -> None:
    program = site(form)
    assert convolve_before_doubling(program) == (program, 0)


def test_kernels_by_hand() -> None:
    kernel = np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)
    assert meeting(kernel, 0, 0)[0, 0].tolist() == [[1, 2 + 3], [4 + 7, 5 + 6 + 8 + 9]]
    assert meeting(kernel, 1, 1)[0, 0].tolist() == [[1 + 2 + 4 + 5, 3 + 6], [7 + 8, 9]]
