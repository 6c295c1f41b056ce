"""What a runner sees of the job it runs: the snapshot, whether to stop, and methods to change it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bksdm_demo.records import Cell, Job, Phase, Request
from bksdm_demo.runs.places import Places
from bksdm_demo.runs.speeds import Lesson, Speeds


class Jobs(Protocol):
    """What a Run asks of the queue, see jobs.py."""

    places: Places
    speeds: Speeds

    def get(self, job_id: str) -> Job: ...
    def stopped(self, job_id: str) -> bool: ...
    def turn_over(self, job_id: str) -> bool: ...
    def crowded(self, job_id: str) -> bool: ...
    def more_room(self, job_id: str) -> bool: ...
    def change(self, job_id: str, index: int, phase: Phase, changes: Mapping[str, object]) -> None: ...
    def put(self, job_id: str, index: int, cell: Cell) -> None: ...
    def update(self, job_id: str, **changes: object) -> None: ...


class Run:
    """The runner's view of one job. Safe to use from several threads."""

    def __init__(self, jobs: Jobs, job_id: str) -> None:
        self._jobs, self._id = jobs, job_id
        self.paused = False  # whether the runner was told to pause
        self._resting = False

    @property
    def job(self) -> Job:
        return self._jobs.get(self._id)

    def lesson(self, model: str, request: Request) -> Lesson:
        """What learns the seconds of one picture while it is drawn."""
        return Lesson(self._jobs.speeds, self._jobs.places.kind(self._id) or "", model, request)

    def stopped(self) -> bool:
        """Whether the job should end: cancelled, over its time, or the demo shuts down. Cheap: asked between steps."""
        return self._jobs.stopped(self._id)

    def turn_over(self) -> bool:
        """Whether the runner should return and go on later, because others wait. Ask between two pictures."""
        self.paused = self._jobs.turn_over(self._id)
        return self.paused

    def more_room(self) -> bool:
        """Take one more place, for another picture at the same time: only while no job waits for such a one.

        Whoever gets True calls `leave_room` afterwards.
        """
        return self._jobs.more_room(self._id)

    def crowded(self) -> bool:
        """Whether another job waits for such a place."""
        return self._jobs.crowded(self._id)

    def leave_room(self) -> None:
        """Give back a place from `more_room`."""
        self._jobs.places.give_back(self._id)

    def rest(self) -> None:
        """Give back the job's own place: nothing of it is drawn there any more. A second call does nothing."""
        if not self._resting:
            self._resting = True
            self._jobs.places.give_back(self._id)

    def change(self, index: int, phase: Phase, **changes: object) -> None:
        """Set one cell's phase and other fields, unless the cell is final."""
        self._jobs.change(self._id, index, phase, changes)

    def put(self, index: int, cell: Cell) -> None:
        """Replace one cell, unless it is final."""
        self._jobs.put(self._id, index, cell)

    def update(self, **changes: object) -> None:
        """Change fields of the job itself."""
        self._jobs.update(self._id, **changes)
