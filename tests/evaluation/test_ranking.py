"""Scores against a closed form, Hunter's iteration and exhaustive search; intervals, thresholds, ties and both bad."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from benchmarks.vote_simulation import SCENES, hunter, simulate, vote
from bksdm_demo.evaluation.ranking import (
    PRIOR_TIES,
    SETTLED_FROM,
    SHOWN_FROM,
    VISITORS,
    VOTES,
    Duel,
    Ranking,
    Tally,
    log_strengths,
    points,
    rank,
    student,
    votes_to_flip,
)
from bksdm_demo.evaluation.trust import Counted, counted
from bksdm_demo.evaluation.votes import Choice, Vote

TWO, THREE = ("a", "b"), ("a", "b", "c")


def ballots(left: str, right: str, choice: Choice, count: int, visitor: str = "v") -> list[Vote]:
    return [vote(visitor, number, left, right, choice) for number in range(count)]


def ranked(*votes: list[Vote]) -> Ranking:
    every = tuple(vote for some in votes for vote in some)
    return rank(Counted(every, (1.0,) * len(every)))


@pytest.mark.parametrize(("wins", "losses", "ties"), [(70, 30, 0), (5, 5, 90), (40, 10, 20), (120, 0, 0)])
def test_two_models_have_the_closed_form(wins: int, losses: int, ties: int) -> None:
    """s_a / s_b is the ratio of the wins, each with half of the ties and of the pair's first tie."""
    half = (ties + PRIOR_TIES) / 2
    first, second = log_strengths(Tally(TWO, np.array([[wins, losses, ties]], dtype=float)))
    assert first - second == pytest.approx(math.log((wins + half) / (losses + half)), abs=1e-6)
    assert first + second == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_scores_agree_with_hunters_iteration(seed: int) -> None:
    counts = np.random.default_rng(seed).integers(0, 40, (6, 3)).astype(float)
    tally = Tally((*THREE, "d"), counts)
    wins = np.zeros((4, 4))
    for (i, j), (first, second, ties) in zip(tally.pairs, counts, strict=True):
        wins[i, j] += first + (ties + PRIOR_TIES) / 2
        wins[j, i] += second + (ties + PRIOR_TIES) / 2
    assert log_strengths(tally) == pytest.approx(np.log(hunter(wins)), abs=1e-5)


def test_400_points_more_win_ten_of_eleven() -> None:
    scores = points(np.array([math.log(10), 0.0]) / 1, np.arange(2))
    assert scores == pytest.approx([1200, 800])
    assert 1 / (1 + 10 ** ((scores[1] - scores[0]) / 400)) == pytest.approx(10 / 11)


@pytest.mark.parametrize("counts", [[[6, 3, 1], [4, 3, 0], [3, 3, 1]], [[7, 1, 0], [2, 2, 2], [4, 1, 0]]])
def test_the_fewest_votes_that_flip_are_those_of_an_exhaustive_search(counts: list[list[int]]) -> None:
    tally = Tally(THREE, np.array(counts, dtype=float))
    first, second = np.argsort(-log_strengths(tally))[:2]

    def flips(missing: tuple[int, ...]) -> bool:
        logs = log_strengths(Tally(THREE, tally.counts - np.reshape(missing, (3, 3))))
        return bool(logs[first] <= logs[second])

    found = votes_to_flip(tally, np.arange(3))
    ways = product(*(range(min(count, found) + 1) for row in counts for count in row))
    assert found > 1
    assert not any(flips(missing) for missing in ways if sum(missing) == found - 1)


def test_scores_are_hidden_then_preliminary_then_settled() -> None:
    few = ranked(ballots("a", "b", Choice.LEFT, SHOWN_FROM - 1))
    assert [standing.shown for standing in few.standings] == [False, False]
    assert few.to_flip is None
    some = ranked(ballots("a", "b", Choice.LEFT, 60), ballots("a", "b", Choice.RIGHT, 40))
    assert [(standing.model, standing.preliminary) for standing in some.standings] == [("a", True), ("b", True)]
    many = ranked(ballots("a", "b", Choice.LEFT, 160), ballots("b", "a", Choice.LEFT, SETTLED_FROM - 160))
    assert [standing.preliminary for standing in many.standings] == [False, False]


