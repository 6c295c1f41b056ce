"""Medians, quartiles and intervals: against the standard library, against simulation, and by their properties."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from bksdm_demo.intervals import FEWEST, median_estimate, ratio_estimate, spread

EXPERIMENTS = 400
LOWEST_COVERAGE, HIGHEST_COVERAGE = 0.90, 0.98  # of a 95 % interval


@pytest.mark.parametrize("count", [2, 3, 4, 10, 31])
def test_quartiles_are_those_of_the_standard_library(count: int) -> None:
    samples = np.random.default_rng(count).lognormal(size=count).tolist()
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    found = spread(samples)
    assert (found.low, found.median, found.high) == pytest.approx((low, median, high))
    assert found.count == count


def test_one_sample_is_its_own_median() -> None:
    assert (spread([2.5]).low, spread([2.5]).median, spread([2.5]).high) == (2.5, 2.5, 2.5)


@pytest.mark.parametrize("samples", [[], [1.0, float("nan")], [float("inf")]])
def test_what_is_no_sample_is_refused(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="amples"):
        spread(samples)
    with pytest.raises(ValueError, match="amples"):
        median_estimate(samples)


def test_few_samples_have_no_interval() -> None:
    for count in range(1, FEWEST):
        few = median_estimate([1.0, 2.0, 3.0, 4.0][:count])
        assert (few.low, few.high, few.count) == (None, None, count)
    enough = median_estimate([1.0, 2.0, 3.0, 4.0, 5.0])
    assert enough.low is not None
    assert enough.high is not None
    assert 1.0 <= enough.low < enough.value < enough.high <= 5.0


@pytest.mark.parametrize("count", [5, 10, 16])
@pytest.mark.parametrize("shared", [0.0, 0.1])  # how much all times of a round differ from those of another
def test_a_ratio_lies_in_its_interval_as_often_as_promised(count: int, shared: float) -> None:
    numbers, hits = np.random.default_rng(count), 0
    for _ in range(EXPERIMENTS):
        machine = numbers.normal(0, shared, count)
        reference, own = np.exp(machine + numbers.normal(0, 0.05, (2, count)))
        found = ratio_estimate((1.5 * reference).tolist(), own.tolist())
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 1.5 <= found.high
    assert LOWEST_COVERAGE <= hits / EXPERIMENTS <= HIGHEST_COVERAGE


def test_a_slow_hour_moves_no_ratio() -> None:
    reference, own = [2.0, 2.2, 2.1, 1.9, 2.0, 2.1], [1.0, 1.1, 1.05, 1.0, 0.9, 1.0]
    slow = [1, 1, 1, 3, 3, 3]
    slower = ratio_estimate(*([time * by for time, by in zip(times, slow, strict=True)] for times in (reference, own)))
    calm = ratio_estimate(reference, own)
    assert (slower.value, slower.low, slower.high) == pytest.approx((calm.value, calm.low, calm.high))


def test_equal_times_give_the_same_interval_again() -> None:
    times = np.random.default_rng(3).lognormal(size=12).tolist()
    assert median_estimate(times) == median_estimate(times)


def test_thousands_of_samples_are_resampled_in_bounded_memory() -> None:
    times = np.random.default_rng(4).normal(10, 1, 10_001)
    found = median_estimate(times.tolist())
    assert found.low is not None
    assert found.high is not None
    # The standard error of a normal median is 1.2533 / sqrt(n).
    assert found.high - found.low == pytest.approx(2 * 1.96 * 1.2533 / 100, rel=0.25)


@pytest.mark.parametrize(("reference", "own"), [([1.0], [1.0, 2.0]), ([], []), ([0.0], [1.0]), ([1.0], [-1.0])])
def test_times_that_give_no_ratio_are_refused(reference: list[float], own: list[float]) -> None:
    with pytest.raises(ValueError, match=r"rounds|samples|above 0"):
        ratio_estimate(reference, own)
