"""Ranks models by their votes: Bradley-Terry scores with bootstrap intervals, places, wins, and how firm the first is.

The model (Bradley and Terry 1952): P(i beats j) = s_i / (s_i + s_j). evalica finds the strengths s of the greatest
likelihood. A tie counts as half a win for each side. "Both bad" says nothing about which picture is better, so it is
counted apart. Every two models start with one tie, so that no strength is infinite (Haldane and Anscombe's correction).
A score is 1000 + 400 log10(s), where the models shown have the geometric mean 1: 400 points more win 10 of 11 votes.

The bootstrap draws visitors, since one person's votes resemble each other. With few visitors it draws votes instead,
and the intervals then speak of these visitors only (`Ranking.drawn`). An interval is the score plus and minus Student's
quantile times the standard deviation of the resamples: with 30 visitors, the resamples' own quantiles are too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np
from evalica import Winner, bradley_terry
from numpy.typing import NDArray

from bksdm_demo.evaluation.trust import Counted
from bksdm_demo.evaluation.votes import Choice

CENTRE, SCALE = 1000.0, 400.0  # points
SHOWN_FROM, SETTLED_FROM = 100, 300  # votes of a model
PRIOR_TIES = 1.0  # of every two models
CONFIDENCE = 0.95
NORMAL = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
RESAMPLES = 500
FEWEST_VISITORS = 20.0  # in effect; of fewer, the intervals would be too narrow for people in general
BOOTSTRAP_SEED = 20_261_128  # the same votes give the same figures
TOLERANCE, ITERATIONS = 1e-8, 10_000
VISITORS, VOTES = "visitors", "votes"
OUTCOMES = (Winner.X, Winner.Y, Winner.Draw)  # of a pair: the columns of Tally.counts
SHARES = np.array([1.0, 0.0, 0.5])  # what the first of a pair gets of each outcome


@dataclass(frozen=True)
class Tally:
    """Weighted votes by pair and outcome: `counts` is [pairs, 3], for the pairs (i, j) with i < j in order."""

    models: tuple[str, ...]
    counts: NDArray

    @property
    def pairs(self) -> NDArray:
        """The indexes of the two models of each pair, [pairs, 2]."""
        return np.array(list(combinations(range(len(self.models)), 2)), dtype=int).reshape(-1, 2)

    def votes(self) -> NDArray:
        """How many votes each model has, [models]."""
        return self._by_model(self.counts.sum(axis=1))

    def _by_model(self, by_pair: NDArray) -> NDArray:
        total = np.zeros(len(self.models))
        for side in (0, 1):
            np.add.at(total, self.pairs[:, side], by_pair)
        return total


@dataclass(frozen=True)
class Standing:
    """One model. `score` and its interval are in points, None while it has fewer votes than SHOWN_FROM.

    `votes` are those that the ranking uses, by weight, and `bad` the share of "both bad" among all its votes. `best`
    and `worst` bound its place: another model is surely before it if the 95 % interval of their difference says so.
    """

    model: str
    votes: int
    bad: float
    score: float | None = None
    low: float | None = None
    high: float | None = None
    best: int = 0
    worst: int = 0

    @property
    def shown(self) -> bool:
        return self.score is not None

    @property
    def preliminary(self) -> bool:
        return self.shown and self.votes < SETTLED_FROM


@dataclass(frozen=True)
class Duel:
    """The votes on pictures of two models, by weight: wins of the first, wins of the second, ties, both bad."""

    first: float = 0.0
    second: float = 0.0
    ties: float = 0.0
    bad: float = 0.0

    @property
    def votes(self) -> float:
        """The votes that say something about the order."""
        return self.first + self.second + self.ties

    @property
    def share(self) -> float | None:
        """What the first won, ties half, in [0, 1]; None without a vote."""
        return (self.first + self.ties / 2) / self.votes if self.votes else None

    def turned(self) -> Duel:
        """Return the same from the other's side."""
        return Duel(self.second, self.first, self.ties, self.bad)


