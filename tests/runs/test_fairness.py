"""Who runs next, what is too much, and what is too often, by a clock that the test sets."""

from __future__ import annotations

import random
import re
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from limits.storage import memory

from bksdm_demo.errors import BusyError, RequestError
from bksdm_demo.operator_limits import OperatorLimits
from bksdm_demo.records import Cell, Job, Phase, Request
from bksdm_demo.runs import fairness
from bksdm_demo.runs.allowance import Allowance
from bksdm_demo.runs.fairness import Budgets, Client, FairQueue, Rates, network, price
from tests.fakes import FAMILY, fake_comparisons

ANNA, BEN = Client("anna", "192.0.2.1"), Client("ben", "192.0.2.2")
CARL = Client("carl", "192.0.2.2")  # beside Ben


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of the clock that the rates read."""
    now = [1_000_000.0]
    clock = SimpleNamespace(time=lambda: now[0])
    monkeypatch.setattr(memory, "time", clock)
    monkeypatch.setattr(fairness, "time", clock)
    return now


def waiting(*entries: tuple[str, Client]) -> FairQueue:
    queue = FairQueue()
    for job_id, client in entries:
        queue.add(job_id, client)
    return queue


def test_one_visitors_jobs_run_in_their_order() -> None:
    queue = waiting(("1", ANNA), ("2", ANNA), ("3", ANNA))
    assert queue.in_order() == ["1", "2", "3"]
    assert [queue.take() for _ in range(3)] == ["1", "2", "3"]
    assert len(queue) == 0


def test_visitors_take_turns_whatever_each_has_waiting() -> None:
    queue = waiting(*((f"a{number}", ANNA) for number in range(17)), ("b", BEN))
    assert queue.in_order()[:3] == ["a0", "b", "a1"]


def test_who_comes_while_another_draws_goes_before_the_others_next_job() -> None:
    queue = waiting(("a1", ANNA), ("a2", ANNA))
    assert queue.take() == "a1"
    queue.add("b", BEN)
    assert queue.in_order() == ["b", "a2"]


def test_invented_visitors_of_one_address_share_its_turns() -> None:
    invented = [(f"x{number}", Client(f"invented {number}", BEN.address)) for number in range(9)]
    queue = waiting(*invented, ("a1", ANNA), ("a2", ANNA))
    assert queue.in_order()[:5] == ["x0", "a1", "x1", "a2", "x2"]


def test_visitors_of_one_address_take_turns() -> None:
    queue = waiting(("b1", BEN), ("b2", BEN), ("b3", BEN), ("c1", CARL), ("c2", CARL))
    assert queue.in_order() == ["b1", "c1", "b2", "c2", "b3"]


def test_programs_without_a_secret_are_their_address() -> None:
    programs = [Client("", "192.0.2.7"), Client("", "192.0.2.8")]
    queue = waiting(("p1", programs[0]), ("p2", programs[0]), ("q", programs[1]))
    assert queue.in_order() == ["p1", "q", "p2"]


def test_a_job_whose_turn_is_over_goes_before_its_visitors_others() -> None:
    queue = waiting(("a1", ANNA), ("a2", ANNA), ("b", BEN))
    assert queue.take() == "a1"
    queue.add("a1", ANNA, first=True)
    assert queue.in_order() == ["b", "a1", "a2"]


def test_the_jobs_of_others() -> None:
    queue = waiting(("a", ANNA))
    assert queue.waiting(besides=ANNA) == []
    assert queue.waiting(besides=BEN) == queue.waiting() == ["a"]


def test_the_first_job_of_a_person() -> None:
    queue = waiting(("a1", ANNA), ("a2", ANNA), ("b", BEN))
    assert [queue.first(job) for job in ("a1", "a2", "b")] == [True, False, True]
    queue.remove("a1")
    assert queue.first("a2")


def test_any_order_of_adding_and_removing_leaves_what_was_promised() -> None:
    """Every job runs once, as announced, and within one round every visitor's first job runs."""
    draw = random.Random(0)
    for _ in range(50):
        queue, expected = FairQueue(), set()
        for number in range(30):
            client = Client(str(draw.randrange(6)), str(draw.randrange(3)))
            queue.add(str(number), client)
            expected.add(str(number))
            if draw.random() < 0.2:
                gone = draw.choice(sorted(expected))
                queue.remove(gone)
                expected.remove(gone)
            if draw.random() < 0.2 and expected:
                expected.discard(queue.take() or "")
        announced = queue.in_order()
        assert sorted(announced) == sorted(expected)
        assert all(job_id in queue for job_id in expected)
        assert [queue.take() for _ in announced] == announced
        queue.add("last", ANNA)
        queue.clear()
        assert queue.in_order() == []


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9%eth0", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_addresses(host: str, counted: str) -> None:
    assert network(host) == counted


