"""A network that is split while a picture is drawn, and heals: nothing is lost, and nothing is kept twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.pool_relay import Relay
from bksdm_demo.pool import subjects
from tests.pool.rigs import MODEL, Gate, InPool, InProcess, order, until
from tests.pool.server import Server
from tests.pool.test_pool_drawer import REQUEST, Draw, held


@pytest.fixture
def relay(server: Server) -> Iterator[Relay]:
    made = Relay(server.port)
    yield made
    made.close()


def test_a_worker_behind_a_split_is_replaced_and_comes_back(server: Server, relay: Relay, tmp_path: Path) -> None:
    pool, gate = InPool(server, tmp_path), Gate(f"{MODEL}_unet")
    cut = pool.join("cut", gate.options, url=relay.url)
    cut.warm()
    drawing = Draw(pool.drawer, order(REQUEST))
    until(held(cut))
    pool.join("spare", {}).warm()
    relay.split()
    drawn = drawing.drawn()
    assert drawn.environment["machine"] == "spare"
    np.testing.assert_array_equal(drawn.result.image, InProcess(tmp_path).draw(REQUEST)[0].result.image)
    told = len(drawing.heard)
    gate.open()
    relay.heal()
    pool.rest()
    until(lambda: {beat.worker for beat in pool.drawer.roster.living()} == {"cut", "spare"})
    assert len(drawing.heard) == told
    until(lambda: pool.drawer.broker.kept(subjects.ORDERS) + pool.drawer.broker.kept(subjects.ENDS) == [])
    pool.close()


def test_a_page_behind_a_split_reads_the_end_afterwards(server: Server, relay: Relay, tmp_path: Path) -> None:
    pool, gate = InPool(server, tmp_path, url=relay.url), Gate(f"{MODEL}_unet")
    member = pool.join("only", gate.options)
    member.warm()
    drawing = Draw(pool.drawer, order(REQUEST))
    until(held(member))
    relay.split(hang_up=True)
    until(lambda: not pool.drawer.broker.connected)
    gate.open()  # it is drawn and kept while the page hears nothing
    pool.rest()
    relay.heal()
    assert drawing.drawn().environment["machine"] == "only"
    assert member.unet().runs == REQUEST.steps  # once
    until(lambda: pool.drawer.broker.kept(subjects.ENDS) == [])
    pool.close()


def test_an_order_that_meets_a_split_is_drawn_once(server: Server, relay: Relay, tmp_path: Path) -> None:
    pool = InPool(server, tmp_path, url=relay.url)
    member = pool.join("only", {})
    member.warm()
    relay.split(hang_up=True)
    until(lambda: not pool.drawer.broker.connected)
    drawing = Draw(pool.drawer, order(REQUEST))
    healing = threading.Timer(0.3, relay.heal)  # while the page tries to send it
    healing.start()
    assert drawing.drawn().result.image is not None
    assert member.unet().runs == REQUEST.steps
    healing.join()
    pool.close()
