"""The operator's tab: what it says of workers, and drain and resume, over a roster without a server."""

from __future__ import annotations

import re
from dataclasses import replace

from bksdm_demo.library.catalog import EMBEDDED
from bksdm_demo.pool.beats import Beat, Offer, read_beat
from bksdm_demo.pool.roster import Roster
from bksdm_demo.pool.subjects import GONE
from bksdm_demo.ui.pool import NOBODY, PoolHandlers, classes_markup, row_texts, state_words, table_markup

OFFERS = (Offer("c0", EMBEDDED[0], True, 2.25), Offer("c1", EMBEDDED[1]))
BEAT = Beat("studio-1", "c1a55", "Apple <M4>, 10 cores, coreml", "coreml", 1, 1, False, 1234, OFFERS, (2**30, 2**31))


class FakePool:
    """What the tab asks of a pool."""

    def __init__(self) -> None:
        self.now = 0.0
        self.roster = Roster(lambda: self.now)
        self.told: list[tuple[str, bool]] = []

    def drain(self, worker: str, draining: bool) -> None:
        self.told.append((worker, draining))


def test_a_row_says_what_a_worker_does() -> None:
    pool = FakePool()
    pool.roster.hear(read_beat(BEAT.write()))  # as it travels
    (member,) = pool.roster.members()
    assert row_texts(member) == (
        "studio-1", "Apple <M4>, 10 cores, coreml", "takes orders", "1 of 1", "1,234", "emoji-original",
        "1.07 GB of 2.15 GB",
    )  # fmt: skip
    markup = table_markup((member,))
    assert "Apple &lt;M4&gt;" in markup
    assert "<M4>" not in markup
    assert NOBODY in table_markup(())


def test_seconds_are_compared_by_class() -> None:
    pool = FakePool()
    assert classes_markup(()) == ""
    for name, machines, words, seconds in (
        ("studio-1", "m4", "Apple <M4>", 2.0),
        ("studio-2", "m4", "Apple <M4>", 3.0),
        ("rack", "epyc", "EPYC", 25.0),
        ("new", "epyc", "EPYC", None),
    ):
        offers = (replace(OFFERS[0], seconds=seconds), OFFERS[1])
        pool.roster.hear(replace(BEAT, worker=name, machines=machines, words=words, offers=offers))
    found = classes_markup(pool.roster.members())
    assert re.findall(r"<th scope[^>]*>([^<]*)", found) == ["Model", "EPYC: 2 workers", "Apple &lt;M4&gt;: 2 workers"]
    assert re.findall(r"<td>([^<]*)", found) == ["emoji-original", "25.0", "2.5"]
    pool.now = GONE
    assert classes_markup(pool.roster.members()) == ""  # of silent ones


def test_a_worker_that_drains_or_is_silent_says_so() -> None:
    pool = FakePool()
    pool.roster.hear(replace(BEAT, draining=True))
    assert [state_words(member) for member in pool.roster.members()] == ["draining"]
    assert pool.roster.places() == 0
    pool.now = GONE + 7
    assert [state_words(member) for member in pool.roster.members()] == ["silent for 12 s"]
    assert pool.roster.living() == []


def test_only_a_worker_of_the_pool_is_told_anything() -> None:
    pool = FakePool()
    handlers = PoolHandlers(pool)  # type: ignore[arg-type]
    assert "Choose a worker first" in handlers.drain("nobody").notice
    assert "Choose a worker first" in handlers.resume(None).notice
    pool.roster.hear(BEAT)
    assert "studio-1 was told to drain" in handlers.drain("studio-1").notice
    assert "studio-1 was told to take orders" in handlers.resume("studio-1").notice
    assert pool.told == [("studio-1", True), ("studio-1", False)]
    assert handlers.show("gone").worker["value"] is None