def test_a_price_is_steps_times_unfinished_pictures() -> None:
    cells = (Cell("one"), Cell("two", Phase.DENOISING), Cell("three", Phase.DONE))
    assert price(Job("id", Request("red apple", steps=25), cells)) == 50


def test_budgets() -> None:
    budgets = Budgets(Allowance(visitor=100, address=150, queue=200), places=100)
    budgets.check(ANNA, 100, [(BEN, 100)])
    with pytest.raises(RequestError, match=r"takes 101 U-Net evaluations.*allows 100 at a time"):
        budgets.check(ANNA, 101, [])
    with pytest.raises(BusyError, match="You have 60 U-Net evaluations waiting"):
        budgets.check(ANNA, 41, [(ANNA, 40), (ANNA, 20)])
    with pytest.raises(BusyError, match="Your address has 90"):
        budgets.check(CARL, 61, [(BEN, 90)])
    with pytest.raises(BusyError, match="All visitors together have 150"):
        budgets.check(ANNA, 51, [(BEN, 75), (Client("dora", "192.0.2.3"), 75)])


def test_one_address_takes_at_most_half_of_the_queue() -> None:
    held = [(Client(str(number), BEN.address), 1) for number in range(5)]
    limited, unlimited = Budgets(Allowance(address=1000), places=10), Budgets(Allowance(), places=10)
    with pytest.raises(BusyError, match="half of the queue"):
        limited.check(BEN, 1, held)
    limited.check(BEN, 1, held[1:])
    limited.check(ANNA, 1, held)
    unlimited.check(BEN, 1, held)


def test_who_starts_too_often_is_told_when_to_try_again(now: list[float]) -> None:
    rates = Rates("2/minute", "")
    rates.count(ANNA)
    now[0] += 20
    rates.count(ANNA)
    sentence = "You started 2 comparisons within 1 minute, which is the most that this page allows. Try again in 40 s."
    for _ in range(3):  # a refused one is not counted
        with pytest.raises(BusyError, match=re.escape(sentence)):
            rates.count(ANNA)
    rates.count(BEN)
    now[0] += 41
    rates.count(ANNA)


def test_the_rate_of_an_address_counts_all_its_visitors(now: list[float]) -> None:
    rates = Rates("", "2/minute; 3 per 2 hours")
    for client in (BEN, CARL):
        rates.count(client)
    with pytest.raises(BusyError, match="Your address started 2 comparisons within 1 minute"):
        rates.count(replace(BEN, visitor="invented"))
    rates.count(ANNA)
    now[0] += 61
    rates.count(BEN)
    now[0] += 61
    with pytest.raises(BusyError, match="Your address started 3 comparisons within 2 hours"):
        rates.count(CARL)


def test_without_rates_nothing_is_counted() -> None:
    rates = Rates("", "")
    for _ in range(1000):
        rates.count(ANNA)


def test_a_rate_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="often"):
        Rates("often", "")


def test_fifty_visitors_of_a_public_page_are_all_served(tmp_path: Path) -> None:
    """Two models and ten steps each, beside a visitor who queues as much as the page takes."""
    gate = threading.Event()
    allowance = OperatorLimits().allowance(public=True)
    service = fake_comparisons(tmp_path, {"unet": {"run_gate": gate}}, allowance=allowance, queue_size=100)
    try:
        big, small = Request("red apple", steps=50), Request("red apple", steps=10)
        hoard = [service.submit(big, FAMILY[:2], seeds=range(8), owner="hoarder", address="192.0.2.1")]
        with pytest.raises(BusyError, match="You have 800 U-Net evaluations"):
            service.submit(big, FAMILY[:2], seeds=range(8), owner="hoarder", address="192.0.2.1")
        jobs = [
            service.submit(small, FAMILY[:2], owner=f"visitor {number}", address=f"198.51.100.{number}")
            for number in range(50)
        ]
        service.cancel(hoard[0].id)
        gate.set()
        for job in jobs:
            *_, ended = service.watch(job.id)
            assert [cell.phase for cell in ended.cells] == [Phase.DONE] * 2
    finally:
        gate.set()
        service.close()


def test_what_saves_evaluations_costs_less() -> None:
    def cost(**settings: object) -> int:
        request = Request("apple", **{"steps": 20, "guidance_scale": 3.0, **settings})  # type: ignore[arg-type]
        return price(Job("id", request, (Cell("a"), Cell("b"))))

    assert cost() == 40
    assert cost(guidance_scale=1.0) == 20
    assert cost(guidance_interval=(0, 0.5)) == 30
    assert cost(forecast=True) == 22
