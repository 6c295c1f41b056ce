"""How long jobs draw: when a job has had its turn, and when it has drawn for as long as one may."""

from __future__ import annotations

import time
from collections.abc import Callable

TURN_SECONDS = 60.0  # a job that has drawn for so long lets others go first, after its present picture


class Turns:
    """The drawing time of the unfinished jobs; one runs at a time. `limit` is in seconds, None for no limit."""

    def __init__(self, limit: float | None, turn: float = TURN_SECONDS, stopwatch: Callable[[], float] | None = None):
        self._limit, self._turn, self._stopwatch = limit, turn, stopwatch or time.monotonic
        self._began = 0.0
        self._earlier: dict[str, float] = {}  # seconds of the turns before the present one

    def begin(self) -> None:
        """The next job begins a turn."""
        self._began = self._stopwatch()

    def pause(self, job_id: str) -> None:
        """The turn ends, and the job will have another one."""
        self._earlier[job_id] = self._seconds(job_id)

    def forget(self, job_id: str) -> None:
        """The job is finished."""
        self._earlier.pop(job_id, None)

    def long(self) -> bool:
        """Whether the present turn has taken long enough."""
        return self._stopwatch() - self._began > self._turn

    def overtime(self, job_id: str) -> bool:
        """Whether the job whose turn it is has drawn for longer than one may."""
        return self._limit is not None and self._seconds(job_id) > self._limit

    def _seconds(self, job_id: str) -> float:
        return self._earlier.get(job_id, 0.0) + self._stopwatch() - self._began
