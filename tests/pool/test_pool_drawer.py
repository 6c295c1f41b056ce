"""The page's side of a pool: which worker draws, and what happens when workers, the page or the server fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bksdm_demo.errors import CancelledError
from bksdm_demo.pool import subjects, worker
from bksdm_demo.pool.address import Address
from bksdm_demo.pool.broker import Broker
from bksdm_demo.pool.messages import Told
from bksdm_demo.pool.opening import pick_up
from bksdm_demo.pool.pool_catalog import NOT_OFFERED, PoolCatalog
from bksdm_demo.pool.pool_drawer import PoolDrawer
from bksdm_demo.records import Job, Phase, Request
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.drawer import Drawn, Event, Order, Progress, WorkerLostError
from bksdm_demo.runs.pipeline_cache import PipelineCache
from bksdm_demo.store.sqlite import open_store
from tests.fakes import BLOCKED_WORD, FAMILY, FakeParts, fake_assemble, fake_metadata
from tests.pool.rigs import MODEL, Gate, InPool, InProcess, Member, never, order, until
from tests.pool.server import PATIENCE, Server

REQUEST = Request("red apple", seed=7, steps=6)


@pytest.fixture
def pool(server: Server, tmp_path: Path) -> Iterator[InPool]:
    made = InPool(server, tmp_path)
    yield made
    made.close()


class Draw(threading.Thread):
    """Draws an order in a thread of its own and keeps what is heard."""

    def __init__(self, drawer: PoolDrawer, wanted: Order) -> None:
        super().__init__(daemon=True)
        self.drawer, self.wanted = drawer, wanted
        self.cancelled = threading.Event()
        self.heard: list[Event] = []
        self.end: Drawn | BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.end = self.drawer.draw(self.wanted, self.heard.append, self.cancelled.is_set)
        except BaseException as error:
            self.end = error

    def drawn(self) -> Drawn:
        self.join(PATIENCE)
        assert isinstance(self.end, Drawn), repr(self.end)
        return self.end

    def error(self) -> BaseException:
        self.join(PATIENCE)
        assert isinstance(self.end, BaseException), repr(self.end)
        return self.end

    def phases(self) -> list[Phase]:
        return [event.phase for event in self.heard if isinstance(event, Progress)]


def image_of(request: Request, folder: Path) -> Any:
    return InProcess(folder).draw(request)[0].result.image


def held(member: Member) -> Callable[[], bool]:
    """Whether the member's U-Net was called and waits."""
    return lambda: any(engine.run_entered.is_set() for engine in member.parts.opened.values() if engine.run_gate)


# --- Which worker ----------------------------------------------------------------------------------------------------


