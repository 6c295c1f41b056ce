"""Decides which votes count, and how much: whoever looks at one side only is left out, and nobody counts for many.

Three rules, applied anew to all votes for every ranking:

- A visitor whose decisions favour one side, left or right, is left out if an exact binomial test says so with more than
  99 % confidence. Sides are drawn at random, so this favours no model; of honest visitors it takes one in a hundred.
- The votes of one group (`Vote.group`) together count at most twice as much as those of the median group.
- If the operator asks for it, only votes of visitors who signed in count.

Left out: a test of whether a visitor agrees with the others. It would also remove honest people of another taste.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

from bksdm_demo.evaluation.votes import Choice, Vote

CONFIDENCE = 0.99  # of the test of one side
EXACT = 1_000  # decisions; above, the normal distribution is as good
MEDIANS = 2.0  # how many times the votes of the median group count
SMALLEST_CAP = 10.0  # votes of a group that always count in full
ONE_SIDE, NOT_SIGNED_IN = "one side only", "not signed in"


@dataclass(frozen=True)
class Counted:
    """The votes that count, with the weight of each in (0, 1], and how many others there are by the reason."""

    votes: tuple[Vote, ...]
    weights: tuple[float, ...]
    left_out: tuple[tuple[str, int], ...] = ()


def counted(votes: Sequence[Vote], signed_in_only: bool = False) -> Counted:
    """Return the votes that count, in their order."""
    biased = one_sided(votes)
    reasons = [_reason(vote, biased, signed_in_only) for vote in votes]
    kept = tuple(vote for vote, reason in zip(votes, reasons, strict=True) if not reason)
    sizes = Counter(vote.group for vote in kept)
    most = max(SMALLEST_CAP, MEDIANS * median(sizes.values())) if sizes else 0.0
    weights = tuple(min(1.0, most / sizes[vote.group]) for vote in kept)
    return Counted(kept, weights, tuple(sorted(Counter(filter(None, reasons)).items())))


def one_sided(votes: Sequence[Vote]) -> frozenset[str]:
    """Return the visitors who favour one side with more than the confidence."""
    lefts = Counter(vote.visitor for vote in votes if vote.choice is Choice.LEFT)
    rights = Counter(vote.visitor for vote in votes if vote.choice is Choice.RIGHT)
    return frozenset(
        visitor
        for visitor in lefts.keys() | rights.keys()
        if chance_of_sides(lefts[visitor], rights[visitor]) < 1 - CONFIDENCE
    )


def chance_of_sides(left: int, right: int) -> float:
    """Return how probable such a division, or one less even, is for sides at random: a two-sided binomial test."""
    count, fewer = left + right, min(left, right)
    if count > EXACT:
        return min(1.0, 2 * NormalDist(count / 2, math.sqrt(count) / 2).cdf(fewer + 0.5))
    return min(1.0, 2 * sum(math.comb(count, number) for number in range(fewer + 1)) / 2**count)


def _reason(vote: Vote, biased: frozenset[str], signed_in_only: bool) -> str:
    if signed_in_only and not vote.signed_in:
        return NOT_SIGNED_IN
    return ONE_SIDE if vote.visitor in biased else ""
