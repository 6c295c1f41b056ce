"""Which halves run in which call, and how many evaluations that is."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from bksdm_demo.diffusion.plan import BOTH, evaluated_calls, evaluations, forms, plan
from bksdm_demo.engines.base import Form
from bksdm_demo.records import Request

NEGATIVE, POSITIVE = (0,), (1,)


def request(**settings: object) -> Request:
    return Request("red apple", **{"guidance_scale": 3.0, **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize(("scale", "halves"), [(3.0, BOTH), (0.5, BOTH), (1.0, POSITIVE), (0.0, NEGATIVE)])
def test_guidance_decides_which_halves_run(scale: float, halves: tuple[int, ...]) -> None:
    asked = request(guidance_scale=scale, steps=5)
    assert [call.halves for call in plan(asked, 5)] == [halves] * 5
    assert evaluations(asked) == 5 * len(halves) / 2
    assert forms(asked) == (() if halves == BOTH else (Form.HALF,))


@pytest.mark.parametrize(
    ("interval", "guided"),
    [((0, 1), range(10)), ((0, 0.5), range(5)), ((0.3, 0.7), range(3, 7)), ((0.8, 1), (8, 9)), ((0, 0.01), ())],
)
def test_guidance_acts_between_the_ends_of_its_interval(interval: tuple[float, float], guided: range) -> None:
    halves = [call.halves for call in plan(request(guidance_interval=interval), 10)]
    assert halves == list(BOTH if call in guided else POSITIVE for call in range(10))


@pytest.mark.parametrize(("steps", "count"), [(1, 1), (2, 2), (4, 4), (5, 5), (10, 7), (20, 11), (30, 14)])
def test_a_forecast_saves_evaluations(steps: int, count: int) -> None:
    assert evaluations(request(steps=steps, forecast=True)) == count


def test_the_first_calls_and_the_last_are_evaluated() -> None:
    for calls in range(1, 151):
        evaluated = evaluated_calls(calls)
        assert evaluated <= set(range(calls))
        assert {*range(min(4, calls)), calls - 1} <= evaluated


def test_a_half_that_did_not_run_before_is_not_forecast() -> None:
    halves = [call.halves for call in plan(request(steps=20, forecast=True, guidance_interval=(0.25, 0.75)), 20)]
    assert halves[5] == BOTH
    assert halves[15] == POSITIVE
    assert evaluations(request(steps=20, forecast=True, guidance_interval=(0.25, 0.75))) < 11


@pytest.mark.parametrize(("every", "renewed"), [(1, range(10)), (2, range(0, 10, 2)), (3, (0, 3, 6, 9)), (10, (0,))])
def test_deep_features_are_renewed_in_every_nth_call(every: int, renewed: Iterable[int]) -> None:
    calls = plan(request(deep_every=every), 10)
    assert [index for index, call in enumerate(calls) if call.renews] == list(renewed)
    assert all(call.halves == BOTH for call in calls)
    assert evaluations(request(deep_every=every, steps=10)) < 10 or every == 1


def test_a_half_without_deep_features_gets_them() -> None:
    calls = plan(request(deep_every=4, guidance_interval=(0.3, 0.7)), 10)  # 0 to 2 and 7 to 9 run one half
    assert [index for index, call in enumerate(calls) if call.renews] == [0, 3, 7]


def test_a_forecast_is_no_evaluation_that_deep_features_wait_for() -> None:
    evaluated = [call for call in plan(request(deep_every=2, forecast=True), 20) if call.halves]
    assert [call.renews for call in evaluated] == [index % 2 == 0 for index in range(11)]


def test_the_forms_that_a_request_needs() -> None:
    assert forms(request(deep_every=2)) == (Form.DEEP, Form.SHALLOW)
    both = (Form.DEEP, Form.SHALLOW, Form.HALF_DEEP, Form.HALF_SHALLOW)
    assert forms(request(deep_every=2, guidance_interval=(0.0, 0.5))) == both