def test_a_warm_worker_draws_and_a_cold_one_leaves_it_the_time(pool: InPool, monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds in ("COLD", "COLD_SWEEP"):
        monkeypatch.setattr(worker, seconds, PATIENCE)  # however busy this machine is
    cold, warm = pool.join("cold", {}), pool.join("warm", {})
    warm.warm()
    for number in range(6):
        drawn, _ = pool.draw(REQUEST, index=number)
        assert drawn.environment["machine"] == "warm"
    assert cold.worker.beat().drawn == 0
    assert warm.worker.beat().drawn == 6


def test_a_cold_worker_draws_if_the_warm_one_is_busy(pool: InPool) -> None:
    gate = Gate(f"{MODEL}_unet")
    warm = pool.join("warm", gate.options)
    warm.warm()
    first = Draw(pool.drawer, order(REQUEST))
    until(held(warm))
    pool.join("cold", {})
    assert pool.draw(REQUEST)[0].environment["machine"] == "cold"
    gate.open()
    assert first.drawn().environment["machine"] == "warm"


def test_a_comparison_stays_with_one_class_of_machines(pool: InPool) -> None:
    for name, machines in (("mac", "macs"), ("linux", "linuxes"), ("other", "linuxes")):
        pool.join(name, {}, machines)
    seen = set()
    for index, model in enumerate(FAMILY):
        drawn, _ = pool.draw(REQUEST, model=model, job="one", index=index, models=tuple(FAMILY))
        seen.add(drawn.result.machine.partition(": ")[2])
    assert seen == {"Fake of linuxes, 1 core"}  # which has more places


def test_the_places_of_a_comparison_are_those_of_its_class(pool: InPool) -> None:
    places = pool.drawer.places
    pool.join("mac", {}, "macs")
    assert places.kinds("one", FAMILY) == {"macs": 1}
    pool.draw(REQUEST, job="one", models=tuple(FAMILY))
    other = pool.join("linux", {}, "linuxes")
    assert places.kinds("one", FAMILY) == {"macs": 1}  # where it began
    assert places.kinds("two", FAMILY) == {"macs": 1, "linuxes": 1}
    assert places.take("two", FAMILY)
    machines = places.kind("two")
    assert pool.draw(REQUEST, job="two", models=tuple(FAMILY))[0].result.machine.endswith(f"of {machines}, 1 core")
    other.worker.stop()
    until(lambda: places.kinds("three", FAMILY) == {"macs": 1})
    assert places.kinds("three", ["a model that is gone"]) is None


def test_a_draining_worker_takes_nothing_until_it_resumes(pool: InPool) -> None:
    first, second = pool.join("first", {}), pool.join("second", {})
    first.warm()
    pool.drawer.drain("first", True)
    until(lambda: first.worker.draining)
    until(lambda: pool.drawer.roster.places() == 1)
    assert pool.draw(REQUEST)[0].environment["machine"] == "second"
    pool.drawer.drain("first", False)
    until(lambda: pool.drawer.roster.places() == 2)
    pool.drawer.drain("second", True)
    until(lambda: second.worker.draining)
    assert pool.draw(REQUEST)[0].environment["machine"] == "first"


def test_a_page_offers_what_its_workers_offer(pool: InPool, tmp_path: Path) -> None:
    catalog = PoolCatalog(tmp_path / "assets", offered=pool.drawer.roster.systems, read_metadata=fake_metadata)
    assert {system.reason for system in catalog.systems()} == {NOT_OFFERED}
    member = pool.join("only", {})
    assert [system.key for system in catalog.systems() if system.available] == list(FAMILY)
    elsewhere = PoolCatalog(tmp_path / "nothing", offered=pool.drawer.roster.systems)
    found = elsewhere.get(MODEL)
    here = member.rig.catalog.get(MODEL)
    assert (found.name, found.steps, found.parameters, found.gated) == (
        here.name, here.steps, here.parameters, here.gated
    )  # fmt: skip
    assert str(tmp_path) not in repr(found)


# --- Workers that fail -----------------------------------------------------------------------------------------------


def test_an_order_of_a_silent_worker_goes_to_another_one_and_gives_equal_pixels(pool: InPool, tmp_path: Path) -> None:
    gate = Gate(f"{MODEL}_unet")
    silent = pool.join("silent", gate.options)
    silent.warm()
    drawing = Draw(pool.drawer, order(REQUEST))
    until(held(silent))
    pool.join("spare", {}).warm()
    silent.die()
    drawn = drawing.drawn()
    assert drawn.environment["machine"] == "spare"
    np.testing.assert_array_equal(drawn.result.image, image_of(REQUEST, tmp_path))
    assert drawing.phases().count(Phase.LOADING) == 2  # it began again


def test_a_worker_that_comes_back_late_changes_nothing(pool: InPool, tmp_path: Path) -> None:
    gate = Gate(f"{MODEL}_unet")
    slow = pool.join("slow", gate.options)
    slow.warm()
    drawing = Draw(pool.drawer, order(REQUEST))
    until(held(slow))
    slow.worker._lease = None  # as if frozen: it renews nothing
    pool.join("spare", {}).warm()
    assert drawing.drawn().environment["machine"] == "spare"
    told = len(drawing.heard)
    until(lambda: slow.worker._cancelled)
    gate.open()  # it wakes up, and knows that the order is over
    pool.rest()
    assert len(drawing.heard) == told
    assert slow.unet().runs == 1
    assert pool.drawer.broker.kept(subjects.ENDS) == []


def test_an_order_that_ends_its_workers_is_given_up(pool: InPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "MOST_ATTEMPTS", 0)  # the first worker gets it as if others had died before
    pool.join("last", {})
    drawing = Draw(pool.drawer, order(REQUEST))
    error = drawing.error()
    assert isinstance(error, WorkerLostError)
    assert "machines of the pool ended while they drew this picture, so it is not tried again" in str(error)
    until(lambda: pool.drawer.broker.kept(subjects.ORDERS) == [])


def test_a_worker_that_ends_gives_its_order_back(pool: InPool) -> None:
    gate = Gate(f"{MODEL}_unet")
    leaving = pool.join("leaving", gate.options)
    leaving.warm()
    drawing = Draw(pool.drawer, order(REQUEST))
    until(held(leaving))
    pool.join("staying", {}).warm()
    stopping = threading.Thread(target=leaving.worker.stop, args=(0.0,))
    stopping.start()
    until(lambda: leaving.worker._giving_back)
    gate.open()
    assert drawing.drawn().environment["machine"] == "staying"
    stopping.join(PATIENCE)
    until(lambda: [beat.worker for beat in pool.drawer.roster.living()] == ["staying"])


def test_without_a_worker_an_order_fails_with_a_sentence(server: Server, tmp_path: Path) -> None:
    pool = InPool(server, tmp_path, lonely=0.0)
    with pytest.raises(WorkerLostError, match=f"No machine of the pool that has {MODEL} answers"):
        pool.draw(REQUEST)
    pool.close()


def test_a_cancelled_order_is_taken_back_and_its_worker_stops(pool: InPool) -> None:
    gate = Gate(f"{MODEL}_unet")
    member = pool.join("only", gate.options)
    running = Draw(pool.drawer, order(REQUEST))
    until(held(member))
    waiting = Draw(pool.drawer, order(REQUEST))
    until(lambda: len(pool.drawer.broker.kept(subjects.ORDERS)) == 2)
    for drawing in (running, waiting):
        drawing.cancelled.set()
        assert isinstance(drawing.error(), CancelledError)
    until(lambda: len(member.worker._cancelled) == 2)
    gate.open()
    pool.rest()
    until(lambda: pool.drawer.broker.kept(subjects.ORDERS) == [])
    assert member.unet().runs == 1


# --- The page and the server -----------------------------------------------------------------------------------------


def comparisons_of(pool: PoolDrawer, folder: Path) -> Comparisons:
    catalog = PoolCatalog(folder / "assets", offered=pool.roster.systems, read_metadata=fake_metadata)
    cache = PipelineCache(catalog, FakeParts(), 10**9, assemble=fake_assemble)
    return Comparisons(cache, store=open_store(folder / "store"), drawer=pool, lanes=4)


def finished(comparisons: Comparisons, job: Job) -> Job:
    *_, last = comparisons.watch(job.id, PATIENCE)
    assert last.finished
    return last


def test_a_comparison_is_drawn_by_several_workers_at_a_time(pool: InPool, tmp_path: Path) -> None:
    gates = [Gate("unet"), Gate("unet")]
    members = [pool.join(f"worker{number}", gate.options) for number, gate in enumerate(gates)]
    comparisons = comparisons_of(pool.drawer, tmp_path)
    job = comparisons.submit(REQUEST, FAMILY, seeds=(1, 2))
    for member in members:
        until(held(member))
    other = comparisons.submit(Request(f"a {BLOCKED_WORD}", steps=2), [MODEL])
    assert comparisons.get(other.id).position == 1
    for gate in gates:
        gate.open()
    ended = finished(comparisons, job)
    assert {cell.phase for cell in ended.cells} == {Phase.DONE}
    assert {cell.result.machine[:7] for cell in ended.cells if cell.result} == {"worker0", "worker1"}
    assert sorted(ended.environment["pool"]) == ["worker0: Fake of alike, 1 core", "worker1: Fake of alike, 1 core"]
    assert finished(comparisons, other).cells[0].phase is Phase.BLOCKED
    stored = comparisons._store.get(job.id)
    assert [cell.result and cell.result.machine for cell in stored.cells] == [
        cell.result and cell.result.machine for cell in ended.cells
    ]
    comparisons.close()


def test_a_page_that_restarts_picks_up_what_runs(server: Server, pool: InPool, tmp_path: Path) -> None:
    gate = Gate(f"{MODEL}_unet")
    member = pool.join("only", gate.options)
    comparisons = comparisons_of(pool.drawer, tmp_path)
    job = comparisons.submit(REQUEST, [MODEL])
    until(held(member))
    pool.drawer.leave()
    comparisons.close()
    pool.drawer.broker.close()
    gate.open()  # it is drawn while there is no page
    pool.rest()
    again = PoolDrawer(Broker(Address(server.url), "page"))
    until(lambda: again.roster.living())
    comparisons = comparisons_of(again, tmp_path)
    assert comparisons.get(job.id).cells[0].phase is Phase.INTERRUPTED
    assert pick_up(again, comparisons) == 1
    cell = finished(comparisons, job).cells[0]
    assert cell.phase is Phase.DONE
    assert member.unet().runs == REQUEST.steps  # not drawn again
    until(lambda: again.broker.kept(subjects.ENDS) == [])
    comparisons.close()
    again.close()


def test_what_nobody_follows_is_taken_back_at_the_start(server: Server, pool: InPool, tmp_path: Path) -> None:
    gate = Gate(f"{MODEL}_unet")
    member = pool.join("only", gate.options)
    drawing = Draw(pool.drawer, order(REQUEST))
    until(held(member))
    pool.drawer.leave()
    assert isinstance(drawing.error(), CancelledError)
    again = PoolDrawer(Broker(Address(server.url), "page"))
    comparisons = comparisons_of(again, tmp_path)
    assert pick_up(again, comparisons) == 0
    until(lambda: member.worker._cancelled)
    gate.open()
    pool.rest()
    until(lambda: again.broker.kept(subjects.ORDERS) == [])
    comparisons.close()
    again.close()


def test_a_server_that_restarts_loses_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path / "nats")
    pool = InPool(server, tmp_path)
    gate = Gate(f"{MODEL}_unet")
    member = pool.join("only", gate.options)
    running = Draw(pool.drawer, order(REQUEST))
    until(held(member))
    waiting = Draw(pool.drawer, order(REQUEST))
    until(lambda: len(pool.drawer.broker.kept(subjects.ORDERS)) == 2)
    server.stop()
    until(lambda: not pool.drawer.broker.connected and not member.broker.connected)
    gate.open()  # the first picture is finished while there is no server
    until(lambda: member.worker.beat().drawn)
    server.start()
    for drawing in (running, waiting):
        np.testing.assert_array_equal(drawing.drawn().result.image, image_of(REQUEST, tmp_path))
    pool.close()
    server.stop()


