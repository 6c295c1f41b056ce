"""Rounding to 8 bits: against exhaustive search and numpy's statement of the arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from bksdm_demo.engines.quantization import scales
from bksdm_demo.engines.quantization.scales import Rounding, affine, choose_rounding, round_weights

GENERATOR = np.random.default_rng(7)


def noise(values: np.ndarray, weights: np.ndarray, rounding: Rounding) -> float:
    """Signal to noise in dB: rounded values [n, C] times rounded weights [O, C], against unrounded ones."""
    whole, scales = round_weights(weights * rounding.spread, rounding.power)
    equalised = (rounding.rounded(values) - rounding.centre) / rounding.spread
    made = equalised @ (whole * scales[:, None]).T + weights @ rounding.centre
    truth = values @ weights.T
    return float(10 * np.log10(np.mean(truth**2) / np.mean((made - truth) ** 2)))


@pytest.mark.parametrize("ends", [(-3.0, 5.0), (0.1, 2.0), (-4.0, -1.0), (0.0, 0.0), (-1e-9, 1e-9), (-0.28, 6.0)])
def test_zero_is_exact_and_both_ends_nearly(ends: tuple[float, ...]) -> None:
    scale, zero_point = affine(*ends)
    rounding = Rounding(scale, zero_point, np.ones(1, np.float32), np.zeros(1, np.float32), np.ones(1, np.float32))
    assert 0 <= zero_point <= 255
    assert rounding.rounded(np.zeros((1, 1), np.float32)).item() == 0
    for end in ends:
        assert abs(rounding.rounded(np.full((1, 1), end, np.float32)).item() - end) <= 1.01 * scale


def test_values_come_back_within_half_a_level() -> None:
    samples = GENERATOR.normal(size=(400, 6)).astype(np.float32)
    rounding = choose_rounding(samples, [GENERATOR.normal(size=(8, 6)).astype(np.float32)], pointwise=True)
    inside = np.abs((samples - rounding.centre) / rounding.spread) < min(-rounding.low, rounding.high)
    error = np.abs(rounding.rounded(samples) - samples) / (rounding.spread * rounding.scale)
    assert inside.mean() > 0.9
    assert error[inside].max() <= 0.5 + 1e-3


def test_a_large_channel_costs_the_others_nothing() -> None:
    """One channel 100 times the size of the others: a single scale for all is what equalising saves one from."""
    size = np.where(np.arange(32) == 5, 100, 1)
    values = (GENERATOR.normal(size=(2000, 32)) * size).astype(np.float32)
    weights = (GENERATOR.normal(size=(16, 32)) / size).astype(np.float32)
    plain = Rounding(*affine(values.min(), values.max()), *np.ones((3, 32), np.float32) * [[1], [0], [1]])
    chosen = choose_rounding(values, [weights], pointwise=True)
    assert noise(values, weights, plain) < 20
    assert noise(values, weights, chosen) > 36  # two independent errors of normal values at 8 bits


def test_centring_helps_values_far_from_zero() -> None:
    middle = np.linspace(-50, 50, 16)
    values = (GENERATOR.normal(size=(1000, 16)) + middle).astype(np.float32)
    weights = GENERATOR.normal(size=(8, 16)).astype(np.float32)
    centred = choose_rounding(values, [weights], pointwise=True)
    assert np.abs(centred.centre - middle).max() < 0.5
    assert not choose_rounding(values, [weights], pointwise=False).centre.any()


def test_weights_are_clipped_only_where_that_helps() -> None:
    even = np.linspace(-1, 1, 255, dtype=np.float32)[None]
    whole, scales = round_weights(even, np.ones(255, np.float32))
    assert scales.item() == pytest.approx(1 / 127)
    np.testing.assert_array_equal(whole[0], np.arange(-127, 128))
    tailed = np.concatenate([GENERATOR.normal(size=4000), [6.0]]).astype(np.float32)[None]
    assert round_weights(tailed, np.ones(4001, np.float32))[1].item() < 6 / 127
    heavy = np.where(np.arange(4001) == 4000, 1e6, 1).astype(np.float32)  # the outlier's input is what matters
    assert round_weights(tailed, heavy)[1].item() == pytest.approx(6 / 127)


def test_the_choice_is_among_the_best_of_all_exponents() -> None:
    """The model of independent errors must pick what measuring the output picks, within half a dB."""
    size = np.exp(GENERATOR.normal(size=48))
    values = (GENERATOR.standard_t(5, size=(3000, 48)) * size).astype(np.float32)
    weights = (GENERATOR.normal(size=(64, 48)) * np.exp(GENERATOR.normal(size=48)) / size).astype(np.float32)
    chosen = noise(values, weights, choose_rounding(values, [weights], pointwise=True))
    rivals = []
    for exponent in (0.0, 0.25, 0.5, 0.75, 1.0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scales, "EXPONENTS", (exponent,))
            rivals.append(noise(values, weights, choose_rounding(values, [weights], pointwise=True)))
    assert chosen >= max(rivals) - 0.5
    assert chosen > min(rivals) + 3


def test_a_channel_of_zeros_only() -> None:
    samples = np.zeros((64, 4), np.float32)
    samples[:, 1] = GENERATOR.normal(size=64)
    rounding = choose_rounding(samples, [np.ones((3, 4, 3, 3), np.float32)], pointwise=False)
    assert np.isfinite(rounding.spread).all()
    assert (rounding.spread > 0).all()
    assert np.isfinite(rounding.rounded(samples)).all()


def test_without_by_channel_all_channels_share_a_range() -> None:
    samples = (GENERATOR.normal(size=(200, 8)) * np.arange(1, 9) + 5).astype(np.float32)
    rounding = choose_rounding(samples, [np.ones((2, 8), np.float32)], pointwise=True, by_channel=False)
    assert not rounding.centre.any()
    assert (rounding.spread == 1).all()
