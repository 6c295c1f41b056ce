"""Reductions against numpy: all axes, negative axes, kept and dropped dimensions, ties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.translate.programs import Const, check_op

X = np.random.default_rng(3).normal(0, 1, (2, 3, 4)).astype(np.float32)
STATEMENTS: dict[str, Callable[..., Any]] = {
    "reduce_mean": np.mean,
    "reduce_sum": np.sum,
    "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_prod": np.prod,
    "reduce_l1_norm": lambda x, **how: np.abs(x).sum(**how),
    "reduce_l2_norm": lambda x, **how: np.sqrt((x * x).sum(**how)),
    "reduce_sum_square": lambda x, **how: (x * x).sum(**how),
}


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("axes", [None, (1,), (-1,), (0, 2), (-2, -1), (2, 1)])
@pytest.mark.parametrize("kind", STATEMENTS)
def test_reduce(kind: str, axes: tuple[int, ...] | None, keep: bool) -> None:
    expected = np.asarray(STATEMENTS[kind](X, axis=axes, keepdims=keep), np.float32)
    named = {} if axes is None else {"axes": list(axes)}
    check_op(kind, expected, x=X, keep_dims=Const(np.bool_(keep)), **named)


def test_dimensions_are_dropped_by_default() -> None:
    check_op("reduce_mean", X.mean(axis=1), x=X, axes=[1])


def test_integers() -> None:
    x = np.array([[3, 1], [5, 7]], np.int32)
    check_op("reduce_sum", x.sum(axis=1).astype(np.int32), x=x, axes=[1])
    check_op("reduce_max", x.max(axis=0), x=x, axes=[0])


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_argmax_and_argmin(axis: int) -> None:
    check_op("reduce_argmax", X.argmax(axis).astype(np.int32), x=X, axis=axis)
    check_op("reduce_argmin", X.argmin(axis).astype(np.int32), x=X, axis=axis)


def test_argmax_with_keep_dims() -> None:
    check_op("reduce_argmax", X.argmax(1)[:, None].astype(np.int32), x=X, axis=1, keep_dims=Const(np.bool_(True)))


@pytest.mark.parametrize("first", [0, 1, 40, 76])
def test_argmax_takes_the_first_of_equals(first: int) -> None:
    """A prompt's padding repeats the end token, which has the highest id."""
    ids = np.arange(77, dtype=np.int32)[None] % 50
    ids[0, first:] = 49407
    for dtype in (np.int32, np.float32):
        check_op("reduce_argmax", np.array([first], np.int32), x=ids.astype(dtype), axis=-1)
    check_op("reduce_argmin", np.array([first], np.int32), x=-ids, axis=-1)
