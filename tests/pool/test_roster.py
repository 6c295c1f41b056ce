"""The page's list of workers: who counts, and which class of machines a job goes to."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from bksdm_demo.errors import DemoError
from bksdm_demo.library.catalog import EMBEDDED
from bksdm_demo.pool.beats import Beat, Offer, machine_class, read_beat
from bksdm_demo.pool.roster import Roster
from bksdm_demo.pool.subjects import GONE
from bksdm_demo.runs.cells import both_machines

TINY, BASE = EMBEDDED[3], EMBEDDED[1]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def beat(worker: str, machines: str, *offers: Offer, **changes: Any) -> Beat:
    return Beat(worker, machines, "words", "fake", offers=offers, **changes)


def test_a_silent_worker_no_longer_counts_and_a_goodbye_counts_at_once() -> None:
    clock = Clock()
    roster = Roster(clock)
    assert roster.hear(beat("one", "a", Offer("c0", TINY)))
    assert not roster.hear(beat("one", "a", Offer("c0", TINY), busy=1))
    assert roster.hear(beat("one", "a", Offer("c0", TINY), places=2))
    assert (roster.places(), list(roster.offers())) == (2, [TINY.key])
    clock.now = GONE
    assert (roster.places(), roster.offers()) == (0, {})
    assert roster.hear(beat("one", "a", Offer("c0", TINY), places=2))  # it is back
    roster.hear(beat("one", "a", places=0))
    assert roster.members() == ()


def test_the_content_that_most_workers_have_is_offered() -> None:
    roster = Roster()
    for name, content in (("one", "rare"), ("two", "common"), ("three", "common")):
        roster.hear(beat(name, "a", Offer(content, TINY)))
    assert roster.offers()[TINY.key].content == "common"
    assert roster.classes("rare") == {"a"}


def test_a_job_goes_where_all_its_models_are_then_where_places_are_free() -> None:
    roster = Roster()
    roster.hear(beat("one", "a", Offer("c0", TINY), places=4))
    roster.hear(beat("two", "b", Offer("c0", TINY), Offer("c1", BASE)))
    none: Counter[str] = Counter()
    assert roster.choose("c0", ["c0"], none) == "a"
    assert roster.choose("c0", ["c0", "c1"], none) == "b"
    assert roster.choose("c0", ["c0"], Counter({"a": 4})) == "b"
    assert roster.choose("c2", ["c2"], none) is None


def test_a_class_is_a_processor_with_an_engine_and_its_options() -> None:
    described = {"cpu": {"name": "Apple M4", "count": 10, "quota": None}, "platform": "macOS-26", "packages": {}}
    token, words = machine_class("coreml", described, {"precision": "auto"})
    assert words == "Apple M4, 10 cores, coreml"
    assert machine_class("coreml", described, {"precision": "auto"})[0] == token
    others = [
        machine_class("openvino", described, {"precision": "auto"}),
        machine_class("coreml", described, {"precision": "f16"}),
        machine_class("coreml", {**described, "cpu": {"name": "Apple M2", "count": 10}}, {"precision": "auto"}),
    ]
    assert len({token, *(other for other, _ in others)}) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"worker": "a.b"},
        {"worker": "*"},
        {"machines": ""},
        {"places": 10**6},
        {"busy": -1},
        {"draining": 1},
        {"offers": {}},
        {"offers": [{}]},
        {"offers": [{"content": "../..", "warm": True, "system": {}}]},
        {"offers": [None]},
    ],
)
def test_a_sign_of_life_that_says_anything_else_is_refused(change: dict[str, Any]) -> None:
    record = json.loads(beat("one", "a", Offer("c0", TINY)).write()) | change
    with pytest.raises(DemoError):
        read_beat(json.dumps(record).encode())


def test_machines_that_drew_one_comparison_are_described_together() -> None:
    first = {"cpu": 1, "parts": {"a": {}}, "pool": ["one"]}
    second = {"cpu": 2, "parts": {"b": {}}, "pool": ["two"]}
    assert both_machines(first, second) == {"cpu": 2, "parts": {"a": {}, "b": {}}, "pool": ["one", "two"]}
    assert both_machines({}, {"cpu": 2}) == {"cpu": 2}
