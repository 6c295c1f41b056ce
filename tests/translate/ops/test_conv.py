"""Convolution against sums of shifted products in float64, in one to three dimensions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.errors import UnsupportedModelError
from tests.translate.programs import Const, check_op

RANDOM = np.random.default_rng(7)


def convolve(
    x: NDArray,
    weight: NDArray,
    pad: Sequence[tuple[int, int]],
    strides: Sequence[int],
    dilations: Sequence[int],
    groups: int = 1,
) -> NDArray:
    """x [B, Ci, *spatial], weight [Co, Ci/g, *kernel], pad as (before, after) pairs."""
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *pad])
    kernel = weight.shape[2:]
    reach = [dilation * (size - 1) for dilation, size in zip(dilations, kernel, strict=True)]
    sizes = [(full - r - 1) // s + 1 for full, r, s in zip(x.shape[2:], reach, strides, strict=True)]
    result = np.zeros((x.shape[0], weight.shape[0], *sizes))
    for offset in itertools.product(*map(range, kernel)):
        window = tuple(
            slice(o * d, o * d + (n - 1) * s + 1, s)
            for o, d, n, s in zip(offset, dilations, sizes, strides, strict=True)
        )
        for group, (inputs, outputs) in enumerate(
            zip(np.split(np.arange(x.shape[1]), groups), np.split(np.arange(weight.shape[0]), groups), strict=True)
        ):
            assert group < groups
            part = x[(slice(None), inputs, *window)]
            result[:, outputs] += np.einsum("bi...,oi->bo...", part, weight[(outputs, slice(None), *offset)])
    return result


@pytest.mark.parametrize(
    ("spatial", "kernel", "groups"),
    [
        ((9,), (3,), 1),
        ((6, 8), (3, 3), 1),
        ((6, 8), (1, 1), 1),
        ((6, 8), (2, 3), 2),
        ((4, 5, 6), (3, 1, 3), 1),
        ((7,), (3,), 4),
    ],
)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_conv(spatial: tuple[int, ...], kernel: tuple[int, ...], groups: int, stride: int, dilation: int) -> None:
    dims = len(spatial)
    x = RANDOM.normal(size=(2, 4, *spatial)).astype(np.float32)
    weight, bias = RANDOM.normal(size=(8, 4 // groups, *kernel)), RANDOM.normal(size=8).astype(np.float16)
    weight = weight.astype(np.float16)
    pad = list(range(1, 2 * dims + 1))
    pairs = list(zip(pad[0::2], pad[1::2], strict=True))
    expected = convolve(x, weight.astype(np.float64), pairs, [stride] * dims, [dilation] * dims, groups)
    check_op(
        "conv",
        (expected + bias.astype(np.float64).reshape(1, -1, *[1] * dims)).astype(np.float32),
        x=x,
        weight=Const(weight),
        bias=Const(bias),
        strides=[stride] * dims,
        dilations=[dilation] * dims,
        pad_type="custom",
        pad=pad,
        groups=groups,
    )


def picture(kernel: Sequence[int]) -> tuple[NDArray, NDArray]:
    return RANDOM.normal(size=(1, 3, 7, 6)).astype(np.float32), RANDOM.normal(size=(5, 3, *kernel)).astype(np.float16)


def test_valid_padding_is_the_default_and_ignores_pad() -> None:
    x, weight = picture((3, 3))
    expected = convolve(x, weight.astype(float), [(0, 0)] * 2, [1, 1], [1, 1]).astype(np.float32)
    check_op("conv", expected, x=x, weight=Const(weight))
    check_op("conv", expected, x=x, weight=Const(weight), pad_type="valid", pad=[1, 1, 1, 1])
    check_op("conv", expected, x=x, weight=Const(weight), pad_type="custom", pad=[0, 0, 0, 0])  # coremltools 6 and 7


@pytest.mark.parametrize("kind", ["same", "same_lower"])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_padding_of_odd_kernels(kind: str, dilation: int) -> None:
    x, weight = picture((3, 5))
    pad = [(dilation, dilation), (2 * dilation, 2 * dilation)]
    expected = convolve(x, weight.astype(float), pad, [1, 1], [dilation] * 2).astype(np.float32)
    check_op("conv", expected, x=x, weight=Const(weight), pad_type=kind, dilations=[dilation] * 2)


@pytest.mark.parametrize(
    ("kernel", "named"),
    [
        ((2, 2), {"pad_type": "same"}),
        ((3, 3), {"pad_type": "same", "strides": [2, 2]}),
        ((3, 3), {"pad_type": "mirror"}),
    ],
)
def test_ambiguous_padding_is_refused(kernel: tuple[int, ...], named: dict[str, Any]) -> None:
    x, weight = picture(kernel)
    with pytest.raises(UnsupportedModelError, match="pad"):
        check_op("conv", x, x=x, weight=Const(weight), **named)
