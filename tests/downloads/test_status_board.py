"""The status board: the newest notice of each kind and key, versions, and watchers that are woken."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from bksdm_demo.downloads.status_board import StatusBoard

PATIENCE = 10  # seconds until a test that hangs fails


@dataclass(frozen=True)
class Kettle:
    key: str
    degrees: int

    @property
    def active(self) -> bool:
        return self.degrees < 100


@dataclass(frozen=True)
class Toast:
    key: str
    active: bool = False


def test_the_newest_notice_of_each_kind_and_key_stays() -> None:
    status_board = StatusBoard()
    assert (status_board.snapshot().version, status_board.snapshot().active) == (0, False)
    for notice in (Kettle("red", 20), Toast("red"), Kettle("blue", 30), Kettle("red", 90)):
        status_board.post(notice)
    snapshot = status_board.snapshot()
    assert snapshot.version == 4
    assert set(snapshot.notices.values()) == {Kettle("red", 90), Kettle("blue", 30), Toast("red")}
    assert snapshot.active
    status_board.post(Kettle("red", 100))
    assert status_board.snapshot().active  # the blue one still is
    status_board.post(Kettle("blue", 100))
    assert not status_board.snapshot().active
    assert snapshot.notices[Kettle, "red"] == Kettle("red", 90)  # an earlier snapshot does not change


def test_a_watcher_is_woken_by_a_newer_version_only() -> None:
    status_board = StatusBoard()
    status_board.post(Kettle("red", 20))
    assert status_board.newer(0, PATIENCE).version == 1
    assert status_board.newer(1, 0.01).version == 1  # nothing newer in that time
    seen: list[int] = []
    watcher = threading.Thread(target=lambda: seen.append(status_board.newer(1, PATIENCE).version))
    watcher.start()
    status_board.post(Kettle("red", 40))
    watcher.join(PATIENCE)
    assert seen == [2]
