"""The progress of a fetch: the record that is reported, and the meter that derives speed and time left from bytes.

The speed is an average over the last few seconds, so that it follows changes of the connection. Reports are limited in
number, so that they do not flood a page or a terminal. Leaves out words: the page and the command line write those.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

WINDOW = 5.0  # seconds over which speed is measured
INTERVAL = 0.2  # seconds between two reports, at least


class Stage(StrEnum):
    """The stage of a fetch. WAITING means that another process fetches the same system."""

    WAITING = "waiting"
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    UNPACKING = "unpacking"


@dataclass(frozen=True)
class Progress:
    """One report: bytes done of `total_bytes` in this stage, bytes per second and seconds left (None if unknown)."""

    stage: Stage
    done_bytes: int = 0
    total_bytes: int = 0
    bytes_per_second: float | None = None
    seconds_left: float | None = None


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """A report that does nothing."""


class Meter:
    """Counts the bytes of one stage. Reports at the start, at the end, and every INTERVAL seconds in between.

    The speed leaves out the `done_bytes` of the start. For use by one thread.
    """

    def __init__(
        self,
        stage: Stage,
        total_bytes: int,
        report: Report,
        done_bytes: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stage, self._total, self._report, self._clock = stage, total_bytes, report, clock
        self._samples: deque[tuple[float, int]] = deque()
        self.done_bytes = done_bytes
        self._send(clock())

    def add(self, count: int) -> None:
        """`count` more bytes are done."""
        self.done_bytes += count
        now = self._clock()
        if now - self._samples[-1][0] >= INTERVAL or self.done_bytes >= self._total:
            self._send(now)

    def restart(self, done_bytes: int) -> None:
        """Set the count to `done_bytes` and measure the speed anew, because the server cannot continue."""
        self.done_bytes = done_bytes
        self._samples.clear()
        self._send(self._clock())

    def _send(self, now: float) -> None:
        self._samples.append((now, self.done_bytes))
        while len(self._samples) > 2 and now - self._samples[0][0] > WINDOW:
            self._samples.popleft()
        began, before = self._samples[0]
        speed = (self.done_bytes - before) / (now - began) if now > began and self.done_bytes > before else None
        left = (self._total - self.done_bytes) / speed if speed is not None else None
        self._report(Progress(self._stage, self.done_bytes, self._total, speed, left))
