"""Reading and writing by computed positions, against numpy: negative indices, every mode, repeated positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.errors import PackageError, UnsupportedModelError
from tests.translate.programs import Const, check_op

X = np.random.default_rng(9).normal(size=(4, 3, 5)).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("indices", [[0, 2], [-1, 1], [[0, 1], [2, -3]], 1])
def test_gather(axis: int, indices: Any) -> None:
    expected = np.take(X, indices, axis)
    check_op("gather", expected, x=X, indices=np.array(indices, np.int32), axis=axis)
    check_op("gather", expected, x=X, indices=Const(np.array(indices, np.int32)), axis=axis)


def test_gather_from_a_constant_table_by_small_integers() -> None:
    table = X.reshape(12, 5).astype(np.float16)
    ids = np.array([[11, 0, 3]], np.uint16)
    check_op("gather", table[ids.astype(int)].astype(np.float32), x=Const(table), indices=ids)


def test_gather_with_batch_axes() -> None:
    indices = np.array([[0, 2], [1, 1], [2, 0], [-1, 0]], np.int32)
    expected = np.stack([X[row][indices[row]] for row in range(4)])
    check_op("gather", expected, x=X, indices=indices, axis=1, batch_dims=1)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather_along_axis(axis: int) -> None:
    indices = np.random.default_rng(1).integers(-3, 3, X.shape).astype(np.int32)
    check_op("gather_along_axis", np.take_along_axis(X, indices % X.shape[axis], axis), x=X, indices=indices, axis=axis)


@pytest.mark.parametrize("indices", [[[0, 2], [3, 1]], [[1], [-1]], [[[0, 0, 4]], [[-1, -1, -1]]]])
def test_gather_nd(indices: Any) -> None:
    array = np.array(indices, np.int32)
    expected = X[tuple(np.moveaxis(array, -1, 0))]
    check_op("gather_nd", expected, x=X, indices=array)
    check_op("gather_nd", expected, x=X, indices=Const(array))


def test_gather_nd_with_batch_axes() -> None:
    indices = np.array([[0], [2], [-1], [1]], np.int32)
    check_op("gather_nd", X[np.arange(4), indices[:, 0]], x=X, indices=indices, batch_dims=1)


POSITIONS = np.array([[0, 2], [3, 1], [0, 2], [-1, -1]], np.int32)  # one twice, one from the end
UPDATES = np.random.default_rng(2).normal(size=(4, 5)).astype(np.float32)
MODES: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
    "update": lambda old, new: new,
}


def scattered(mode: str) -> NDArray:
    result = X.copy()
    for (row, column), update in zip(POSITIONS, UPDATES, strict=True):
        result[row, column] = MODES[mode](result[row, column], update)
    return result


@pytest.mark.parametrize("mode", MODES)
def test_scatter_nd(mode: str) -> None:
    check_op("scatter_nd", scattered(mode), data=X, indices=POSITIONS, updates=UPDATES, mode=mode)


def test_scatter_nd_adds_by_default() -> None:
    check_op("scatter_nd", scattered("add"), data=X, indices=POSITIONS, updates=UPDATES)


FAR = 10**9
OUTSIDE = {
    "gather along": ("gather_along_axis", {"x": X, "indices": Const(np.full(X.shape, 5, np.int32)), "axis": 2}),
    "gather": ("gather_nd", {"x": X, "indices": Const(np.array([[0, 3]], np.int32))}),
    "gather before": ("gather_nd", {"x": X, "indices": Const(np.array([[-5, 0]], np.int32))}),
    "scatter": (
        "scatter_nd",
        {"data": X, "indices": Const(np.array([[4, 0]], np.int32)), "updates": UPDATES[:1], "mode": "update"},
    ),
}


@pytest.mark.parametrize(("kind", "inputs"), OUTSIDE.values(), ids=OUTSIDE)
def test_known_indices_outside_the_tensor_are_refused(kind: str, inputs: dict[str, Any]) -> None:
    with pytest.raises(PackageError, match="an index is outside the tensor's"):
        check_op(kind, X, **inputs)


def test_computed_indices_stay_inside_the_tensor() -> None:
    far = np.array([[-FAR, 1], [FAR, 1]], np.int32)
    check_op("gather_nd", X[[0, -1], 1], x=X, indices=far)
    along = np.where(np.arange(5) % 2, FAR, -FAR).astype(np.int32) * np.ones(X.shape, np.int32)
    check_op("gather_along_axis", X[..., [0, 4, 0, 4, 0]], x=X, indices=along, axis=2)
    expected = X.copy()
    expected[[0, -1], 1] = UPDATES[:2]
    check_op("scatter_nd", expected, data=X, indices=far, updates=UPDATES[:2], mode="update")


def test_addressing_too_many_axes_is_refused() -> None:
    with pytest.raises(PackageError, match="gather_nd op_0: addresses 2 axes after 2, but there are 3"):
        check_op("gather_nd", X, x=X, indices=np.zeros((4, 3, 2), np.int32), batch_dims=2)


@pytest.mark.parametrize("batch", [-1, 4, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("kind", ["gather", "gather_nd"])
def test_too_many_batch_axes_are_refused(kind: str, batch: int) -> None:
    with pytest.raises(PackageError, match=f"{kind} op_0: batch_dims is {batch}"):
        check_op(kind, X, x=X, indices=np.zeros((4, 2), np.int32), batch_dims=batch)


def test_an_unknown_scatter_mode_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="div"):
        check_op("scatter_nd", X, data=X, indices=POSITIONS, updates=UPDATES, mode="div")
