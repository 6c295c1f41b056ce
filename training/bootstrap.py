"""The evaluator's statistics: percentile bootstrap over pairs, paired between systems, and Wilson's interval.

All systems draw the same pairs, so every resample takes the same pairs for all of them. The effect of hard pairs on a
ratio or an order cancels out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A value with the bounds of its 95 % interval; NaN where it has no meaning."""

    value: float
    low: float
    high: float

    def text(self, digits: int = 2, factor: float = 1.0) -> str:
        """ "0.91 (0.85 to 0.96)", or "-" without a value."""
        if math.isnan(self.value):
            return "-"
        return f"{factor * self.value:.{digits}f} ({factor * self.low:.{digits}f} to {factor * self.high:.{digits}f})"

    def as_json(self) -> dict[str, float | None]:
        return {name: None if math.isnan(value) else round(value, 6) for name, value in asdict(self).items()}


def resamples(count: int, draws: int = DRAWS, seed: int = 0) -> NDArray[np.int64]:
    """Indexes of `count` pairs, drawn with replacement, [draws, count]. Equal arguments give equal draws."""
    return np.random.default_rng(seed).integers(0, count, size=(draws, count))


def _bounds(values: NDArray[np.float64]) -> tuple[float, float]:
    """The percentile interval of the resampled values that are numbers."""
    known = values[np.isfinite(values)]
    if not len(known):
        return math.nan, math.nan
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)


def mean_interval(values: NDArray, draws: int = DRAWS, seed: int = 0) -> Interval:
    """The mean of one value per pair. Leaves out pairs without a value (NaN)."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return Interval(math.nan, math.nan, math.nan)
    low, high = _bounds(known[resamples(len(known), draws, seed)].mean(axis=1))
    return Interval(float(known.mean()), low, high)


def ratio_interval(values: NDArray, reference: NDArray, draws: int = DRAWS, seed: int = 0) -> Interval:
    """The ratio of two means over the same pairs. Leaves out resamples whose reference is all zero."""
    above, below = np.asarray(values, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if above.shape != below.shape or above.ndim != 1:
        raise ValueError(f"a ratio needs one value a pair for both; got {above.shape} and {below.shape}")
    if not below.sum():
        return Interval(math.nan, math.nan, math.nan)
    places = resamples(len(above), draws, seed)
    sums = below[places].sum(axis=1)
    ratios = np.divide(above[places].sum(axis=1), sums, out=np.full(len(places), np.nan), where=sums != 0)
    return Interval(float(above.sum() / below.sum()), *_bounds(ratios))


@dataclass(frozen=True)
class Neighbours:
    """Two neighbours in a ranking: the shares of resamples in which each is ahead, or neither."""

    better: str
    worse: str
    holds: float
    equal: float
    turned: float


@dataclass(frozen=True)
class Ranking:
    """Systems by their mean, best first. `share` is the share of resamples in which none overtakes another."""

    names: tuple[str, ...]
    equal: tuple[bool, ...]  # whether a system's mean equals the next one's
    share: float
    neighbours: tuple[Neighbours, ...]

    def text(self) -> str:
        """ "a > b = c"."""
        marks = [" = " if equal else " > " for equal in self.equal]
        return "".join(name + mark for name, mark in zip(self.names, [*marks, ""], strict=True))


def ranking_of(values: Mapping[str, NDArray], draws: int = DRAWS, seed: int = 0) -> Ranking:
    """The ranking by the means of systems with a value for each of the same pairs. Equal ones keep their order."""
    lengths = {len(column) for column in values.values()}
    if len(lengths) != 1:
        raise ValueError(f"a ranking needs one value a pair for every system; got {sorted(lengths)} values")
    places = resamples(lengths.pop(), draws, seed)
    names = sorted(values, key=lambda name: -float(np.mean(values[name])))
    means = np.stack([np.asarray(values[name], dtype=np.float64)[places].mean(axis=1) for name in names])
    gaps = np.round(means[:-1] - means[1:], 12)  # [systems - 1, draws]
    observed = [round(float(np.mean(values[a]) - np.mean(values[b])), 12) for a, b in pairwise(names)]
    neighbours = tuple(
        Neighbours(a, b, float((gap > 0).mean()), float((gap == 0).mean()), float((gap < 0).mean()))
        for (a, b), gap in zip(pairwise(names), gaps, strict=True)
    )
    share = float((gaps >= 0).all(axis=0).mean())
    return Ranking(tuple(names), tuple(gap == 0 for gap in observed), share, neighbours)


def wilson(hits: int, count: int) -> Interval:
    """A share with Wilson's score interval, which also holds if all or none hit."""
    if not count:
        return Interval(math.nan, math.nan, math.nan)
    z = 1.959963984540054  # the normal distribution's 97.5 % point
    share = hits / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def median(values: Sequence[float]) -> float:
    """The median; NaN without values."""
    return float(np.median(values)) if len(values) else math.nan
