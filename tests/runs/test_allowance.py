"""What one request may ask for: each limit at its edge, and its sentence."""

from __future__ import annotations

import re

import pytest

from bksdm_demo.errors import RequestError
from bksdm_demo.parameters.partial_request import PartialRequest
from bksdm_demo.records import CELLS_LIMIT, PROMPT_LIMIT, STEPS_RANGE, Request
from bksdm_demo.runs.allowance import Allowance

SMALL = Allowance(steps=(4, 50), pictures=16, prompt=20)


@pytest.mark.parametrize("steps", STEPS_RANGE)
def test_by_default_every_request_is_allowed(steps: int) -> None:
    Allowance().check(Request("x" * PROMPT_LIMIT, "y" * PROMPT_LIMIT, steps=steps), CELLS_LIMIT)


@pytest.mark.parametrize("steps", [4, 50])
def test_the_edges_are_allowed(steps: int) -> None:
    SMALL.check(Request("x" * 20, "y" * 20, steps=steps), 16)


@pytest.mark.parametrize(
    ("request_", "pictures", "sentence"),
    [
        (Request("apple", steps=3), 1, "steps is 3; this page allows 4 to 50."),
        (Request("apple", steps=51), 1, "steps is 51; this page allows 4 to 50."),
        (Request("apple"), 17, "This comparison has 17 pictures; this page allows 16."),
        (Request("x" * 21), 1, "The prompt has 21 characters; this page allows 20."),
        (Request("apple", "y" * 21), 1, "The negative prompt has 21 characters; this page allows 20."),
    ],
)
def test_more_is_refused_with_the_limit(request_: Request, pictures: int, sentence: str) -> None:
    with pytest.raises(RequestError, match=re.escape(sentence)):
        SMALL.check(request_, pictures)


def test_recommended_steps_move_into_the_range() -> None:
    assert [SMALL.nearest_steps(steps) for steps in (1, 4, 25, 50, 150)] == [4, 4, 25, 50, 50]


def test_only_steps_that_nobody_stated_move_into_the_range() -> None:
    ten = Allowance(steps=(1, 10))
    assert ten.complete(PartialRequest(prompt="apple"), None).steps == 10
    assert ten.complete(PartialRequest(prompt="apple", steps=30), None).steps == 30
