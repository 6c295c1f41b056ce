"""Normalisations against their formulas in float64."""

from __future__ import annotations

from typing import SupportsFloat

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.errors import UnsupportedModelError
from tests.translate.programs import Const, check_op

RANDOM = np.random.default_rng(4)
X = RANDOM.normal(1, 2, (2, 6, 3, 4)).astype(np.float32)
EPSILON = np.float16(1e-5)  # what files hold: 1.00136e-5


def normal(x: NDArray, axes: tuple[int, ...], epsilon: SupportsFloat) -> NDArray:
    x = x.astype(np.float64)
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + float(epsilon))


def half(*shape: int) -> NDArray:
    return RANDOM.normal(0, 1, shape).astype(np.float16)


def channels(array: NDArray, dims: int = 4) -> NDArray:
    return array.astype(np.float64).reshape((1, -1) + (1,) * (dims - 2))


@pytest.mark.parametrize("axes", [[1], [-1], [3], [2, 3], [-2, -1], [1, 2, 3]])
@pytest.mark.parametrize("affine", [(), ("gamma",), ("beta",), ("gamma", "beta")])
def test_layer_norm(axes: list[int], affine: tuple[str, ...]) -> None:
    positive = [axis % 4 for axis in axes]
    arrays = {key: half(*(X.shape[axis] for axis in positive)) for key in affine}
    spread = {key: array.reshape([size if axis in positive else 1 for axis, size in enumerate(X.shape)])
              for key, array in arrays.items()}  # fmt: skip
    expected = normal(X, tuple(positive), EPSILON) * spread.get("gamma", 1) + spread.get("beta", 0)
    constants = {key: Const(array) for key, array in arrays.items()}
    check_op("layer_norm", expected.astype(np.float32), x=X, axes=axes, epsilon=Const(EPSILON), **constants)


def test_layer_norm_epsilon_counts_inside_the_root() -> None:
    x = X * np.float32(1e-2)
    check_op("layer_norm", normal(x, (1,), 0.5).astype(np.float32), x=x, axes=[1], epsilon=Const(np.float16(0.5)))


def test_layer_norm_with_axes_out_of_order_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="ascending order"):
        check_op("layer_norm", X, x=X, axes=[3, 2])


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(2, 6, 3, 4), (2, 6, 5), (2, 6)])
def test_batch_norm(affine: bool, shape: tuple[int, ...]) -> None:
    x = RANDOM.normal(size=shape).astype(np.float32)
    mean, variance, gamma, beta = half(6), np.abs(half(6)), half(6), half(6)
    dims = len(shape)
    expected = (x - channels(mean, dims)) / np.sqrt(channels(variance, dims) + float(EPSILON))
    named = {}
    if affine:
        expected = expected * channels(gamma, dims) + channels(beta, dims)
        named = {"gamma": Const(gamma), "beta": Const(beta)}
    statistics = {"mean": Const(mean), "variance": Const(variance), "epsilon": Const(EPSILON)}
    check_op("batch_norm", expected.astype(np.float32), x=x, **statistics, **named)


@pytest.mark.parametrize("shape", [(2, 6, 3, 4), (2, 6, 7)])
def test_instance_norm(shape: tuple[int, ...]) -> None:
    x = RANDOM.normal(2, 3, shape).astype(np.float32)
    gamma, beta = half(6), half(6)
    expected = normal(x, tuple(range(2, len(shape))), EPSILON)
    expected = expected * channels(gamma, len(shape)) + channels(beta, len(shape))
    constants = {"gamma": Const(gamma), "beta": Const(beta), "epsilon": Const(EPSILON)}
    check_op("instance_norm", expected.astype(np.float32), x=x, **constants)
