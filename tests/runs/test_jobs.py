"""The job queue with a fake runner: order, positions, limits, cancel, watchers that leave, forgetting, closing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from bksdm_demo.errors import BusyError, RequestError
from bksdm_demo.records import Cell, Job, Phase, Request
from bksdm_demo.runs.allowance import Allowance
from bksdm_demo.runs.fairness import Client
from bksdm_demo.runs.jobs import UNEXPECTED, JobQueue, Run, new_id

PATIENCE = 10  # seconds until a test that hangs fails
REQUEST = Request("red apple")
MODELS = ("one", "two")
ANNA, BEN = Client("anna", "192.0.2.1"), Client("ben", "192.0.2.2")


class Runner:
    """Finishes every cell; each job waits at `gate`, and `entered` counts the jobs that began."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        self.order: list[str] = []

    def __call__(self, run: Run) -> None:
        self.order.append(run.job.id)
        for index in range(len(run.job.cells)):
            run.change(index, Phase.DENOISING, step=1, steps=2)
        self.entered.release()
        assert self.gate.wait(PATIENCE)
        for index in range(len(run.job.cells)):
            if not run.stopped():
                run.change(index, Phase.DONE)


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.gate.set()


@pytest.fixture
def start(runner: Runner) -> Iterator[Callable[..., JobQueue]]:
    queues: list[JobQueue] = []

    def start(**limits: Any) -> JobQueue:
        queues.append(JobQueue(runner, **limits))
        return queues[-1]

    yield start
    runner.gate.set()
    for queue in queues:
        queue.close()


def new_job() -> Job:
    return Job(new_id(), REQUEST, tuple(Cell(model) for model in MODELS))


def phases(job: Job) -> list[Phase]:
    return [cell.phase for cell in job.cells]


def finish(queue: JobQueue, job: Job) -> Job:
    return list(queue.watch(job.id))[-1]


def test_jobs_run_in_order_and_positions_move_up(start: Callable[..., JobQueue], runner: Runner) -> None:
    queue = start()
    first = queue.submit(new_job())
    assert runner.entered.acquire(timeout=PATIENCE)
    second, third = queue.submit(new_job()), queue.submit(new_job())
    assert [queue.get(job.id).position for job in (first, second, third)] == [0, 1, 2]
    runner.gate.set()
    assert phases(finish(queue, third)) == [Phase.DONE, Phase.DONE]
    assert runner.order == [first.id, second.id, third.id]
    assert queue.get(third.id).position == 0


def test_ids_are_long_and_different(start: Callable[..., JobQueue], runner: Runner) -> None:
    runner.gate.set()
    queue = start(queue_size=100)
    ids = {queue.submit(new_job()).id for _ in range(50)}
    assert len(ids) == 50
    assert min(map(len, ids)) >= 22  # 128 bits in base 64


def test_a_full_queue_refuses(start: Callable[..., JobQueue], runner: Runner) -> None:
    queue = start(queue_size=2)
    queue.submit(new_job())
    assert runner.entered.acquire(timeout=PATIENCE)  # it runs and no longer waits
    waiting = [queue.submit(new_job()) for _ in range(2)]
    with pytest.raises(BusyError, match="2 comparisons are waiting"):
        queue.submit(new_job())
    queue.cancel(waiting[0].id)
    queue.submit(new_job())


def test_a_reserved_place_cannot_be_taken(start: Callable[..., JobQueue], runner: Runner) -> None:
    queue = start(queue_size=1)
    first = queue.submit(new_job())
    assert runner.entered.acquire(timeout=PATIENCE)
    job = new_job()
    with queue.reserved(job.id):
        with pytest.raises(BusyError, match="queue is full"):
            queue.submit(new_job())
        with pytest.raises(RequestError, match="still running"):
            queue.forget(job.id)
        with pytest.raises(RequestError, match="still running"), queue.reserved(job.id):
            pass
        queue.submit(job)
    with pytest.raises(RequestError, match="still running"), queue.reserved(first.id):
        pass
    queue.cancel(job.id)
    with queue.reserved(job.id):
        pass
    assert queue.submit(new_job()).position == 1  # a place that was not taken is free again


def test_cancel_while_queued_ends_at_once_and_others_move_up(start: Callable[..., JobQueue], runner: Runner) -> None:
    queue = start()
    queue.submit(new_job())
    assert runner.entered.acquire(timeout=PATIENCE)
    second, third = queue.submit(new_job()), queue.submit(new_job())
    cancelled = queue.cancel(second.id)
    assert cancelled.cancelled
    assert phases(cancelled) == [Phase.CANCELLED, Phase.CANCELLED]
    assert all(cell.message for cell in cancelled.cells)
    assert queue.get(third.id).position == 1
    assert finish(queue, second).finished
    runner.gate.set()
    finish(queue, third)
    assert second.id not in runner.order


