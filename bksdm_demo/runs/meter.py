"""What the service of comparisons tells whoever counts: waits, U-Net evaluations and ended pictures.

The page's metrics implement it; commands and tests count nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from bksdm_demo.records import Cell


class Meter(Protocol):
    """Called by the worker thread, so every method must be quick and must not raise."""

    def began(self, waited: float) -> None:
        """A comparison left the queue after `waited` seconds."""
        ...

    def evaluated(self, model: str, evaluations: float) -> None:
        """A denoising step of a model has ended. It took 1 evaluation of both halves, 0.5 for one half, 0 forecast."""
        ...

    def ended(self, cell: Cell) -> None:
        """A picture is done, blocked or failed; `cell` is final. Stopped pictures are not told."""
        ...


class NoMeter:
    """A meter that counts nothing."""

    def began(self, waited: float) -> None:
        pass

    def evaluated(self, model: str, evaluations: float) -> None:
        pass

    def ended(self, cell: Cell) -> None:
        pass


class Waiting:
    """Since when each job waits. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, job_id: str) -> None:
        """A job begins to wait."""
        with self._lock:
            self._since[job_id] = self._clock()

    def take(self, job_id: str) -> float | None:
        """A job waits no longer. Returns how many seconds it has waited, None if it did not wait."""
        with self._lock:
            since = self._since.pop(job_id, None)
            return None if since is None else self._clock() - since

    def seconds(self) -> tuple[float, ...]:
        """How long each waiting job has waited, in seconds, the longest first."""
        with self._lock:
            now = self._clock()
            return tuple(sorted((now - since for since in self._since.values()), reverse=True))