# --- Messages that lie -----------------------------------------------------------------------------------------------


def test_forged_and_damaged_messages_are_dropped(pool: InPool, server: Server, tmp_path: Path) -> None:
    gate = Gate(f"{MODEL}_unet")
    member = pool.join("only", gate.options)
    drawing = Draw(pool.drawer, order(REQUEST))
    until(held(member))
    (sent,) = pool.drawer._pending
    rogue = Broker(Address(server.url), "rogue")
    late = Told(sent, 0, "rogue", Progress(Phase.CHECKING, 6, 6)).write()
    for payload in (b"", b"{}", b"\xff", b'{"v":1}', late.replace(sent.encode(), b"job.1.other"), late + b"\0png"):
        rogue.tell(subjects.event_subject(sent), payload)
        rogue.tell(subjects.end_subject(sent), payload)
    rogue.tell(subjects.worker_subject("someone"), member.worker.beat().write())
    rogue.tell(subjects.bell_subject("alike", "../../etc"), b"")
    rogue.tell(subjects.cancel_subject("no.order.at.all"))
    rogue.tell(subjects.event_subject(sent), late)  # of an earlier attempt
    rogue.close()
    gate.open()
    drawn = drawing.drawn()
    np.testing.assert_array_equal(drawn.result.image, image_of(REQUEST, tmp_path))
    assert [beat.worker for beat in pool.drawer.roster.living()] == ["only"]