def test_cancel_while_running_is_seen_by_the_runner(start: Callable[..., JobQueue], runner: Runner) -> None:
    queue = start()
    job = queue.submit(new_job())
    assert runner.entered.acquire(timeout=PATIENCE)
    assert queue.cancel(job.id).cancelled
    assert not queue.get(job.id).finished
    runner.gate.set()
    assert phases(finish(queue, job)) == [Phase.CANCELLED, Phase.CANCELLED]
    assert queue.get(job.id).cells[0].step == 1  # its last step stays


def test_cancel_after_the_end_changes_nothing(start: Callable[..., JobQueue], runner: Runner) -> None:
    runner.gate.set()
    queue = start()
    done = finish(queue, queue.submit(new_job()))
    assert queue.cancel(done.id) == done


def test_watchers_see_growing_versions_and_the_end(start: Callable[..., JobQueue], runner: Runner) -> None:
    runner.gate.set()
    queue = start()
    seen = list(queue.watch(queue.submit(new_job()).id))
    assert [job.version for job in seen] == sorted({job.version for job in seen})
    assert seen[-1].finished
    assert not any(job.finished for job in seen[:-1])


def test_a_watcher_may_leave_and_another_take_over(start: Callable[..., JobQueue], runner: Runner) -> None:
    queue = start()
    job = queue.submit(new_job())
    leaving: Any = queue.watch(job.id)
    next(leaving)
    leaving.close()  # what a closed tab does
    assert runner.entered.acquire(timeout=PATIENCE)
    runner.gate.set()
    assert phases(finish(queue, job)) == [Phase.DONE, Phase.DONE]
    assert list(queue.watch(job.id)) == [queue.get(job.id)]  # a late watcher gets the end at once


def test_a_heartbeat_repeats_the_current_snapshot(start: Callable[..., JobQueue], runner: Runner) -> None:
    queue = start()
    job = queue.submit(new_job())
    assert runner.entered.acquire(timeout=PATIENCE)
    watch = queue.watch(job.id, heartbeat=0.001)
    current = next(watch)
    assert next(watch) is current
    assert next(watch) is current


def test_unknown_ids_are_refused_at_once(start: Callable[..., JobQueue]) -> None:
    queue = start()
    for ask in (queue.get, queue.cancel, queue.watch):
        with pytest.raises(RequestError, match="no comparison with this id"):
            ask("guess")


def test_finished_jobs_are_forgotten_by_count(start: Callable[..., JobQueue], runner: Runner) -> None:
    runner.gate.set()
    queue = start(remembered_jobs=2)
    jobs = [finish(queue, queue.submit(new_job())) for _ in range(4)]
    assert [_known(queue, job) for job in jobs] == [False, False, True, True]


def test_finished_jobs_are_forgotten_by_age(start: Callable[..., JobQueue], runner: Runner) -> None:
    now = [1000.0]
    runner.gate.set()
    queue = start(remembered_seconds=60.0, clock=lambda: now[0])
    job = finish(queue, queue.submit(new_job()))
    now[0] += 60
    assert _known(queue, job)
    now[0] += 1
    assert not _known(queue, job)


def _known(queue: JobQueue, job: Job) -> bool:
    try:
        return queue.get(job.id) is not None
    except RequestError:
        return False


def test_a_running_job_is_never_forgotten(start: Callable[..., JobQueue], runner: Runner) -> None:
    queue = start(remembered_jobs=0, remembered_seconds=0.0)
    job = queue.submit(new_job())
    assert runner.entered.acquire(timeout=PATIENCE)
    assert _known(queue, job)


