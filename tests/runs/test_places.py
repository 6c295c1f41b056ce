"""Places: how many jobs run at a time, and the further pictures of one job that idle places draw."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bksdm_demo.errors import CancelledError
from bksdm_demo.records import Cell, Job, Phase, Request, Result, Timings, Verdict
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.drawer import Drawn, Event, Order
from bksdm_demo.runs.jobs import JobQueue, Run, new_id
from bksdm_demo.runs.pipeline_cache import PipelineCache
from bksdm_demo.runs.places import Places
from tests.fakes import FAMILY, FakeParts, fake_assemble, fake_catalog
from tests.runs.test_jobs import PATIENCE, finish, phases

REQUEST = Request("red apple")


class Crowd:
    """A Drawer with places that the test sets; each picture waits until the test lets it end."""

    def __init__(self, places: int) -> None:
        self.count = places
        self.places = Places(lambda: self.count)
        self.begun: list[Order] = []
        self.ends = threading.Semaphore(0)
        self.heard = threading.Condition()

    def draw(self, order: Order, tell: Callable[[Event], None], cancelled: Callable[[], bool]) -> Drawn:
        with self.heard:
            self.begun.append(order)
            self.heard.notify_all()
        assert self.gate(order.job).acquire(timeout=PATIENCE)
        if cancelled():
            raise CancelledError("Stopped.")
        return Drawn(Result(order.model, order.request, Verdict(True, "Blocked."), Timings()), {"machine": "far"})

    def gate(self, job: str) -> threading.Semaphore:
        """What a picture of this job waits for."""
        return self.ends

    def wait(self, count: int) -> None:
        with self.heard:
            assert self.heard.wait_for(lambda: len(self.begun) >= count, PATIENCE)

    def jobs(self) -> list[str]:
        return [order.job for order in self.begun]


def comparisons(folder: Path, crowd: Crowd, **limits: Any) -> Comparisons:
    cache = PipelineCache(fake_catalog(folder), FakeParts(), 10**6, assemble=fake_assemble)
    return Comparisons(cache, drawer=crowd, lanes=4, **limits)


def test_a_place_is_taken_once_and_watchers_hear_of_free_ones() -> None:
    heard: list[int] = []
    places = Places(lambda: 2)
    places.watch(lambda: heard.append(1))
    assert [places.take() for _ in range(3)] == [True, True, False]
    places.give_back()
    assert heard == [1]
    assert places.take()
    assert not places.take()


def test_a_job_keeps_to_one_kind_and_takes_the_one_with_most_room() -> None:
    places = Places(kinds=lambda job, models: {"mac": 1, "linux": 2} if models == ["both"] else {"mac": 1})
    assert places.take("one", ["both"])
    assert places.kind("one") == "linux"
    assert places.take("two", ["both"])
    assert places.kind("two") == "mac"
    assert not places.take("three", ["a"])  # only macs can, and there is none
    assert places.take("one", ["both"])
    assert not places.take("two", ["both"])
    places.give_back("two")
    assert places.kind("two") is None
    assert places.take("three", ["a"])


def test_what_nothing_will_ever_draw_may_begin_and_fail() -> None:
    places = Places(kinds=lambda job, models: None)
    assert places.take("one", ["a"])
    assert places.take("two", ["a"])


def test_as_many_jobs_run_as_there_are_places() -> None:
    entered, gate = threading.Semaphore(0), threading.Event()

    def run(run: Run) -> None:
        entered.release()
        assert gate.wait(PATIENCE)
        run.change(0, Phase.DONE)

    places = [1]
    seats = Places(lambda: places[0])
    queue = JobQueue(run, places=seats, lanes=3)
    jobs = [queue.submit(Job(new_id(), REQUEST, (Cell("a"),))) for _ in range(3)]
    assert entered.acquire(timeout=PATIENCE)
    assert [queue.get(job.id).position for job in jobs] == [0, 1, 2]
    places[0] = 2
    seats.changed()
    assert entered.acquire(timeout=PATIENCE)
    assert [queue.get(job.id).position for job in jobs] == [0, 0, 1]
    assert not entered.acquire(blocking=False)
    gate.set()
    assert [phases(finish(queue, job)) for job in jobs] == [[Phase.DONE]] * 3
    queue.close()


def test_idle_places_draw_further_pictures_until_others_wait(tmp_path: Path) -> None:
    crowd = Crowd(3)
    service = comparisons(tmp_path, crowd)
    wide = service.submit(REQUEST, FAMILY, seeds=(1, 2))  # 8 pictures
    crowd.wait(3)
    other = service.submit(REQUEST, FAMILY[:1])
    assert service.get(other.id).position == 1  # all places are taken
    crowd.ends.release()
    crowd.wait(4)
    for _ in range(8):
        crowd.ends.release()
    assert {cell.phase for cell in list(service.watch(wide.id, PATIENCE))[-1].cells} == {Phase.BLOCKED}
    assert list(service.watch(other.id, PATIENCE))[-1].finished
    assert sorted(order.index for order in crowd.begun if order.job == wide.id) == list(range(8))  # each once
    assert other.id in crowd.jobs()[3:6]  # before the rest of the wide one
    assert service.get(wide.id).environment == {"machine": "far"}
    service.close()


class Kinds(Crowd):
    """A mac and a linux, one place each. `able` are the kinds for each model; the others are for both.

    Each job has a gate of its own.
    """

    def __init__(self, able: dict[str, str]) -> None:
        super().__init__(0)
        self.able, self.macs = able, 1
        self.gates: dict[str, threading.Semaphore] = {}
        self.places = Places(kinds=self.kinds)

    def gate(self, job: str) -> threading.Semaphore:
        return self.gates.setdefault(job, threading.Semaphore(0))

    def kinds(self, job: str, models: Sequence[str]) -> dict[str, int]:
        every = {"mac": self.macs, "linux": 1}
        return {self.able[models[0]]: every[self.able[models[0]]]} if models and models[0] in self.able else every


def test_others_pass_a_job_that_cannot_begin_and_it_gets_the_next_place_for_it(tmp_path: Path) -> None:
    mac, linux, both = FAMILY[:3]
    crowd = Kinds({mac: "mac", linux: "linux"})
    service = comparisons(tmp_path, crowd)

    def submit(owner: str, *models: str, seeds: tuple[int, ...] = ()) -> str:
        return service.submit(REQUEST, models, seeds=seeds, owner=owner, address=owner).id

    first = submit("anna", mac, seeds=(1, 2))
    crowd.wait(1)
    head, mine, later = submit("ben", mac), submit("ben", linux), submit("cara", linux)
    crowd.wait(2)
    assert crowd.jobs() == [first, later]  # Cara's passes Ben's, whose own second one waits behind his first
    assert [service.get(job).position for job in (head, mine)] == [1, 2]
    more = submit("dora", both)
    assert service.get(more).position == 2  # before the second one of Ben
    crowd.gate(later).release()
    crowd.wait(3)
    crowd.gate(first).release()  # her turn is not over, so Anna's second picture follows
    crowd.wait(4)
    assert crowd.jobs()[2:] == [more, first]
    crowd.gate(first).release()
    crowd.wait(5)
    crowd.gate(more).release()
    crowd.wait(6)
    assert crowd.jobs()[4:] == [head, mine]
    for job in (head, mine):
        crowd.gate(job).release()
    for job in (first, head, mine, later, more):
        assert list(service.watch(job, PATIENCE))[-1].finished
    service.close()


def test_idle_places_widen_a_job_if_those_who_wait_cannot_use_them(tmp_path: Path) -> None:
    mac, linux, *_ = FAMILY
    crowd = Kinds({mac: "mac", linux: "linux"})
    crowd.macs = 2
    service = comparisons(tmp_path, crowd)
    busy = service.submit(REQUEST, [linux], owner="anna")
    crowd.wait(1)
    waiting = service.submit(REQUEST, [linux], owner="ben")
    wide = service.submit(REQUEST, [mac], seeds=(1, 2), owner="cara")
    crowd.wait(3)
    assert sorted(crowd.jobs()) == sorted([busy.id, wide.id, wide.id])
    assert [service.get(job.id).position for job in (waiting, wide)] == [1, 0]
    for one in (busy.id, waiting.id, wide.id, wide.id):
        crowd.gate(one).release()
    for job in (busy, waiting, wide):
        assert list(service.watch(job.id, PATIENCE))[-1].finished
    service.close()


def test_a_waiting_job_knows_when_it_begins(tmp_path: Path) -> None:
    crowd = Crowd(1)
    service = comparisons(tmp_path, crowd)
    service._jobs.speeds.drawn("", FAMILY[0], REQUEST, denoising=90.0, other=10.0)
    running = service.submit(REQUEST, FAMILY[:1], seeds=(1, 2))
    crowd.wait(1)
    began = service._jobs.clock()
    jobs = [service.submit(REQUEST, FAMILY[:1], owner=owner) for owner in ("anna", "ben")]
    waits = [(service.get(job.id).starts or 0.0) - began for job in jobs]
    assert [round(wait, -1) for wait in waits] == [100.0, 200.0]  # the first turn ends after its picture
    service.cancel(jobs[0].id)
    assert round((service.get(jobs[1].id).starts or 0.0) - began, -1) == 100.0
    crowd.ends.release(3)
    *_, last = service.watch(jobs[1].id, PATIENCE)
    assert last.finished
    assert last.starts is None
    assert list(service.watch(running.id, PATIENCE))[-1].finished
    service.close()


def test_a_cancel_stops_every_picture_of_a_job(tmp_path: Path) -> None:
    crowd = Crowd(4)
    service = comparisons(tmp_path, crowd)
    job = service.submit(REQUEST, FAMILY, seeds=(1, 2))
    crowd.wait(4)
    service.cancel(job.id)
    for _ in range(8):
        crowd.ends.release()
    assert {cell.phase for cell in list(service.watch(job.id, PATIENCE))[-1].cells} == {Phase.CANCELLED}
    assert len(crowd.begun) == 4
    crowd.count = 1
    again = service.submit(REQUEST, FAMILY[:1])  # the places are free again
    crowd.wait(5)
    assert list(service.watch(again.id, PATIENCE))[-1].finished
    service.close()
