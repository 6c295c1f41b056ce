"""Turns and drawing times by a clock that the test sets."""

from __future__ import annotations

import threading
from dataclasses import replace

from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.runs.allowance import Allowance
from bksdm_demo.runs.jobs import JobQueue, Run, new_id
from bksdm_demo.runs.turns import Turns
from tests.runs.test_jobs import ANNA, BEN, PATIENCE, REQUEST, finish, phases, submit


class Stopwatch:
    """Seconds that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_turn_is_long_after_its_seconds() -> None:
    clock = Stopwatch()
    turns = Turns(None, 60.0, clock)
    clock.now = 1000.0
    turns.begin("job")
    clock.now = 1060.0
    assert not turns.long("job")
    clock.now = 1060.5
    assert turns.long("job")
    turns.begin("job")
    assert not turns.long("job")
    assert not turns.overtime("job")


def test_the_turns_of_a_job_add_up_and_its_waits_do_not() -> None:
    clock = Stopwatch()
    turns = Turns(100.0, 60.0, clock)
    turns.begin("one")
    clock.now = 70.0
    turns.pause("one")
    clock.now = 500.0  # others draw
    turns.begin("one")
    clock.now = 530.0
    assert not turns.overtime("one")  # 70 + 30
    clock.now = 531.0
    assert turns.overtime("one")
    assert not turns.overtime("two")
    turns.forget("one")
    assert not turns.overtime("one")


class PictureByPicture:
    """Draws a picture in `seconds`, and asks between two whether its turn is over."""

    def __init__(self, stopwatch: Stopwatch, seconds: float) -> None:
        self.stopwatch, self.seconds = stopwatch, seconds
        self.drawn: list[tuple[str, int]] = []
        self.started, self.gate = threading.Event(), threading.Event()

    def __call__(self, run: Run) -> None:
        self.started.set()
        assert self.gate.wait(PATIENCE)
        for index, cell in enumerate(run.job.cells):
            if run.turn_over():
                return
            if not cell.phase.final and not run.stopped():
                self.stopwatch.now += self.seconds
                if not run.stopped():
                    self.drawn.append((run.job.owner, index))
                    run.change(index, Phase.DONE)


def owned(owner: str, pictures: int) -> Job:
    return Job(new_id(), REQUEST, tuple(Cell(str(number)) for number in range(pictures)), owner=owner)


def test_a_job_whose_turn_is_over_lets_others_go_first_and_keeps_its_pictures() -> None:
    stopwatch = Stopwatch()
    runner = PictureByPicture(stopwatch, 25.0)
    queue = JobQueue(runner, turn_seconds=60.0, stopwatch=stopwatch)
    long = submit(queue, ANNA, owned("anna", 7))
    assert runner.started.wait(PATIENCE)
    short = submit(queue, BEN, owned("ben", 1))
    runner.gate.set()
    assert phases(finish(queue, long)) == [Phase.DONE] * 7
    assert phases(finish(queue, short)) == [Phase.DONE]
    assert runner.drawn == [*(("anna", n) for n in range(3)), ("ben", 0), *(("anna", n) for n in range(3, 7))]
    queue.close()


def test_a_paused_job_waits_and_can_be_cancelled() -> None:
    stopwatch = Stopwatch()
    runner = PictureByPicture(stopwatch, 100.0)
    queue = JobQueue(runner, turn_seconds=60.0, stopwatch=stopwatch)
    long = submit(queue, ANNA, owned("anna", 3))
    assert runner.started.wait(PATIENCE)
    short = submit(queue, BEN, owned("ben", 1))
    cancelled: list[Job] = []

    def cancel_the_paused_one(run: Run) -> None:
        cancelled.append(queue.cancel(long.id))

    queue._runner = lambda run: cancel_the_paused_one(run) if run.job.owner == "ben" else runner(run)
    runner.gate.set()
    assert phases(finish(queue, long)) == [Phase.DONE, Phase.CANCELLED, Phase.CANCELLED]
    assert finish(queue, short).finished
    assert cancelled[0].finished
    queue.close()


def test_a_job_over_its_time_stops_with_a_sentence_and_can_go_on() -> None:
    stopwatch = Stopwatch()
    runner = PictureByPicture(stopwatch, 25.0)
    runner.gate.set()
    queue = JobQueue(runner, stopwatch=stopwatch, allowance=Allowance(seconds=60.0))
    job = finish(queue, queue.submit(owned("anna", 3)))
    assert phases(job) == [Phase.DONE, Phase.DONE, Phase.CANCELLED]
    assert "draws for 1 min 00 s at most" in job.cells[2].message
    cells = tuple(cell.again() if cell.unfinished else cell for cell in job.cells)
    queue.settled(job.id)
    assert phases(finish(queue, queue.submit(replace(job, cells=cells)))) == [Phase.DONE] * 3
    queue.close()