def test_a_runner_that_raises_fails_its_cells_and_the_worker_lives(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def run(run: Run) -> None:
        calls.append(1)
        if len(calls) == 1:
            run.change(0, Phase.DONE)
            raise RuntimeError("/secret/path")
        run.change(0, Phase.DONE)
        run.change(1, Phase.DONE)

    queue = JobQueue(run)
    failed = finish(queue, queue.submit(new_job()))
    assert phases(failed) == [Phase.DONE, Phase.FAILED]
    assert failed.cells[1].message == UNEXPECTED
    assert "/secret/path" in caplog.text
    assert phases(finish(queue, queue.submit(new_job()))) == [Phase.DONE, Phase.DONE]
    queue.close()


def test_close_interrupts_wakes_watchers_and_refuses(runner: Runner) -> None:
    queue = JobQueue(runner)
    running = queue.submit(new_job())
    assert runner.entered.acquire(timeout=PATIENCE)
    waiting = queue.submit(new_job())
    watch = queue.watch(waiting.id)
    next(watch)
    closer = threading.Thread(target=queue.close)
    closer.start()
    assert phases(list(watch)[-1]) == [Phase.INTERRUPTED, Phase.INTERRUPTED]
    runner.gate.set()
    closer.join(PATIENCE)
    assert not closer.is_alive()
    assert phases(queue.get(running.id)) == [Phase.INTERRUPTED, Phase.INTERRUPTED]
    with pytest.raises(BusyError, match="restarting"):
        queue.submit(new_job())
    queue.close()  # twice is fine


def test_the_end_of_a_job_that_was_running_at_close_is_reported_once(runner: Runner) -> None:
    ended: list[Job] = []
    queue = JobQueue(runner, ended=ended.append)
    queue.submit(new_job())
    assert runner.entered.acquire(timeout=PATIENCE)
    queue.close(timeout=0)
    runner.gate.set()
    queue._lanes[0].join(PATIENCE)
    assert not queue.working
    assert [phases(job) for job in ended] == [[Phase.INTERRUPTED, Phase.INTERRUPTED]]


def test_snapshots_cannot_be_changed(start: Callable[..., JobQueue], runner: Runner) -> None:
    runner.gate.set()
    queue = start()
    job = queue.submit(new_job())
    with pytest.raises(FrozenInstanceError):
        job.position = 7  # type: ignore[misc]


def submit(queue: JobQueue, client: Client, job: Job | None = None) -> Job:
    job = job or new_job()
    with queue.reserved(job.id):
        queue.admit(job, client)
        return queue.submit(job)


def test_fifty_visitors_are_served_before_one_visitors_second_job(
    start: Callable[..., JobQueue], runner: Runner
) -> None:
    queue = start(queue_size=100, remembered_jobs=100)
    hoarder = Client("hoarder", "192.0.2.1")
    running = submit(queue, hoarder)
    assert runner.entered.acquire(timeout=PATIENCE)
    hoard = [submit(queue, hoarder) for _ in range(17)]
    others = [submit(queue, Client(f"visitor {number}", f"198.51.100.{number}")) for number in range(50)]
    assert [queue.get(job.id).position for job in others] == list(range(1, 51))
    assert queue.get(hoard[0].id).position == 51
    runner.gate.set()
    for job in others:
        assert phases(finish(queue, job)) == [Phase.DONE, Phase.DONE]
    finish(queue, hoard[-1])
    served = [job_id for job_id in runner.order if job_id not in {job.id for job in (running, *hoard)}]
    assert served == [job.id for job in others]


def test_positions_follow_the_turns(start: Callable[..., JobQueue], runner: Runner) -> None:
    queue = start()
    submit(queue, ANNA)
    assert runner.entered.acquire(timeout=PATIENCE)
    second, third = submit(queue, ANNA), submit(queue, ANNA)
    first_of_ben = submit(queue, BEN)
    assert [queue.get(job.id).position for job in (first_of_ben, second, third)] == [1, 2, 3]
    queue.cancel(first_of_ben.id)
    assert [queue.get(job.id).position for job in (second, third)] == [1, 2]


def test_what_a_visitor_has_waiting_and_running_counts(start: Callable[..., JobQueue], runner: Runner) -> None:
    queue = start(allowance=Allowance(visitor=120))  # a job of the tests: 20 steps, 2 pictures
    running = submit(queue, ANNA)
    assert runner.entered.acquire(timeout=PATIENCE)
    waiting = [submit(queue, ANNA) for _ in range(2)]
    with pytest.raises(BusyError, match="You have 120 U-Net evaluations"):
        submit(queue, ANNA)
    submit(queue, BEN)
    queue.cancel(waiting[0].id)
    submit(queue, ANNA)
    job = new_job()
    with queue.reserved(job.id), pytest.raises(BusyError, match="You have 120"):
        queue.admit(job, ANNA)
    runner.gate.set()
    assert finish(queue, running).finished


def test_jobs_about_to_be_submitted_count(start: Callable[..., JobQueue], runner: Runner) -> None:
    queue = start(allowance=Allowance(visitor=40))
    first, second = new_job(), new_job()
    with queue.reserved(first.id), queue.reserved(second.id):
        queue.admit(first, ANNA)
        with pytest.raises(BusyError, match="You have 40"):
            queue.admit(second, ANNA)
    submit(queue, ANNA)  # the reservations are gone


def test_starting_too_often_is_refused(start: Callable[..., JobQueue], runner: Runner) -> None:
    queue = start(allowance=Allowance(visitor_rate="2/hour"))
    for _ in range(2):
        submit(queue, ANNA)
    with pytest.raises(BusyError, match="You started 2 comparisons within 1 hour"):
        submit(queue, ANNA)
    submit(queue, BEN)
