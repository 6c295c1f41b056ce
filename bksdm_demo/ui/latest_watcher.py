"""Which of a page's watchers goes on: whoever opens another comparison no longer wants the pictures of the one before.

The comparison itself runs on; only the watching ends. Nothing is kept of a page once its last watcher has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class LatestWatcher:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._latest: dict[str, object] = {}
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, page: str) -> Iterator[Callable[[], bool]]:
        """For the length of a block: whether no later turn of `page` has begun; of "", no page, turns never end."""
        token = object()
        if page:
            with self._lock:
                self._latest[page] = token
        try:
            yield lambda: not page or self._latest.get(page) is token
        finally:
            with self._lock:
                if self._latest.get(page) is token:
                    del self._latest[page]
