"""The newest notice about each of several things that go on in the background, for anyone who watches them.

Downloads and prewarming post here; the page reads here. Notices are frozen records; a watcher that is slow misses some
in between, never the last.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol


class Notice(Protocol):
    """What is posted: about `key`, and whether there is more to come."""

    @property
    def key(self) -> str: ...

    @property
    def active(self) -> bool: ...


@dataclass(frozen=True)
class StatusSnapshot:
    """All notices at one moment by (kind, key); `version` grows with every change."""

    version: int
    notices: Mapping[tuple[type, str], Notice]

    @property
    def active(self) -> bool:
        """Whether there is more to come."""
        return any(notice.active for notice in self.notices.values())


class StatusBoard:
    """A board of notices, one of each kind and key. Safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._posted = StatusSnapshot(0, MappingProxyType({}))

    def post(self, notice: Notice) -> None:
        """Put a notice in the place of the earlier one of its kind and key."""
        with self._changed:
            notices = {**self._posted.notices, (type(notice), notice.key): notice}
            self._posted = StatusSnapshot(self._posted.version + 1, MappingProxyType(notices))
            self._changed.notify_all()

    def posted(self) -> StatusSnapshot:
        """All notices as they are now."""
        with self._changed:
            return self._posted

    def newer(self, seen: int, timeout: float | None = None) -> StatusSnapshot:
        """All notices once their version is above `seen`, or as they are after `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._posted.version > seen, timeout)
            return self._posted