def test_pixels_of_a_blocked_picture_never_reach_the_server(server: Server, tmp_path: Path) -> None:
    heard: list[bytes] = []

    def ended() -> bool:
        return any(b'"says":"drawn"' in payload for payload in list(heard))

    tap = Broker(Address(server.url), "tap")
    tap.hear(">", lambda subject, payload: heard.append(payload))
    pool = InPool(server, tmp_path, {})
    shown, _ = pool.draw(REQUEST, preview_every=1)
    assert shown.result.image is not None
    until(ended)
    assert any(b"\x89PNG" in payload for payload in heard)  # the tap sees pictures
    heard.clear()
    drawn, _ = pool.draw(Request(f"a {BLOCKED_WORD}", steps=6), preview_every=1)
    assert drawn.result.verdict.blocked
    until(ended)
    pool.close()
    tap.close()
    assert not any(b"\x89PNG" in payload or b"\0" in payload for payload in heard)


def test_nothing_stays_on_the_server(pool: InPool) -> None:
    pool.join("only", {})
    for _ in range(3):
        pool.drawer.draw(order(REQUEST), lambda event: None, never)
    until(lambda: pool.drawer.broker.kept(subjects.ORDERS) == [])
    until(lambda: pool.drawer.broker.kept(subjects.ENDS) == [])
