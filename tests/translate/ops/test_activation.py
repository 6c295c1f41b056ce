"""Activations and softmax against their formulas."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.errors import PackageError, UnsupportedModelError
from tests.translate.programs import Const, check_op

X = np.random.default_rng(5).normal(0, 3, (2, 3, 4, 5)).astype(np.float32)


def sigmoid(x: NDArray) -> NDArray:
    return 1 / (1 + np.exp(-x))


GELUS = {
    "EXACT": lambda x: x / 2 * (1 + np.vectorize(math.erf)(x / np.sqrt(2))),
    "TANH_APPROXIMATION": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "SIGMOID_APPROXIMATION": lambda x: x * sigmoid(1.702 * x),
}


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("relu", lambda x: np.maximum(x, 0)),
        ("leaky_relu", lambda x: np.where(x > 0, x, x * 0.01)),
        ("sigmoid", sigmoid),
        ("silu", lambda x: x * sigmoid(x)),
    ],
)
def test_plain(kind: str, statement: Callable[[NDArray], NDArray]) -> None:
    check_op(kind, statement(X).astype(np.float32), x=X)


def test_leaky_relu_slope() -> None:
    check_op("leaky_relu", np.where(X > 0, X, X / 4), x=X, alpha=Const(np.float16(0.25)))


@pytest.mark.parametrize("mode", GELUS)
def test_gelu(mode: str) -> None:
    check_op("gelu", GELUS[mode](X.astype(np.float64)).astype(np.float32), x=X, mode=mode)


def test_gelu_is_exact_by_default_and_refuses_other_modes() -> None:
    check_op("gelu", GELUS["EXACT"](X.astype(np.float64)).astype(np.float32), x=X)
    with pytest.raises(UnsupportedModelError, match="QUICK"):
        check_op("gelu", X, x=X, mode="QUICK")


@pytest.mark.parametrize("axis", [0, 1, 3, -1, -3])
@pytest.mark.parametrize("offset", [0, 1e4])
def test_softmax(axis: int, offset: float) -> None:
    powers = np.exp(X.astype(np.float64) - X.max())
    expected = powers / powers.sum(axis, keepdims=True)
    if offset:  # large scores must not overflow
        shifted = (X + np.float32(offset)).astype(np.float64)
        powers = np.exp(shifted - shifted.max())
        expected = powers / powers.sum(axis, keepdims=True)
    check_op("softmax", expected.astype(np.float32), x=X + np.float32(offset), axis=axis)


def test_softmax_takes_the_last_axis_by_default() -> None:
    powers = np.exp(X.astype(np.float64))
    check_op("softmax", (powers / powers.sum(-1, keepdims=True)).astype(np.float32), x=X)


@pytest.mark.parametrize(("x", "axis"), [(X, 4), (X, -5), (np.float32(1), 0)])
def test_softmax_over_an_axis_out_of_range_is_refused(x: NDArray, axis: int) -> None:
    with pytest.raises(PackageError, match=f"softmax op_0: axis names the axis {axis}"):
        check_op("softmax", x, x=np.asarray(x), axis=axis)


def test_softmax_of_masked_scores_is_finite() -> None:
    scores = np.array([[0.0, -65504.0, -np.inf], [1.0, 1.0, -np.inf]], np.float32)
    check_op("softmax", np.array([[1, 0, 0], [0.5, 0.5, 0]], np.float32), x=scores)
