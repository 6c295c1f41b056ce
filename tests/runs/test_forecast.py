"""Forecasts against cases that one can work out by hand, and against what the queue itself then does."""

from __future__ import annotations

from collections import deque

from bksdm_demo.runs.fairness import Client, FairQueue
from bksdm_demo.runs.forecast import Forecast, Running, Waiting

ANNA, BEN, CARA = Client("anna", "1"), Client("ben", "2"), Client("cara", "3")
TURN = 60.0


def starts(
    waiting: dict[str, Waiting], running: dict[str, Running], free: dict[str, int], turn: float = TURN
) -> dict[str, float]:
    queue = FairQueue()
    for job, there in waiting.items():
        queue.add(job, there.client)
    return Forecast(queue, waiting, running, free, turn).starts()


def job(client: Client, *seconds: float, kind: str = "") -> Waiting:
    return Waiting(client, {kind: seconds})


def run(client: Client, *left: float, ends: tuple[float, ...] = (), kind: str = "", began: float = 0.0) -> Running:
    return Running(client, kind, list(ends), deque(left), began)


def test_one_place_draws_one_job_after_the_other() -> None:
    running = {"r": run(ANNA, 5.0, 5.0, ends=(2.0,))}
    assert starts({"b": job(BEN, 4.0, 4.0), "c": job(CARA, 1.0)}, running, {"": 0}) == {"b": 12.0, "c": 20.0}


def test_a_long_turn_ends_after_its_picture_and_goes_on_later() -> None:
    running = {"r": run(ANNA, *[25.0] * 4, ends=(10.0,), began=-40.0)}
    # At 10 the turn is 50 s old, so one more picture is drawn. Ben follows, then Anna's rest, whose turn nobody ends.
    waiting = {"b": job(BEN, 25.0), "a": job(ANNA, 1.0)}
    assert starts(waiting, running, {"": 0}) == {"b": 35.0, "a": 135.0}


def test_several_places_and_the_helpers_of_a_wide_job() -> None:
    wide = {"r": run(ANNA, 10.0, 10.0, ends=(10.0, 6.0, 8.0))}
    # The helpers leave for whoever waits: at 6 and at 8.
    assert starts({"b": job(BEN, 3.0), "c": job(CARA, 3.0)}, wide, {"": 0}) == {"b": 6.0, "c": 8.0}


def test_idle_places_of_another_kind_are_used_by_those_behind() -> None:
    waiting = {"b": job(BEN, 4.0, kind="mac"), "c": Waiting(CARA, {"mac": (4.0,), "linux": (9.0,)})}
    running = {"r": run(ANNA, ends=(30.0,), kind="mac")}
    assert starts(waiting, running, {"mac": 0, "linux": 1}) == {"b": 30.0, "c": 0.0}


def test_the_faster_kind_is_free_sooner() -> None:
    waiting = {name: Waiting(Client(name, name), {"mac": (5.0,), "linux": (25.0,)}) for name in "bcdef"}
    running = {"r": run(ANNA, ends=(5.0,), kind="mac"), "s": run(ANNA, ends=(25.0,), kind="linux")}
    found = starts(waiting, running, {"mac": 0, "linux": 0})
    assert list(found.values()) == [5.0, 10.0, 15.0, 20.0, 25.0]


def test_what_nothing_can_draw_now_is_left_out() -> None:
    assert starts({"b": job(BEN, 4.0, kind="mac"), "c": job(CARA, 1.0)}, {}, {"": 1}) == {"c": 0.0}
