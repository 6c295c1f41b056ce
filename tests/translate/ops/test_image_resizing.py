"""Upsampling against repeated pixels."""

from __future__ import annotations

import numpy as np
import pytest

from tests.translate.programs import Const, check_op

X = np.random.default_rng(10).normal(size=(2, 3, 4, 5)).astype(np.float32)


@pytest.mark.parametrize("kind", [np.int32, np.float32])
@pytest.mark.parametrize(("height", "width"), [(2, 2), (1, 3), (4, 1)])
def test_upsample_nearest_neighbor(kind: type[np.number], height: int, width: int) -> None:
    expected = X.repeat(height, 2).repeat(width, 3)
    factors = {"scale_factor_height": Const(kind(height)), "scale_factor_width": Const(kind(width))}
    check_op("upsample_nearest_neighbor", expected, x=X, **factors)


def test_factors_default_to_one_and_rank_three_works() -> None:
    check_op("upsample_nearest_neighbor", X, x=X)
    check_op("upsample_nearest_neighbor", X[0].repeat(2, 2), x=X[0], scale_factor_width=2)
