"""Drawing times, speeds and their references, and the format of seconds and ratios."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bksdm_demo.intervals import Estimate
from bksdm_demo.records import Cell, Job, Phase, Timings
from bksdm_demo.wording.timing import (
    baseline_of,
    cell_speed,
    decimals,
    drawing_seconds,
    format_ratio,
    format_seconds,
    median_step,
    ratio_words,
    speed_up,
    speed_words,
    timings_of,
)
from tests.ui.records import REQUEST, done, job, refused, result

SLOW = Timings(load=6.0, encode=0.5, denoise=2.0, decode=1.0, safety=0.5, total=10.0, steps=(0.5, 1.5), cold=True)
QUICK = Timings(encode=0.0, denoise=1.0, decode=0.5, safety=0.5, total=2.0, steps=(0.25, 0.75))


def test_drawing_time_and_speed_leave_out_loading() -> None:
    assert drawing_seconds(SLOW) == 4.0
    assert speed_up(QUICK, SLOW) == 2.0
    assert speed_up(Timings(), SLOW) is None
    assert median_step(SLOW) == 1.0
    assert median_step(Timings()) is None


def test_only_a_verdict_has_timings() -> None:
    assert timings_of(Cell("a", Phase.FAILED)) is None
    assert timings_of(Cell("a", Phase.DONE)) is None
    assert timings_of(Cell("a", Phase.BLOCKED, result=result("a", SLOW))) is SLOW


def test_what_was_not_drawn_has_no_timings() -> None:
    shown = job(refused("a"), done("b"), done("c"))
    assert timings_of(shown.cells[0]) is None
    assert baseline_of(shown) is shown.cells[1]
    assert [cell_speed(shown, cell) for cell in shown.cells] == ["", "baseline", "1.00× (one run)"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0 ms"), (0.0084, "8 ms"), (0.0994, "99 ms"), (0.0996, "0.10 s"), (0.94, "0.94 s"), (9.994, "9.99 s"),
     (9.996, "10.0 s"), (12.34, "12.3 s"), (99.96, "1 min 40 s"), (125.4, "2 min 05 s")],
)  # fmt: skip
def test_seconds_in_words(seconds: float, words: str) -> None:
    assert format_seconds(seconds) == words


def test_ratios_in_words() -> None:
    assert [format_ratio(ratio) for ratio in (1.424, 0.5, 12.54)] == ["1.42×", "0.50×", "12.5×"]


@pytest.mark.parametrize(("longest", "digits"), [(0.4, 3), (9.99, 3), (10.0, 2), (250.0, 1)])
def test_long_runs_get_fewer_digits(longest: float, digits: int) -> None:
    assert decimals(longest) == digits


def test_the_speed_of_a_picture_is_that_of_one_run() -> None:
    shown = job(done("a", 1.5), done("b", 0.5))
    assert [speed_words(shown, cell) for cell in shown.cells] == ["baseline", "2.00× as fast (one run)"]


def test_with_several_seeds_no_single_picture_has_a_speed() -> None:
    rows = (done("a", 1.5), done("b", 0.5)), (done("a"), done("b"))
    shown = Job("job", REQUEST, tuple(replace(one, seed=seed) for seed, row in enumerate(rows) for one in row))
    assert baseline_of(shown) is None
    assert {speed_words(shown, cell) for cell in shown.cells} == {""}


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (Estimate(1.424, 1.381, 1.468, 10), "1.42× (1.38–1.47)"),
        (Estimate(12.0, 9.0, 15.0, 5), "12.0× (9.00–15.0)"),
        (Estimate(1.424, None, None, 1), "1.42× (one run)"),
        (Estimate(1.424, None, None, 3), "1.42× (3 runs)"),
    ],
)
def test_a_ratio_says_how_sure_it_is(estimate: Estimate, words: str) -> None:
    assert ratio_words(estimate) == words


def test_a_speed_needs_two_models_and_two_times() -> None:
    untimed = Cell("b", Phase.DONE, result=result("b", Timings()))
    shown = job(done("a"), untimed, Cell("c"))
    assert [cell_speed(shown, cell) for cell in shown.cells] == ["baseline", "", ""]
    alone = job(done("a"))
    assert cell_speed(alone, alone.cells[0]) == ""
