"""Simulates visitors with known tastes who vote blindly: do the intervals hold, and does spam move a rank?

    python -m benchmarks.vote_simulation [--rounds N] [--seed N]

Visitors choose by Bradley and Terry's model, each with a taste of their own around the common strengths; some votes are
ties or "both bad". The truth is what the ranking would show if everybody on earth voted: the strengths fitted, by
Hunter's iteration (2004) and not by evalica, to the mean chances of all visitors. docs/evaluation.md has the figures.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.evaluation.ranking import CENTRE, SCALE, rank
from bksdm_demo.evaluation.trust import counted
from bksdm_demo.evaluation.votes import Choice, Vote

MODELS = ("alpha", "beta", "gamma", "delta")
STRENGTHS = np.array([0.55, 0.25, -0.15, -0.65])  # natural logarithms; the neighbours are 52 to 87 points apart
TIES, BOTH_BAD = 0.15, 0.05  # shares of all votes
CROWD = 20_000  # visitors that stand for everybody
PERIOD = 1.0  # seconds between two votes
PAIRS = tuple(combinations(range(len(MODELS)), 2))

Strategy = Callable[[np.random.Generator, str, str], Choice]


@dataclass(frozen=True)
class Scene:
    """How many visitors vote, how often in the mean, and how much their tastes differ (natural logarithms)."""

    name: str
    visitors: int
    votes: float
    taste: float = 0.0


SCENES = (
    Scene("100 visitors of one taste", 100, 15),
    Scene("100 visitors of different tastes", 100, 15, taste=0.7),
    Scene("30 visitors of different tastes", 30, 40, taste=0.7),
    Scene("4 visitors of one taste", 4, 200),
)


def simulate(scene: Scene, random: np.random.Generator) -> list[Vote]:
    """Return the votes of the scene's visitors. Each casts at least one, and some cast many more than others."""
    votes: list[Vote] = []
    for number in range(scene.visitors):
        tastes = STRENGTHS + random.normal(0, scene.taste, len(MODELS)) if scene.taste else STRENGTHS
        for _ in range(1 + random.poisson(random.gamma(4, (scene.votes - 1) / 4))):
            left, right = _sides(random)
            chance = 1 / (1 + np.exp(tastes[right] - tastes[left]))
            draw = random.random()
            if draw < BOTH_BAD:
                choice = Choice.BOTH_BAD
            elif draw < BOTH_BAD + TIES:
                choice = Choice.TIE
            else:
                choice = Choice.LEFT if random.random() < chance else Choice.RIGHT
            votes.append(vote(f"visitor {number}", len(votes), MODELS[left], MODELS[right], choice))
    return votes


def vote(visitor: str, number: int, left: str, right: str, choice: Choice) -> Vote:
    return Vote(visitor, visitor, False, PERIOD * number, PERIOD, f"pair {number}", "", left, right, choice)


def _sides(random: np.random.Generator) -> tuple[int, int]:
    one, other = PAIRS[random.integers(len(PAIRS))]
    return (one, other) if random.random() < 0.5 else (other, one)


def truth(scene: Scene, random: np.random.Generator) -> NDArray:
    """Return the scores that everybody's votes would give, [models]."""
    tastes = STRENGTHS + random.normal(0, scene.taste, (CROWD if scene.taste else 1, len(MODELS)))
    wins = (1 / (1 + np.exp(tastes[:, None, :] - tastes[:, :, None]))).mean(axis=0)  # [i, j]: i beats j
    halves = TIES / (1 - BOTH_BAD)
    shares = (1 - halves) * wins + halves / 2
    np.fill_diagonal(shares, 0)
    logs = np.log(hunter(shares))
    return CENTRE + SCALE * (logs - logs.mean()) / np.log(10)


