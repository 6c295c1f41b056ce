"""Limits of rows: which values they take, and whether a cell holds them. A cell without evidence never holds one."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation.assertions import NONE, Answer, Assertions, check, read_assertions
from bksdm_demo.records import Cell, Phase, Request, Result, Timings, Verdict
from bksdm_demo.reports.similarity import Similarity

TIMINGS = Timings(load=50.0, encode=0.5, denoise=2.0, decode=0.25, safety=0.25, total=53.0)  # 3 s of drawing
RESULT = Result("m", Request("x"), Verdict(False), TIMINGS, stored_size=(64, 64))
DONE = Cell("m", Phase.DONE, result=RESULT)
BLOCKED = Cell("m", Phase.BLOCKED, result=replace(RESULT, verdict=Verdict(True, "nudity")), message="nudity")
FAILED = Cell("m", Phase.FAILED, message="no memory")
LIKE = Similarity(30.0, 0.9, 0.8)


def answers(assertions: Assertions, cell: Cell | None, similarity: Similarity | None, shown: bool = True) -> list[str]:
    return [str(checked.answer) for checked in check(assertions, cell, similarity, shown, False)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, NONE),
        ({"max_seconds": "2,5"}, Assertions(max_seconds=2.5)),
        ({"max_seconds": " "}, NONE),
        ({"not_blocked": "Yes", "min_ssim_to_baseline": "0.9"}, Assertions(min_ssim_to_baseline=0.9, not_blocked=True)),
        ({"not_blocked": True, "min_psnr_to_baseline": 30}, Assertions(min_psnr_to_baseline=30, not_blocked=True)),
    ],
)
def test_values_are_read(values: dict[str, object], expected: Assertions) -> None:
    assert read_assertions(values) == expected


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"max_second": 1}, "'max_second'"),
        ({"max_seconds": "fast"}, "max_seconds is 'fast'"),
        ({"max_seconds": -1}, "max_seconds is -1"),
        ({"max_seconds": True}, "max_seconds is True"),
        ({"max_seconds": float("nan")}, "max_seconds is nan"),
        ({"min_ssim_to_baseline": 2}, "min_ssim_to_baseline is 2"),
        ({"not_blocked": "maybe"}, "not_blocked is 'maybe'"),
    ],
)
def test_other_values_are_refused_by_name(values: dict[str, object], word: str) -> None:
    with pytest.raises(RequestError, match=word):
        read_assertions(values)


def test_seconds_are_those_of_drawing_without_loading() -> None:
    assert answers(Assertions(max_seconds=3.0), DONE, None) == [Answer.HOLDS]
    assert answers(Assertions(max_seconds=2.9), DONE, None) == [Answer.FAILS]


@pytest.mark.parametrize(
    ("limit", "similarity", "answer"),
    [
        (30.0, LIKE, Answer.HOLDS),
        (30.1, LIKE, Answer.FAILS),
        (30.0, Similarity(inf, 1.0, 1.0), Answer.HOLDS),
        (30.0, Similarity(float("nan"), 0.0, 0.0), Answer.FAILS),
    ],
)
def test_similarity_is_held_against_the_limit(limit: float, similarity: Similarity, answer: Answer) -> None:
    assert answers(Assertions(min_psnr_to_baseline=limit), DONE, similarity) == [answer]


def test_a_blocked_picture_fails_what_asks_for_a_picture() -> None:
    asked = Assertions(min_psnr_to_baseline=10.0, min_ssim_to_baseline=0.1, not_blocked=True)
    assert answers(asked, BLOCKED, None) == [Answer.FAILS] * 3


@pytest.mark.parametrize("cell", [None, FAILED, Cell("m", Phase.INTERRUPTED)])
def test_a_cell_without_an_outcome_cannot_be_checked(cell: Cell | None) -> None:
    asked = Assertions(5.0, 10.0, 0.1, 0.1, True)
    assert answers(asked, cell, None) == [Answer.UNKNOWN] * 5


def test_a_baseline_without_a_picture_judges_nobody() -> None:
    assert answers(Assertions(min_psnr_to_baseline=10.0), DONE, None, shown=False) == [Answer.UNKNOWN]


def test_the_baseline_is_not_compared_with_itself() -> None:
    asked = Assertions(max_seconds=5.0, min_psnr_to_baseline=10.0)
    assert [checked.name for checked in check(asked, DONE, None, True, True)] == ["max_seconds"]
