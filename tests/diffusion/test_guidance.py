"""Classifier-free guidance: which half is which, and the scales 0 and 1."""

from __future__ import annotations

import numpy as np
import pytest

from bksdm_demo.diffusion.guidance import double, guide, stack_halves

NEGATIVE = np.array([[1.0, -2.0, 0.1]], dtype=np.float32)
POSITIVE = np.array([[4.0, 0.0, 0.3]], dtype=np.float32)
OUTPUT = stack_halves(NEGATIVE, POSITIVE)


def test_negative_half_comes_first() -> None:
    np.testing.assert_array_equal(OUTPUT[:1], NEGATIVE)
    np.testing.assert_array_equal(OUTPUT[1:], POSITIVE)


def test_double_repeats_the_sample() -> None:
    np.testing.assert_array_equal(double(POSITIVE), np.concatenate([POSITIVE, POSITIVE]))


def test_away_from_the_negative_prompt() -> None:
    np.testing.assert_allclose(guide(OUTPUT, 7.5), [[1 + 7.5 * 3, -2 + 7.5 * 2, 0.1 + 7.5 * 0.2]], rtol=1e-6)


@pytest.mark.parametrize(("scale", "half"), [(1, POSITIVE), (1.0, POSITIVE), (0, NEGATIVE), (0.0, NEGATIVE)])
def test_one_and_zero_are_exact(scale: float, half: np.ndarray) -> None:
    np.testing.assert_array_equal(guide(OUTPUT, scale), half)


@pytest.mark.parametrize("scale", [0.0, 1e-7, 0.5, 1 - 1e-7, 1.0, 1 + 1e-7])
def test_no_jump_between_them(scale: float) -> None:
    np.testing.assert_allclose(guide(OUTPUT, scale), NEGATIVE + scale * (POSITIVE - NEGATIVE), atol=1e-5)


def test_same_halves_make_the_scale_indifferent() -> None:
    same = double(POSITIVE)
    for scale in (0.0, 0.7, 1.0, 12.0):
        np.testing.assert_array_equal(guide(same, scale), POSITIVE)
