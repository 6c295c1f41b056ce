"""Which votes count: one side only, crowds of one address, signing in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.vote_simulation import vote
from bksdm_demo.evaluation.trust import NOT_SIGNED_IN, ONE_SIDE, SMALLEST_CAP, chance_of_sides, counted, one_sided
from bksdm_demo.evaluation.votes import Choice, Vote


def votes(visitor: str, lefts: int, rights: int = 0, ties: int = 0) -> list[Vote]:
    choices = [Choice.LEFT] * lefts + [Choice.RIGHT] * rights + [Choice.TIE] * ties
    return [vote(visitor, number, "a", "b", choice) for number, choice in enumerate(choices)]


@pytest.mark.parametrize(
    ("left", "right", "chance"),
    [(8, 0, 2 / 2**8), (7, 0, 2 / 2**7), (0, 0, 1), (5, 5, 1), (9, 1, 22 / 2**10), (1, 9, 22 / 2**10)],
)
def test_the_chance_is_that_of_a_fair_coin(left: int, right: int, chance: float) -> None:
    assert chance_of_sides(left, right) == pytest.approx(chance)


def test_the_normal_distribution_takes_over_without_a_step() -> None:
    assert chance_of_sides(540, 460) == pytest.approx(chance_of_sides(541, 460), rel=0.15)


def test_eight_times_one_side_is_enough_and_ties_say_nothing() -> None:
    cast = [*votes("l", 8), *votes("r", 0, 8), *votes("few", 7), *votes("fair", 20, 15), *votes("ties", 3, 0, 40)]
    assert one_sided(cast) == {"l", "r"}
    found = counted(cast)
    assert {vote.visitor for vote in found.votes} == {"few", "fair", "ties"}
    assert found.left_out == ((ONE_SIDE, 16),)


def test_nobody_counts_for_many() -> None:
    people = [vote for number in range(9) for vote in votes(f"v{number}", 10, 10)]
    found = counted([*people, *votes("busy", 500, 500)])
    weights = dict(zip([vote.visitor for vote in found.votes], found.weights, strict=True))
    assert weights["v0"] == 1
    assert weights["busy"] * 1000 == pytest.approx(40)


def test_visitors_of_one_address_count_together_unless_they_signed_in() -> None:
    people = [vote for number in range(9) for vote in votes(f"v{number}", 1)]
    many = [replace(vote, address="one") for number in range(50) for vote in votes(f"invented {number}", 1)]
    found = counted([*people, *many])
    assert sum(found.weights[9:]) == pytest.approx(SMALLEST_CAP)
    signed = counted([*people, *(replace(vote, signed_in=True) for vote in many)])
    assert set(signed.weights) == {1.0}


def test_the_only_visitor_counts_in_full() -> None:
    assert set(counted(votes("me", 200, 210)).weights) == {1.0}


def test_the_operator_may_ask_for_signing_in() -> None:
    signed = [replace(vote, signed_in=True) for vote in votes("known", 2)]
    found = counted([*signed, *votes("unknown", 3)], signed_in_only=True)
    assert found.votes == tuple(signed)
    assert found.left_out == ((NOT_SIGNED_IN, 3),)
