"""The ranking as markup: its figures in words, its chart in bounds, names escaped."""

from __future__ import annotations

import re

from benchmarks.vote_simulation import MODELS, vote
from bksdm_demo.evaluation.ranking import rank
from bksdm_demo.evaluation.trust import counted
from bksdm_demo.evaluation.votes import Choice
from bksdm_demo.ui.votes_markup import ranking_markup

NAMES = {"alpha": "Alpha <1>"}


def test_the_ranking_has_every_figure() -> None:
    votes = [
        vote(f"v{number}", number, *pair, Choice.LEFT if number % 3 else Choice.RIGHT)
        for pair in (("alpha", "beta"), ("alpha", "gamma"))
        for number in range(130)
    ]
    votes.append(vote("v1", 999, "delta", "alpha", Choice.BOTH_BAD))
    markup = ranking_markup(rank(counted(votes), MODELS), NAMES)
    assert markup.count("Alpha &lt;1&gt;") >= 3
    assert "<1>" not in markup
    assert markup.count("bk-whisker") == 3
    assert markup.count("preliminary") == 3
    assert "0 of 100 votes" in markup
    assert "66 % of 130" in markup.replace("\N{NO-BREAK SPACE}", " ")
    shares = [float(share) for share in re.findall(r"--(?:low|score|high):([\d.]+)", markup)]
    assert len(shares) == 9
    assert 0 < min(shares) < max(shares) < 1
    for low, score, high in zip(shares[::3], shares[1::3], shares[2::3], strict=True):
        assert low < score < high


def test_nothing_to_rank_is_nothing() -> None:
    assert ranking_markup(rank(counted([])), {}) == ""
