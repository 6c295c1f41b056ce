"""Seconds against steps, by their definition."""

from __future__ import annotations

import pytest

from bksdm_demo.records import Timings
from bksdm_demo.wording.step_times import Line, line_through


def picture(step: float) -> Timings:
    """Half a second beside 20 steps."""
    return Timings(encode=0.2, denoise=20 * step, decode=0.2, safety=0.1, steps=(step,) * 20)


def test_a_line_has_the_cost_of_a_step_and_the_rest() -> None:
    line = line_through([picture(0.1), picture(0.1), picture(0.4)])
    assert (line.fixed, line.per_step) == pytest.approx((0.5, 0.1))
    assert line.seconds(10) == pytest.approx(1.5)


@pytest.mark.parametrize(("seconds", "steps"), [(1.5, 10), (1.54, 10), (1.56, 11), (0.0, 1), (0.55, 1)])
def test_the_nearest_number_of_steps_is_at_least_one(seconds: float, steps: int) -> None:
    assert Line(0.5, 0.1).steps_within(seconds) == steps


def test_free_steps_are_one_step() -> None:
    assert Line(0.5, 0.0).steps_within(3.0) == 1
