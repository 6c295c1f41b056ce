"""Says how sure a measured number is: median and quartiles, and a 95 % interval of a median or of a ratio of times.

The interval is the percentile bootstrap (Efron, 1979): the middle 95 % of the medians of RESAMPLES samples, drawn from
the measured ones with replacement. The random numbers have a fixed seed, so the same times give the same interval.

A ratio is taken inside each round, and then the median over the rounds. Both sides of a round saw the machine in the
same state, so a slow hour moves neither the ratio nor its interval. A ratio of two medians has no such protection: with
rounds that differ by 10 % its interval is half as wide again.

Fewer than FEWEST rounds get no interval. Even from the lowest to the highest of n values, the range misses the true
median in 2 of 2**n cases: 25 % for 3, 12 % for 4, 6 % for 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
FEWEST = 5  # samples that get an interval
RESAMPLES = 2000
SEED = 20_260_101
AT_ONCE = 4_000_000  # numbers in memory while resampling


@dataclass(frozen=True)
class Spread:
    """Median, lower and upper quartile (inclusive method) of `count` samples; with one sample all three are it."""

    median: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Estimate:
    """A median of `count` samples with its 95 % interval; `low` and `high` are None below FEWEST samples."""

    value: float
    low: float | None
    high: float | None
    count: int


def spread(samples: Sequence[float]) -> Spread:
    """Return median and quartiles. Raises ValueError without samples or for one that is no number."""
    low, median, high = np.quantile(_checked(samples), (0.25, 0.5, 0.75))
    return Spread(float(median), float(low), float(high), len(samples))


def median_estimate(samples: Sequence[float]) -> Estimate:
    """Return the median and its interval. Raises ValueError as `spread` does."""
    values = _checked(samples)
    median = float(np.median(values))
    if len(values) < FEWEST:
        return Estimate(median, None, None, len(values))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(_resampled_medians(values), (tail, 1 - tail))
    return Estimate(median, float(low), float(high), len(values))


def ratio_estimate(reference: Sequence[float], own: Sequence[float]) -> Estimate:
    """Return how many times as fast `own` is as `reference`, both in seconds, one of each per round.

    Raises ValueError for series of different lengths, without rounds, and for a time that is not above 0.
    """
    if len(reference) != len(own):
        raise ValueError(f"{len(reference)} and {len(own)} times are not of the same rounds.")
    above, below = _checked(reference), _checked(own)
    if min(above.min(), below.min()) <= 0:
        raise ValueError("A time must be above 0 seconds.")
    return median_estimate((above / below).tolist())


def _checked(samples: Sequence[float]) -> NDArray[np.float64]:
    values = np.asarray(samples, dtype=np.float64)
    if not len(values):
        raise ValueError("No samples to summarise.")
    if not np.isfinite(values).all():
        raise ValueError(f"Samples must be finite numbers, not {list(samples)}.")
    return values


def _resampled_medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the medians of RESAMPLES samples with replacement, [RESAMPLES]."""
    numbers = np.random.default_rng(SEED)
    rows = max(1, min(RESAMPLES, AT_ONCE // len(values)))
    medians = [
        np.median(values[numbers.integers(0, len(values), (min(rows, RESAMPLES - start), len(values)))], axis=1)
        for start in range(0, RESAMPLES, rows)
    ]
    return np.concatenate(medians)