def hunter(wins: NDArray, rounds: int = 10_000) -> NDArray:
    """Return the strengths of greatest likelihood for wins [i, j] of i over j: Hunter 2004, equation 3."""
    games, strengths = wins + wins.T, np.ones(len(wins))
    for _ in range(rounds):
        sums = games / (strengths[:, None] + strengths[None])
        before, strengths = strengths, wins.sum(axis=1) / sums.sum(axis=1)
        strengths = strengths / np.exp(np.log(strengths).mean())
        if np.abs(strengths - before).max() < 1e-12:
            break
    return strengths


@dataclass(frozen=True)
class Coverage:
    """How often the 95 % intervals held the truth, their mean width in points, and how often the places did."""

    share: float
    width: float
    places: float
    drawn: str


def coverage(scene: Scene, rounds: int, seed: int) -> Coverage:
    """Simulate the scene `rounds` times."""
    random = np.random.default_rng(seed)
    true = dict(zip(MODELS, truth(scene, random), strict=True))
    held, widths, placed, drawn = [], [], [], ""
    for _ in range(rounds):
        ranking = rank(counted(simulate(scene, random)))
        drawn = ranking.drawn
        for standing in ranking.standings:
            if standing.low is None or standing.high is None:
                continue
            held.append(standing.low <= true[standing.model] <= standing.high)
            widths.append(standing.high - standing.low)
            placed.append(standing.best <= 1 + MODELS.index(standing.model) <= standing.worst)
    return Coverage(float(np.mean(held)), float(np.mean(widths)), float(np.mean(placed)), drawn)


def always_left(random: np.random.Generator, left: str, right: str) -> Choice:
    return Choice.LEFT


def at_random(random: np.random.Generator, left: str, right: str) -> Choice:
    return Choice.LEFT if random.random() < 0.5 else Choice.RIGHT


def for_the_last(random: np.random.Generator, left: str, right: str) -> Choice:
    """Vote for the worst model wherever it is recognised: no blind visitor can, so this is the worst case."""
    if MODELS[-1] not in (left, right):
        return at_random(random, left, right)
    return Choice.LEFT if left == MODELS[-1] else Choice.RIGHT


STRATEGIES: dict[str, Strategy] = {
    "always left": always_left,
    "at random": at_random,
    "for the last model": for_the_last,
}


def spam(strategy: Strategy, random: np.random.Generator, votes: int = 1_000, visitors: int = 5) -> list[Vote]:
    """Return the votes of a few visitors who vote much and look at nothing."""
    found = []
    for number in range(votes):
        left, right = (MODELS[place] for place in _sides(random))
        choice = strategy(random, left, right)
        found.append(vote(f"spammer {number % visitors}", number, left, right, choice))
    return found


def moved_ranks(strategy: Strategy, rounds: int, seed: int, scene: Scene = SCENES[0]) -> tuple[int, float]:
    """Return in how many rounds 1,000 spam votes of 5 visitors changed the order, and the largest shift in points."""
    random = np.random.default_rng(seed)
    moved, largest = 0, 0.0
    for _ in range(rounds):
        honest = simulate(scene, random)
        before = rank(counted(honest)).standings
        after = rank(counted([*honest, *spam(strategy, random)])).standings
        moved += [each.model for each in before] != [each.model for each in after]
        scores = {each.model: each.score or CENTRE for each in before}
        largest = max(largest, *(abs((each.score or CENTRE) - scores[each.model]) for each in after))
    return moved, largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=400, help="simulations of each scene (default: 400)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulation (default: 1)")
    flags = parser.parse_args()
    print("scene | 95 % intervals that hold the truth | mean width, points | places that do | drawn")
    for scene in SCENES:
        found = coverage(scene, flags.rounds, flags.seed)
        print(f"{scene.name} | {found.share:.1%} | {found.width:.0f} | {found.places:.1%} | {found.drawn}", flush=True)
    print("spam: 1,000 votes from 5 visitors | rounds with another order | largest shift, points")
    for name, strategy in STRATEGIES.items():
        moved, largest = moved_ranks(strategy, max(1, flags.rounds // 10), flags.seed)
        print(f"{name} | {moved} of {max(1, flags.rounds // 10)} | {largest:.0f}", flush=True)


if __name__ == "__main__":
    main()
