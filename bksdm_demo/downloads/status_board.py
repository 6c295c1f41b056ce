"""The status board: the newest notice about each background task, for anyone who watches.

Downloads and prewarming post notices here, and the page reads them. Notices are frozen records. A slow watcher misses
some notices, but never the last one.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol


class Notice(Protocol):
    """A notice about `key`; `active` while more notices will follow."""

    @property
    def key(self) -> str: ...

    @property
    def active(self) -> bool: ...


@dataclass(frozen=True)
class StatusSnapshot:
    """All notices at one moment, by (kind, key). `version` grows with every change."""

    version: int
    notices: Mapping[tuple[type, str], Notice]

    @property
    def active(self) -> bool:
        """Whether more notices will follow."""
        return any(notice.active for notice in self.notices.values())


class StatusBoard:
    """Holds one notice of each kind and key. Safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._snapshot = StatusSnapshot(0, MappingProxyType({}))

    def post(self, notice: Notice) -> None:
        """Post a notice, which replaces the earlier one of its kind and key."""
        with self._changed:
            notices = {**self._snapshot.notices, (type(notice), notice.key): notice}
            self._snapshot = StatusSnapshot(self._snapshot.version + 1, MappingProxyType(notices))
            self._changed.notify_all()

    def snapshot(self) -> StatusSnapshot:
        """Return all current notices."""
        with self._changed:
            return self._snapshot

    def newer(self, seen: int, timeout: float | None = None) -> StatusSnapshot:
        """Wait until the version is above `seen`, at most `timeout` seconds, and return all notices."""
        with self._changed:
            self._changed.wait_for(lambda: self._snapshot.version > seen, timeout)
            return self._snapshot
