"""Speed and time left against hand-counted bytes on a clock that the test turns."""

from __future__ import annotations

import pytest

from bksdm_demo.library.progress import INTERVAL, WINDOW, Meter, Progress, Stage


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_speed_and_time_left(clock: Clock) -> None:
    reports: list[Progress] = []
    meter = Meter(Stage.DOWNLOADING, 1000, reports.append, clock=clock)
    clock.now += 1
    meter.add(100)
    assert reports == [
        Progress(Stage.DOWNLOADING, 0, 1000),
        Progress(Stage.DOWNLOADING, 100, 1000, 100.0, 9.0),
    ]


def test_what_was_there_before_is_no_speed(clock: Clock) -> None:
    reports: list[Progress] = []
    meter = Meter(Stage.DOWNLOADING, 1000, reports.append, done_bytes=500, clock=clock)
    clock.now += 1
    meter.add(100)
    assert reports[-1].bytes_per_second == pytest.approx(100.0)
    assert reports[-1].seconds_left == pytest.approx(4.0)


def test_old_speed_is_forgotten(clock: Clock) -> None:
    reports: list[Progress] = []
    meter = Meter(Stage.DOWNLOADING, 10**6, reports.append, clock=clock)
    for count in [1000] * 5 + [10] * (int(WINDOW) + 1):
        clock.now += 1
        meter.add(count)
    assert reports[-1].bytes_per_second == pytest.approx(10.0)


def test_reports_are_thinned_but_the_last_is_told(clock: Clock) -> None:
    reports: list[Progress] = []
    meter = Meter(Stage.UNPACKING, 100, reports.append, clock=clock)
    for _ in range(100):
        clock.now += INTERVAL / 10
        meter.add(1)
    assert len(reports) <= 12
    assert reports[-1].done_bytes == 100


def test_a_restart_measures_anew(clock: Clock) -> None:
    reports: list[Progress] = []
    meter = Meter(Stage.DOWNLOADING, 1000, reports.append, done_bytes=900, clock=clock)
    clock.now += 1
    meter.restart(0)
    assert reports[-1] == Progress(Stage.DOWNLOADING, 0, 1000)
    clock.now += 1
    meter.add(50)
    assert reports[-1].seconds_left == pytest.approx(19.0)
