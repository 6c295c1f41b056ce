"""How long jobs draw: when a job has had its turn, and when it has drawn for as long as one may."""

from __future__ import annotations

import time
from collections.abc import Callable

TURN_SECONDS = 60.0  # a job that has drawn for so long lets others go first, after its present picture


class Turns:
    """The drawing time of the unfinished jobs. `limit` is in seconds, None for no limit."""

    def __init__(self, limit: float | None, turn: float = TURN_SECONDS, stopwatch: Callable[[], float] | None = None):
        self._limit, self.turn, self._stopwatch = limit, turn, stopwatch or time.monotonic
        self._began: dict[str, float] = {}  # of the running jobs
        self._earlier: dict[str, float] = {}  # seconds of the turns before the present one

    def begin(self, job_id: str) -> None:
        """A job begins a turn."""
        self._began[job_id] = self._stopwatch()

    def pause(self, job_id: str) -> None:
        """The turn ends, and the job will have another one."""
        self._earlier[job_id] = self._seconds(job_id)
        self._began.pop(job_id, None)

    def forget(self, job_id: str) -> None:
        """The job is finished."""
        self._earlier.pop(job_id, None)
        self._began.pop(job_id, None)

    def long(self, job_id: str) -> bool:
        """Whether the job's present turn has taken long enough."""
        return self.present(job_id) > self.turn

    def present(self, job_id: str) -> float:
        """The seconds of the job's present turn so far."""
        now = self._stopwatch()
        return now - self._began.get(job_id, now)

    def overtime(self, job_id: str) -> bool:
        """Whether the job has drawn for longer than one may."""
        return self._limit is not None and self._seconds(job_id) > self._limit

    def _seconds(self, job_id: str) -> float:
        return self._earlier.get(job_id, 0.0) + self.present(job_id)