def test_a_model_with_few_votes_stays_hidden_and_moves_no_mean() -> None:
    rare = ballots("c", "a", Choice.LEFT, 5)
    ranking = ranked(ballots("a", "b", Choice.LEFT, 60), ballots("a", "b", Choice.RIGHT, 60), rare)
    hidden = ranking.standings[-1]
    assert (hidden.model, hidden.votes, hidden.score) == ("c", 5, None)
    assert sum(standing.score or 0 for standing in ranking.standings[:2]) == pytest.approx(2000)


def test_both_bad_is_counted_apart_and_a_tie_is_half_a_win() -> None:
    fair = [*ballots("a", "b", Choice.LEFT, 80), *ballots("a", "b", Choice.RIGHT, 40)]
    plain, bad = ranked(fair), ranked(fair, ballots("a", "b", Choice.BOTH_BAD, 30))
    assert [standing.score for standing in bad.standings] == [standing.score for standing in plain.standings]
    assert [standing.bad for standing in bad.standings] == [0.2, 0.2]
    assert bad.duel("b", "a") == Duel(40, 80, 0, 30)
    halves = [*fair, *ballots("a", "b", Choice.TIE, 20)]
    as_wins = [*fair, *ballots("a", "b", Choice.LEFT, 10), *ballots("a", "b", Choice.RIGHT, 10)]
    assert ranked(halves).standings[0].score == pytest.approx(ranked(as_wins).standings[0].score)


def test_models_without_votes_are_listed_last() -> None:
    ranking = rank(counted(ballots("a", "b", Choice.LEFT, 3)), ("b", "z"))
    assert [(standing.model, standing.votes) for standing in ranking.standings] == [("a", 3), ("b", 3), ("z", 0)]
    assert rank(counted([])).standings == ()
    assert rank(counted([]), THREE).cast == 0


def test_a_visitor_is_drawn_as_a_whole_where_there_are_many() -> None:
    """Votes of people who all repeat themselves say as much as one vote of each: the interval is wider."""
    choices = [Choice.LEFT if number % 10 < 7 else Choice.RIGHT for number in range(40)]
    stubborn = [ballots("a", "b", choice, 10, f"v{number}") for number, choice in enumerate(choices)]
    alone = [vote for some in stubborn for vote in some]
    people, person = ranked(*stubborn), ranked([vote_of(each, "v") for each in alone])
    assert (people.drawn, person.drawn) == (VISITORS, VOTES)
    wide, narrow = (ranking.standings[0] for ranking in (people, person))
    assert width(wide) == pytest.approx(math.sqrt(10) * width(narrow), rel=0.2)


def vote_of(each: Vote, visitor: str) -> Vote:
    return vote(visitor, 0, each.left, each.right, each.choice)


def width(standing: object) -> float:
    return float(standing.high - standing.low)  # type: ignore[attr-defined]


def test_places_overlap_until_the_difference_is_sure() -> None:
    even = ranked(ballots("a", "b", Choice.LEFT, 62), ballots("a", "b", Choice.RIGHT, 58))
    assert [(standing.best, standing.worst) for standing in even.standings] == [(1, 2), (1, 2)]
    clear = ranked(ballots("a", "b", Choice.LEFT, 90), ballots("a", "b", Choice.RIGHT, 30))
    assert [(standing.best, standing.worst) for standing in clear.standings] == [(1, 1), (2, 2)]


def test_the_same_votes_give_the_same_figures() -> None:
    votes = simulate(SCENES[0], np.random.default_rng(3))
    assert rank(counted(votes)) == rank(counted(votes))


@pytest.mark.parametrize(("freedom", "quantile"), [(10, 2.2281), (20, 2.0860), (30, 2.0423), (120, 1.9799)])
def test_students_quantile_is_that_of_the_tables(freedom: int, quantile: float) -> None:
    assert student(freedom) == pytest.approx(quantile, abs=2e-4)
