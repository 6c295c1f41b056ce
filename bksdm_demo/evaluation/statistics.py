"""The statistics of measured rounds: intervals (from intervals.py), and the drift of the machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.intervals import FEWEST, Estimate, Spread, median_estimate, ratio_estimate, spread

__all__ = [
    "FEWEST",
    "Drift",
    "Estimate",
    "Spread",
    "drift_of",
    "median_estimate",
    "ratio_estimate",
    "spread",
]

SHUFFLES = 2000
SEED = 20_260_102
SURE = 0.05  # a trend that at most this share of shuffled rounds shows as strongly is no chance


@dataclass(frozen=True)
class Drift:
    """How the machine's speed changed over the rounds.

    `change` is the median of the second half of the rounds against that of the first: 0.06 for 6 % slower. `trend` is
    Spearman's rank correlation of time and round, from -1 to 1. `chance` is the share of shuffled rounds with a trend
    at least as strong.
    """

    change: float
    trend: float
    chance: float

    @property
    def found(self) -> bool:
        return self.chance <= SURE


def drift_of(rounds: Sequence[Sequence[float]]) -> Drift | None:
    """Return the drift of a table of seconds [rounds, models]; None below FEWEST rounds.

    Each model's times count relative to its own median, so slow models weigh no more than fast ones.
    """
    if len(rounds) < FEWEST:
        return None
    seconds = np.asarray(rounds, dtype=np.float64)
    course = np.log(seconds / np.median(seconds, axis=0)).mean(axis=1)
    half = len(course) // 2
    change = float(np.exp(np.median(course[-half:]) - np.median(course[:half])) - 1)
    places = np.arange(len(course), dtype=np.float64)
    ranks = _ranks(course)
    trend = float(_correlations(ranks[np.newaxis], places)[0])
    shuffled = np.random.default_rng(SEED).permuted(np.tile(ranks, (SHUFFLES, 1)), axis=1)
    stronger = np.abs(_correlations(shuffled, places)) >= abs(trend) - 1e-12
    return Drift(change, trend, float((1 + stronger.sum()) / (1 + SHUFFLES)))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks from 0; equal values share the mean of theirs."""
    below = (values[np.newaxis] < values[:, np.newaxis]).sum(axis=1)
    same = (values[np.newaxis] == values[:, np.newaxis]).sum(axis=1)
    return below + (same - 1) / 2


def _correlations(rows: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's correlation of each row with `other`; 0 for rows of equal values."""
    rows, other = rows - rows.mean(axis=1, keepdims=True), other - other.mean()
    norms = np.sqrt((rows**2).sum(axis=1) * (other**2).sum())
    return np.divide(rows @ other, norms, out=np.zeros(len(rows)), where=norms > 0)
