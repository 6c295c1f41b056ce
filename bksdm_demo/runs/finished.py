"""Which finished jobs stay in memory: not too many, not too old, not too many pixels. The oldest is forgotten first."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bksdm_demo.records import Job

REMEMBERED_PIXELS = 64 * 2**20  # bytes of pictures that finished jobs may hold in memory


class Finished:
    """The finished jobs and their ends in seconds, oldest first. `most` is their number, `seconds` their age."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._ends: dict[str, float] = {}

    def add(self, job_id: str, now: float) -> None:
        """A job has ended. One that has ended before keeps that end."""
        self._ends.setdefault(job_id, now)

    def drop(self, job_id: str) -> None:
        """A job is forgotten or runs again."""
        self._ends.pop(job_id, None)

    def drop_old(self, jobs: Mapping[str, Job], kept: Collection[str], now: float) -> list[str]:
        """Drop the jobs that are too many, too old or too large together, apart from `kept`. Returns their ids."""
        dropped = []
        pixels = sum(_pixels(jobs[job_id]) for job_id in self._ends)
        for job_id in list(self._ends):
            crowded = len(self._ends) > self._most or (pixels > REMEMBERED_PIXELS and len(self._ends) > 1)
            if not crowded and self._ends[job_id] >= now - self._seconds:
                break
            if job_id not in kept:
                pixels -= _pixels(jobs[job_id])
                del self._ends[job_id]
                dropped.append(job_id)
        return dropped


def _pixels(job: Job) -> int:
    """Return the bytes of the pictures that a job holds in memory."""
    images = (cell.result.image for cell in job.cells if cell.result is not None)
    return sum(image.nbytes for image in images if image is not None)
