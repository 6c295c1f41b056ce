"""Ends a page's older watchers when the visitor opens another comparison on the same page.

Only the watching ends; the comparison itself keeps running. A page leaves no entry once its last watcher has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class LatestWatcher:
    """Remembers the latest watcher of each page. Safe to use from several threads."""

    def __init__(self) -> None:
        self._latest: dict[str, object] = {}
        self._lock = threading.Lock()

    @contextmanager
    def watch(self, page: str) -> Iterator[Callable[[], bool]]:
        """Register a watcher of `page` for a block and yield a function that says whether it is still the latest.

        An empty `page` means that the page is unknown: its watchers always count as the latest.
        """
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
