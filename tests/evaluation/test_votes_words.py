"""The words about a ranking."""

from __future__ import annotations

import pytest

from bksdm_demo.evaluation.ranking import VISITORS, VOTES, Duel, Ranking, Standing
from bksdm_demo.evaluation.trust import ONE_SIDE
from bksdm_demo.evaluation.votes_words import (
    basis_words,
    duel_words,
    flip_words,
    interval_meaning,
    interval_words,
    place_words,
    score_words,
    share_words,
)

SHOWN = Standing("a", 250, 0.1, 1043.4, 1021.0, 1066.2, 1, 2)
HIDDEN = Standing("b", 57, 0.0)


def ranking(*standings: Standing, **changes: object) -> Ranking:
    fields = {"duels": {}, "drawn": VISITORS, "to_flip": None, "visitors": 3, "cast": 40} | changes
    return Ranking(standings, **fields)  # type: ignore[arg-type]


def test_a_standing() -> None:
    assert (place_words(SHOWN), score_words(SHOWN), interval_words(SHOWN)) == ("1–2", "1043", "1021 to 1066")
    assert (place_words(HIDDEN), score_words(HIDDEN), interval_words(HIDDEN)) == ("", "57 of 100 votes", "")


@pytest.mark.parametrize(
    ("duel", "words"),
    [
        (Duel(), "No counted vote compares A with B yet."),
        (Duel(12, 7, 3, 1), "So far A won 12 votes and B 7; 3 ties, 1 both bad."),
        (Duel(1, 0), "So far A won 1 vote and B 0."),
        (Duel(0, 0, 0, 2), "So far A won 0 votes and B 0; 2 both bad."),
    ],
)
def test_a_duel(duel: Duel, words: str) -> None:
    assert duel_words(duel, "A", "B") == words


def test_a_share() -> None:
    assert share_words(Duel(12, 6, 2)) == "65 % of 20"
    assert share_words(Duel(0, 0, 0, 3)) == ""


def test_what_a_ranking_rests_on() -> None:
    assert basis_words(ranking(cast=0)) == "Nobody has voted yet."
    out = ranking(left_out=((ONE_SIDE, 8),))
    assert basis_words(out) == "40 votes of 3 visitors who count. Left out: 8 of visitors who favour one side."
    assert "when two models have 100 votes each" in interval_meaning(ranking(HIDDEN))
    assert "drawn at random" in interval_meaning(ranking(SHOWN))
    assert "for these visitors only" in interval_meaning(ranking(SHOWN, drawn=VOTES))


def test_how_firm_the_first_place_is() -> None:
    firm = ranking(SHOWN, Standing("b", 250, 0.1, 957, 930, 980, 1, 2), to_flip=12)
    assert flip_words(firm, {"a": "Alpha"}) == "Without about 12 votes, b would be before Alpha."
    assert flip_words(ranking(HIDDEN), {}) == ""
