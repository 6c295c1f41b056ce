"""Joining, splitting, repeating, padding, making and measuring, against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bksdm_demo.errors import PackageError, UnsupportedModelError
from tests.translate.programs import Builder, Const, check_op, run_program

X = np.random.default_rng(8).normal(size=(2, 6, 3)).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat_and_stack(axis: int) -> None:
    check_op("concat", np.concatenate([X, X * 2, X], axis), values=[X, X * 2, X], axis=axis)
    check_op("stack", np.stack([X, X * 2], axis), values=[X, X * 2], axis=axis)


def test_concat_of_one_value() -> None:
    check_op("concat", X, values=[X], axis=1, interleave=Const(np.bool_(False)))


def test_concat_of_scalars() -> None:
    check_op("concat", np.array([3, 4], np.int32), values=[np.array(3, np.int32), np.array(4, np.int32)], axis=0)


def test_concat_of_sizes_that_differ() -> None:
    check_op("concat", np.concatenate([X, X[:, :2]], 1), values=[X, X[:, :2]], axis=1)


def test_interleaved_and_empty_concat_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="interleaved"):
        check_op("concat", X, values=[X, X], axis=1, interleave=Const(np.bool_(True)))
    builder = Builder()
    builder.input("x", (1,))
    with pytest.raises(PackageError, match="no values to join"):
        run_program(builder.program(builder.op("concat", (1,), axis=0)), {})


@pytest.mark.parametrize("axis", [1, -2])
def test_split(axis: int) -> None:
    check_op("split", np.split(X, 3, 1), x=X, num_splits=3, axis=axis)
    check_op("split", np.split(X, [1, 3], 1), x=X, split_sizes=[1, 2, 3], axis=axis)
    check_op("split", np.split(X, [2], 1), x=X, split_sizes=[2, 4], num_splits=2, axis=axis)  # sizes count


@pytest.mark.parametrize(("axis", "count"), [(3, 3), (-4, 3), (1, 0), (1, -3), (1, 2)])
def test_a_split_that_does_not_fit_is_refused(axis: int, count: int) -> None:
    with pytest.raises(PackageError, match="split op_0"):
        check_op("split", np.split(X, 3, 1), x=X, num_splits=count, axis=axis)


def test_an_unequal_split_is_refused() -> None:
    with pytest.raises(PackageError, match="4 equal parts"):
        check_op("split", np.split(X, 3, 1), x=X, num_splits=4, axis=1)


@pytest.mark.parametrize("reps", [(1, 1, 1), (2, 1, 3)])
def test_tile(reps: tuple[int, ...]) -> None:
    check_op("tile", np.tile(X, reps), x=X, reps=list(reps))
    check_op("tile", np.tile(X, reps), x=X, reps=np.array(reps, np.int32))


@pytest.mark.parametrize("pad", [(0, 1), (0, 1, 0, 1), (2, 0, 1, 1), (0, 0, 1, 2, 2, 1)])
@pytest.mark.parametrize(("mode", "numpys"), [("constant", "constant"), ("reflect", "reflect"), ("replicate", "edge")])
def test_pad(pad: tuple[int, ...], mode: str, numpys: Any) -> None:
    widths = [(0, 0)] * (3 - len(pad) // 2) + list(zip(pad[0::2], pad[1::2], strict=True))
    check_op("pad", np.pad(X, widths, mode=numpys), x=X, pad=list(pad), mode=mode)


def test_pad_value_and_defaults() -> None:
    expected = np.pad(X, [(0, 0), (0, 0), (1, 0)], constant_values=0.5)
    check_op("pad", expected, x=X, pad=[1, 0], constant_val=Const(np.float16(0.5)))
    check_op("pad", np.pad(X, [(0, 0), (0, 0), (1, 0)]), x=X, pad=[1, 0])
    with pytest.raises(UnsupportedModelError, match="wrap"):
        check_op("pad", X, x=X, pad=[1, 0], mode="wrap")


def test_pad_of_the_vae_encoder() -> None:
    x = np.random.default_rng(0).normal(size=(1, 2, 4, 4)).astype(np.float32)
    expected = np.pad(x, [(0, 0), (0, 0), (0, 1), (0, 1)])
    check_op("pad", expected, x=x, pad=[0, 0, 0, 0, 0, 1, 0, 1], mode="constant", constant_val=Const(np.float16(0)))


def test_fill() -> None:
    check_op("fill", np.full((2, 3), 0.5, np.float32), shape=np.array([2, 3], np.int32), value=Const(np.float16(0.5)))
    check_op("fill", np.zeros((2, 3), np.float32), shape=np.array([2, 3], np.int32))


def test_shape() -> None:
    check_op("shape", np.array([2, 6, 3], np.int32), x=X)


def test_range_1d() -> None:
    numbers = {"start": np.array(2, np.int32), "end": np.array(11, np.int32), "step": np.array(3, np.int32)}
    check_op("range_1d", np.array([2, 5, 8], np.int32), **numbers)


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.bool_])
def test_non_zero_lists_one_position_per_row(dtype: type[np.generic]) -> None:
    x = np.array([[0, 2, 0], [3, 0, 1]]).astype(dtype)
    check_op("non_zero", np.argwhere(x).astype(np.int32), x=x)


def test_non_zero_of_nothing() -> None:
    check_op("non_zero", np.zeros((0, 2), np.int32), x=np.zeros((2, 3), np.float32))
