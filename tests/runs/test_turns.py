"""Turns and drawing times by a clock that the test sets."""

from __future__ import annotations

from bksdm_demo.runs.turns import Turns


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_turn_is_long_after_its_seconds() -> None:
    clock = Clock()
    turns = Turns(None, 60.0, clock)
    clock.now = 1000.0
    turns.begin()
    clock.now = 1060.0
    assert not turns.long()
    clock.now = 1060.5
    assert turns.long()
    turns.begin()
    assert not turns.long()
    assert not turns.overtime("job")


def test_the_turns_of_a_job_add_up_and_its_waits_do_not() -> None:
    clock = Clock()
    turns = Turns(100.0, 60.0, clock)
    turns.begin()
    clock.now = 70.0
    turns.pause("one")
    clock.now = 500.0  # others draw
    turns.begin()
    clock.now = 530.0
    assert not turns.overtime("one")  # 70 + 30
    clock.now = 531.0
    assert turns.overtime("one")
    assert not turns.overtime("two")
    turns.forget("one")
    assert not turns.overtime("one")