@dataclass(frozen=True)
class Ranking:
    """All models, those with scores first and best first; the duels; and what the numbers rest on.

    `drawn` says what the bootstrap drew, VISITORS or VOTES. `to_flip` is how few votes must be missing for the first
    two models to change places, None without two shown models. `cast` counts all votes, `left_out` those that do not
    count, by reason.
    """

    standings: tuple[Standing, ...]
    duels: dict[tuple[str, str], Duel]
    drawn: str
    to_flip: int | None
    visitors: int
    cast: int
    left_out: tuple[tuple[str, int], ...] = ()

    def duel(self, first: str, second: str) -> Duel:
        found = self.duels.get((first, second))
        return found if found is not None else self.duels.get((second, first), Duel()).turned()


def rank(votes: Counted, models: Sequence[str] = ()) -> Ranking:
    """Rank the models that have votes; `models` are listed in any case."""
    voted = sorted({name for vote in votes.votes for name in (vote.left, vote.right)})
    per_visitor, bad = _tables(votes, voted)
    tally = Tally(tuple(voted), per_visitor.sum(axis=0))
    sizes = tally.votes()
    shown = np.flatnonzero(sizes >= SHOWN_FROM)
    numbers: dict[str, tuple[float, float, float, int, int]] = {}
    to_flip, drawn = None, VOTES
    if len(shown) >= 2:
        resamples = _resamples(per_visitor)
        drawn = resamples.drawn
        numbers = _numbers(tally, resamples, shown)
        to_flip = votes_to_flip(tally, shown)
    bad_sizes = tally._by_model(bad)
    standings = [
        Standing(name, int(sizes[i]), _share(bad_sizes[i], sizes[i]), *numbers.get(name, ()))
        for i, name in enumerate(voted)
    ]
    standings += [Standing(name, 0, 0.0) for name in models if name not in voted]
    standings.sort(key=lambda standing: (-(standing.score or -math.inf), -standing.votes, standing.model))
    duels = {
        (voted[i], voted[j]): Duel(row[0], row[1], row[2], lost)
        for (i, j), row, lost in zip(tally.pairs, tally.counts.tolist(), bad.tolist(), strict=True)
    }
    cast = len(votes.votes) + sum(count for _, count in votes.left_out)
    return Ranking(tuple(standings), duels, drawn, to_flip, len(per_visitor), cast, votes.left_out)


def log_strengths(tally: Tally) -> NDArray:
    """Return the natural logarithm of each model's strength, [models]; their mean is 0."""
    count = len(tally.models)
    prior = np.zeros_like(tally.counts)
    prior[:, 2] = PRIOR_TIES
    fitted = bradley_terry(
        xs=np.repeat(tally.pairs[:, 0], 3).tolist(),
        ys=np.repeat(tally.pairs[:, 1], 3).tolist(),
        winners=list(OUTCOMES) * len(tally.pairs),
        weights=(tally.counts + prior).ravel().tolist(),
        tie_weight=0.5,
        tolerance=TOLERANCE,
        limit=ITERATIONS,
    )
    return np.log(fitted.scores.reindex(range(count)).to_numpy())


def points(logs: NDArray, shown: NDArray) -> NDArray:
    """Return the scores, [..., models], of log strengths in which the models `shown` have the mean CENTRE."""
    centred = logs - logs[..., shown].mean(axis=-1, keepdims=True)
    return CENTRE + SCALE * centred / math.log(10)


def votes_to_flip(tally: Tally, shown: NDArray) -> int:
    """Return how few votes must be missing for the second model to pass the first, of those `shown`.

    The votes whose loss moves the two most are taken first, by the derivative of the likelihood's maximum, with a new
    fit after each batch. Fewer may do in rare cases, so the page says "about". The tie that every pair starts with
    stays.
    """
    logs = log_strengths(tally)
    first, second = shown[np.argsort(-logs[shown], kind="stable")[:2]]
    counts, missing = tally.counts.copy(), 0.0
    while (gap := logs[first] - logs[second]) > 0:
        influence = np.where(counts > 0, _influence(Tally(tally.models, counts), logs, first, second), -np.inf)
        place = np.unravel_index(np.argmax(influence), influence.shape)
        if influence[place] <= 0:
            break
        taken = min(counts[place], max(1.0, math.floor(gap / influence[place] / 2)))
        counts[place] -= taken
        missing += taken
        logs = log_strengths(Tally(tally.models, counts))
    return math.ceil(missing - 1e-9)


