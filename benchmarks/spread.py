"""Summarises samples: median and quartiles of one series, and the ratio of two series taken in turns.

A ratio is taken inside each round, where both sides saw the machine in the same state. If its speed drifts, both sides
of a round move alike. The result is the median of these ratios with their quartiles.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Median, lower and upper quartile (inclusive method) of `count` samples; with one sample all three are it."""

    median: float
    low: float
    high: float
    count: int


def spread(samples: Sequence[float]) -> Spread:
    """Raises ValueError without samples or for one that is no number."""
    if not samples:
        raise ValueError("No samples to summarise.")
    if not all(math.isfinite(sample) for sample in samples):
        raise ValueError(f"Samples must be finite numbers, not {list(samples)}.")
    if len(samples) == 1:
        return Spread(samples[0], samples[0], samples[0], 1)
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    return Spread(median, low, high, len(samples))


def ratios(own: Sequence[float], peer: Sequence[float]) -> list[float]:
    """Own divided by peer, round by round. Raises ValueError for series of different lengths."""
    if len(own) != len(peer):
        raise ValueError(f"{len(own)} and {len(peer)} samples are not of the same rounds.")
    return [mine / theirs for mine, theirs in zip(own, peer, strict=True)]
