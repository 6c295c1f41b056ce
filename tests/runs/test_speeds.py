"""What is learnt from pictures, by seconds that the test sets."""

from __future__ import annotations

import pytest

from bksdm_demo.records import Cell, Phase, Request, Result, Timings, Verdict
from bksdm_demo.runs.speeds import Lesson, Speeds
from tests.runs.test_turns import Stopwatch

TEN, TWENTY = Request("red apple", steps=10), Request("red apple", steps=20)


def test_nothing_is_known_before_the_first_step() -> None:
    assert Speeds().seconds("", "a", TEN) is None
    assert Speeds().left("", Cell("a"), TEN) is None


def test_denoising_grows_with_the_steps_and_the_rest_does_not() -> None:
    speeds = Speeds()
    speeds.drawn("", "a", TEN, denoising=10.0, other=3.0)
    assert speeds.seconds("", "a", TEN) == pytest.approx(13.0)
    assert speeds.seconds("", "a", TWENTY) == pytest.approx(23.0)
    assert speeds.left("", Cell("a", Phase.DENOISING, 15, 20), TWENTY) == pytest.approx(8.0)
    assert speeds.left("", Cell("a", Phase.CHECKING, 20, 20), TWENTY) == pytest.approx(3.0)


def test_a_rare_slow_picture_changes_little() -> None:
    speeds = Speeds()
    for seconds in (10.0, 10.0, 90.0, 10.0, 10.0):
        speeds.drawn("", "a", TEN, seconds, 0.0)
    assert speeds.seconds("", "a", TEN) == pytest.approx(10.0)


def test_a_model_that_was_drawn_elsewhere_is_guessed_by_those_that_both_drew() -> None:
    speeds = Speeds()
    speeds.drawn("mac", "a", TEN, 10.0, 0.0)
    speeds.drawn("mac", "b", TEN, 20.0, 0.0)
    speeds.drawn("linux", "a", TEN, 50.0, 0.0)
    assert speeds.seconds("linux", "b", TEN) == pytest.approx(100.0)
    assert speeds.seconds("linux", "c", TEN) == pytest.approx(50.0)  # like the others there
    assert speeds.seconds("phone", "a", TEN) == pytest.approx(30.0)  # like elsewhere
    assert speeds.seconds("phone", "c", TEN) is None


def test_the_first_picture_teaches_by_its_steps_and_a_second_try_begins_anew() -> None:
    speeds, clock = Speeds(), Stopwatch()
    lesson = Lesson(speeds, "", "a", TEN, clock)
    for seconds, phase, step in (
        (0.0, Phase.LOADING, 0),
        (50.0, Phase.ENCODING, 0),  # this worker falls silent
        (0.0, Phase.LOADING, 0),
        (4.0, Phase.ENCODING, 0),  # 4 s of loading
        (1.0, Phase.DENOISING, 0),
        (6.0, Phase.DENOISING, 3),
    ):
        clock.now += seconds
        lesson.entered(phase, step, 10)
    assert speeds.seconds("", "a", TWENTY) == pytest.approx(40.0)
    clock.now += 16.0
    timings = Timings(load=4.0, denoise=20.0, total=27.0)
    lesson.drawn(Result("a", TEN, Verdict(False), timings))
    assert speeds.seconds("", "a", TEN) == pytest.approx(23.0)
    assert speeds.seconds("", "a", TWENTY) == pytest.approx(43.0)


def test_a_prompt_that_is_refused_teaches_nothing() -> None:
    speeds = Speeds()
    Lesson(speeds, "", "a", TEN).drawn(Result("a", TEN, Verdict(True, "No."), Timings(total=0.1)))
    assert speeds.seconds("", "a", TEN) is None
