"""How many pictures are drawn at once. A running job has one place, and may use idle ones for its other pictures."""

from __future__ import annotations

import threading
from collections.abc import Callable


def one() -> int:
    """The places of one process: a model uses the whole machine."""
    return 1


class Places:
    """The places that pictures are drawn at. `count` says how many there are now. Safe to use from several threads."""

    def __init__(self, count: Callable[[], int] = one) -> None:
        self._count, self._used = count, 0
        self._lock = threading.Lock()
        self._watchers: list[Callable[[], None]] = []

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` whenever a place may have become free. It must be quick."""
        self._watchers.append(watcher)

    def take(self) -> bool:
        """Take a place, if one is free. Returns whether it was."""
        with self._lock:
            if self._used >= self._count():
                return False
            self._used += 1
            return True

    def give_back(self) -> None:
        """Give back a place that was taken."""
        with self._lock:
            self._used -= 1
        self.changed()

    def changed(self) -> None:
        """Tell the watchers that there may be more places than before."""
        for watcher in self._watchers:
            watcher()
