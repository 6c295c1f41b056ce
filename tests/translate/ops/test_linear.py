"""Matrix products against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.translate.programs import Const, check_op

RANDOM = np.random.default_rng(6)


def normal(*shape: int) -> NDArray:
    return RANDOM.normal(size=shape).astype(np.float32)


def half(*shape: int) -> NDArray:
    return RANDOM.normal(size=shape).astype(np.float16)


@pytest.mark.parametrize("shape", [(5,), (2, 5), (2, 3, 5), (1, 2, 3, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(shape: tuple[int, ...], bias: bool) -> None:
    x, weight, offset = normal(*shape), half(7, 5), half(7)
    expected = x @ weight.astype(np.float32).T + (offset.astype(np.float32) if bias else 0)
    check_op("linear", expected, x=x, weight=Const(weight), **({"bias": Const(offset)} if bias else {}))


@pytest.mark.parametrize("large", [(40, 50)])
def test_a_large_half_precision_weight_keeps_its_values(large: tuple[int, ...]) -> None:
    x, weight = normal(3, large[1]), half(*large)
    check_op("linear", x @ weight.astype(np.float32).T, x=x, weight=Const(weight))


@pytest.mark.parametrize("turned", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize(
    ("left", "right"), [((2, 3, 4, 5), (2, 3, 5, 6)), ((4, 5), (2, 5, 6)), ((2, 1, 4, 5), (3, 5, 6))]
)
def test_matmul(turned: tuple[bool, ...], left: tuple[int, ...], right: tuple[int, ...]) -> None:
    x, y = normal(*left), normal(*right)
    given = [array.swapaxes(-1, -2).copy() if turn else array for array, turn in zip((x, y), turned, strict=True)]
    flags = {key: Const(np.bool_(turn)) for key, turn in zip(("transpose_x", "transpose_y"), turned, strict=True)}
    check_op("matmul", x @ y, x=given[0], y=given[1], **flags)


def test_matmul_with_a_constant() -> None:
    x, y = normal(2, 4, 5), half(5, 6)
    check_op("matmul", x @ y.astype(np.float32), x=x, y=Const(y))


@pytest.mark.parametrize(
    ("equation", "left", "right"),
    [
        ("bkhc,bchq->bkhq", (2, 7, 1, 4), (2, 4, 1, 5)),  # scores, as the converter stores them
        ("bchq,bkhc->bkhq", (2, 4, 1, 5), (2, 7, 1, 4)),  # scores, as Apple's Python has them
        ("bchk,bkhq->bchq", (2, 4, 1, 7), (2, 7, 1, 5)),  # mixing
        ("bkhq,bchk->bchq", (2, 7, 1, 5), (2, 4, 1, 7)),
        ("bhcq,bhck->bhqk", (2, 3, 4, 5), (2, 3, 4, 7)),
        ("abc, cd -> abd", (2, 3, 4), (4, 5)),
    ],
)
def test_einsum(equation: str, left: tuple[int, ...], right: tuple[int, ...]) -> None:
    x, y = normal(*left), normal(*right)
    check_op("einsum", np.einsum(equation, x, y), values=[x, y], equation=equation)
