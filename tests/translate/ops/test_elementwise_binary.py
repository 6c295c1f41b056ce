"""Ops on two tensors, against numpy, with broadcasting and every element type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.translate.programs import Const, check_op

RANDOM = np.random.default_rng(2)
X = RANDOM.normal(0, 2, (2, 3, 4)).astype(np.float32)
OTHERS = [X[::-1].copy(), X[:, :1].copy(), X[0, 0].copy(), Const(np.float16(0.75)), Const(RANDOM.normal(size=(3, 1)))]
FLOATS = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "real_div": np.divide,
    "floor_div": np.floor_divide,
    "mod": np.mod,
}
COMPARISONS = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
}


def plain(value: Any) -> Any:
    return value.array.astype(np.float32) if isinstance(value, Const) else value


@pytest.mark.parametrize("other", OTHERS, ids=["same", "middle 1", "last axis", "scalar", "constant"])
@pytest.mark.parametrize("kind", FLOATS)
def test_floats_broadcast(kind: str, other: Any) -> None:
    check_op(kind, FLOATS[kind](X, plain(other)), x=X, y=other)


def test_a_constant_may_stand_first() -> None:
    check_op("sub", np.float32(1) - X, x=Const(np.float16(1)), y=X)
    check_op("real_div", np.float32(1) / X, x=Const(np.float16(1)), y=X)


def test_pow() -> None:
    x = np.abs(X)
    check_op("pow", x**2, x=x, y=Const(np.float16(2)))
    check_op("pow", x**0.5, x=x, y=Const(np.float16(0.5)))
    check_op("pow", X**2, x=X, y=Const(np.float16(2)))


@pytest.mark.parametrize("kind", ["add", "sub", "mul", "maximum", "minimum", "floor_div", "mod"])
def test_integers(kind: str) -> None:
    x, y = np.array([-7, -1, 0, 5, 49407], np.int32), np.array([2, 2, 3, -3, 7], np.int32)
    check_op(kind, FLOATS[kind](x, y), x=x, y=y)


@pytest.mark.parametrize("kind", ["floor_div", "mod"])
def test_integers_by_minus_one(kind: str) -> None:
    x, y = np.array([-7, 7, 0, -(2**31) + 1, 7], np.int32), np.array([-1, -1, -1, -1, -2], np.int32)
    for one, other in ((x, y), (Const(x), Const(y)), (x, Const(y))):
        check_op(kind, FLOATS[kind](x, y), x=one, y=other)


def test_real_div_of_integers_truncates() -> None:
    x, y = np.array([-7, 7, 6], np.int32), np.array([2, 2, 3], np.int32)
    check_op("real_div", np.trunc(x / y).astype(np.int32), x=x, y=y)


@pytest.mark.parametrize("kind", COMPARISONS)
def test_comparisons(kind: str) -> None:
    x = np.array([[1, 2, 3], [3, 2, 1]])
    for dtype in (np.int32, np.float32):
        check_op(kind, COMPARISONS[kind](x, 2), x=x.astype(dtype), y=Const(dtype(2)))
        check_op(kind, COMPARISONS[kind](x, x[::-1]), x=x.astype(dtype), y=x[::-1].astype(dtype))


@pytest.mark.parametrize("kind", ["logical_and", "logical_or", "logical_xor"])
def test_logic(kind: str) -> None:
    x, y = np.array([False, False, True, True]), np.array([False, True, False, True])
    check_op(kind, getattr(np, kind)(x, y), x=x, y=y)