def _influence(tally: Tally, logs: NDArray, first: int, second: int) -> NDArray:
    """Return the derivative of log s_first - log s_second with respect to each count, [pairs, 3]."""
    one, other = tally.pairs.T
    wins = 1 / (1 + np.exp(logs[other] - logs[one]))  # probability that the first of the pair wins
    count = len(tally.models)
    information = np.zeros((count, count))
    weight = (tally.counts.sum(axis=1) + PRIOR_TIES) * wins * (1 - wins)
    for i, j, value in zip(one, other, weight, strict=True):
        information[[i, j], [i, j]] += value
        information[[i, j], [j, i]] -= value
    wanted = np.zeros(count)
    wanted[first], wanted[second] = 1.0, -1.0
    moved = np.linalg.pinv(information, hermitian=True) @ wanted
    return (SHARES[None] - wins[:, None]) * (moved[one] - moved[other])[:, None]


def _tables(votes: Counted, models: Sequence[str]) -> tuple[NDArray, NDArray]:
    """Return the weights by visitor, pair and outcome, [visitors, pairs, 3], and of "both bad" by pair, [pairs]."""
    place = {pair: number for number, pair in enumerate(combinations(models, 2))}
    visitors = {name: number for number, name in enumerate(dict.fromkeys(vote.visitor for vote in votes.votes))}
    table, bad = np.zeros((len(visitors), len(place), 3)), np.zeros(len(place))
    for vote, weight in zip(votes.votes, votes.weights, strict=True):
        pair = (min(vote.left, vote.right), max(vote.left, vote.right))
        if vote.choice is Choice.BOTH_BAD:
            bad[place[pair]] += weight
        else:
            outcome = 2 if vote.choice is Choice.TIE else int(vote.winner != pair[0])
            table[visitors[vote.visitor], place[pair], outcome] += weight
    return table, bad


@dataclass(frozen=True)
class _Resamples:
    """Resampled counts, [resamples, pairs, 3], what was drawn, and how many deviations an interval reaches."""

    counts: NDArray
    drawn: str
    reach: float


def _resamples(per_visitor: NDArray) -> _Resamples:
    random = np.random.default_rng(BOOTSTRAP_SEED)
    sizes = per_visitor.sum(axis=(1, 2))
    effective = sizes.sum() ** 2 / (sizes**2).sum()  # Kish's number of visitors who vote equally often
    if effective >= FEWEST_VISITORS:
        visitors = len(per_visitor)
        drawn = random.multinomial(visitors, np.full(visitors, 1 / visitors), RESAMPLES)
        reach = student(effective - 1) * math.sqrt(effective / (effective - 1))
        return _Resamples(np.tensordot(drawn, per_visitor, axes=1), VISITORS, reach)
    counts = per_visitor.sum(axis=0)
    total = counts.sum()
    drawn = random.multinomial(round(total), counts.ravel() / total, RESAMPLES)
    return _Resamples(drawn.reshape(RESAMPLES, *counts.shape) * (total / round(total)), VOTES, NORMAL)


def student(freedom: float) -> float:
    """Return the quantile of Student's distribution for the confidence: Abramowitz and Stegun 26.7.5."""
    z = NORMAL
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


def _numbers(tally: Tally, resamples: _Resamples, shown: NDArray) -> dict[str, tuple[float, float, float, int, int]]:
    """Return score, low, high, best and worst place of the models `shown`, by model."""
    scores = points(log_strengths(tally), shown)
    drawn = points(np.array([log_strengths(Tally(tally.models, counts)) for counts in resamples.counts]), shown)
    reach = resamples.reach * drawn.std(axis=0, ddof=1)
    ahead = scores[shown][:, None] - scores[shown][None]  # [i, j]: by how much i is before j
    apart = (drawn[:, shown, None] - drawn[:, None, shown]).std(axis=0, ddof=1)
    before = ahead > resamples.reach * apart
    return {
        tally.models[i]: (
            float(scores[i]),
            float(scores[i] - reach[i]),
            float(scores[i] + reach[i]),
            1 + int(before[:, place].sum()),
            len(shown) - int(before[place].sum()),
        )
        for place, i in enumerate(shown)
    }


def _share(part: float, rest: float) -> float:
    return float(part / (part + rest)) if part else 0.0
