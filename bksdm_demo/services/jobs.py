"""Jobs in one worker thread of their own, keyed by an unguessable id: queue, positions, cancel, watching, forgetting.

What a job does is the runner's business (comparison.py). Nobody holds a job: a visitor may go away in the middle and
anyone with the id takes it up again. State is kept in memory only, as frozen snapshots; every change replaces the
snapshot, raises its version and wakes the watchers.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from bksdm_demo.errors import BusyError, RequestError
from bksdm_demo.records import Column, Job, Phase, Request

logger = logging.getLogger(__name__)

UNEXPECTED = "An unexpected error stopped this model; the server's log says more. The other models are not affected."
STOPPED = "Stopped before this model was finished."
CLOSED = "The demo was shut down before this model was finished; start the comparison again."


class Run:
    """What the runner of one job sees: the job's snapshot, whether to stop, and a way to change a column."""

    def __init__(self, queue: JobQueue, job_id: str) -> None:
        self._queue, self._id = queue, job_id

    @property
    def job(self) -> Job:
        return self._queue.get(self._id)

    def stopped(self) -> bool:
        """True once the visitor cancelled or the demo is shutting down; asked between steps, so it is cheap."""
        return self._queue.stopped(self._id)

    def change(self, index: int, phase: Phase, **changes: object) -> None:
        """Bring one column to a phase and change other fields of it, unless it is final."""
        self._queue.change(self._id, index, phase, changes)


class JobQueue:
    """First in, first out. At most `queue_size` jobs wait (one more may run); finished ones are kept for a while.

    `keep_jobs` and `keep_seconds` limit the finished jobs in memory, oldest forgotten first.
    """

    def __init__(
        self,
        runner: Callable[[Run], None],
        *,
        queue_size: int = 16,
        keep_jobs: int = 64,
        keep_seconds: float = 3600.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._runner, self._clock = runner, clock
        self._queue_size, self._keep_jobs, self._keep_seconds = queue_size, keep_jobs, keep_seconds
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[str] = deque()
        self._ended: dict[str, float] = {}  # finished jobs and when, oldest first
        self._closed = False
        self._changed = threading.Condition(threading.RLock())
        self._worker = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._worker.start()

    def submit(self, request: Request, models: tuple[str, ...]) -> Job:
        """Put a job at the end of the queue. Raises BusyError when the queue is full or closed."""
        with self._changed:
            if self._closed:
                raise BusyError("The demo is shutting down and takes no new comparisons.")
            if len(self._waiting) >= self._queue_size:
                raise BusyError(f"The queue is full: {self._queue_size} comparisons are waiting. Try again later.")
            self._forget()
            columns = tuple(Column(model) for model in models)
            job = Job(secrets.token_urlsafe(16), request, columns, created=self._clock())
            self._jobs[job.id] = job
            self._waiting.append(job.id)
            self._place()
            return self._jobs[job.id]

    def get(self, job_id: str) -> Job:
        """The present snapshot. Raises RequestError for an id that is unknown or forgotten."""
        with self._changed:
            self._forget()
            if job_id not in self._jobs:
                raise RequestError("There is no comparison with this id; results are kept for a limited time only.")
            return self._jobs[job_id]

    def cancel(self, job_id: str) -> Job:
        """Stop a job: at once while it waits, after the present step while it runs, never once it is finished."""
        with self._changed:
            job = self.get(job_id)
            if not job.finished and not job.cancelled:
                self._put(replace(job, cancelled=True))
                if job_id in self._waiting:
                    self._waiting.remove(job_id)
                    self._finish(self._jobs[job_id], Phase.CANCELLED, STOPPED)
                    self._place()
            return self._jobs[job_id]

    def watch(self, job_id: str, heartbeat: float | None = None) -> Iterator[Job]:
        """Snapshots of a job: the present one, then the newest after each change, up to the finished one.

        A slow watcher misses snapshots in between, never the last. With `heartbeat` (seconds) the present snapshot
        comes again when nothing changed for so long. May be left at any time. Raises RequestError at once.
        """
        return self._watch(self.get(job_id), heartbeat)

    def _watch(self, job: Job, heartbeat: float | None) -> Iterator[Job]:
        yield job
        while not job.finished:
            job = self._newer(job, heartbeat)
            yield job

    def _newer(self, seen: Job, timeout: float | None) -> Job:
        """The job's next snapshot after `seen`, or `seen` itself after `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs.get(seen.id) is not seen, timeout)
            return self.get(seen.id)

    def stopped(self, job_id: str) -> bool:
        """True once a running job should end."""
        job = self._jobs.get(job_id)
        return self._closed or job is None or job.cancelled

    def change(self, job_id: str, index: int, phase: Phase, changes: Mapping[str, object]) -> None:
        """Bring one column to a phase; final columns stay, as `close()` may have interrupted the job meanwhile."""
        with self._changed:
            job = self._jobs.get(job_id)
            columns = list(job.columns) if job is not None else []
            if job is not None and not columns[index].phase.final:
                columns[index] = columns[index].at(phase, **changes)
                self._put(replace(job, columns=tuple(columns)))

    def close(self, timeout: float = 5.0) -> None:
        """Take no more jobs, interrupt all unfinished ones at once and wait for the worker's present step to end."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            for job in list(self._jobs.values()):
                self._finish(job, Phase.INTERRUPTED, CLOSED)
            self._changed.notify_all()
        if threading.current_thread() is not self._worker:
            self._worker.join(timeout)

    def _work(self) -> None:
        while (job_id := self._next()) is not None:
            try:
                self._runner(Run(self, job_id))
            except Exception:
                logger.exception("A comparison ended unexpectedly")
            with self._changed:
                job = self._jobs.get(job_id)
                if job is not None and job.cancelled:
                    self._finish(job, Phase.CANCELLED, STOPPED)
                elif job is not None:
                    self._finish(job, Phase.FAILED, UNEXPECTED)

    def _next(self) -> str | None:
        """The next job's id once there is one; None when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            job_id = self._waiting.popleft()
            self._put(replace(self._jobs[job_id], position=0))
            self._place()
            return job_id

    def _finish(self, job: Job, phase: Phase, message: str) -> None:
        """Bring every column that is not final to `phase`."""
        columns = tuple(column if column.phase.final else column.at(phase, message=message) for column in job.columns)
        if not job.finished:
            self._put(replace(job, columns=columns, position=0))

    def _place(self) -> None:
        """Give every waiting job its position, 1 being the next in line."""
        for position, job_id in enumerate(self._waiting, start=1):
            if self._jobs[job_id].position != position:
                self._put(replace(self._jobs[job_id], position=position))

    def _put(self, job: Job) -> None:
        self._jobs[job.id] = replace(job, version=job.version + 1)
        if job.finished:
            self._ended.setdefault(job.id, self._clock())
        self._changed.notify_all()

    def _forget(self) -> None:
        """Drop finished jobs that are too many or too old."""
        limit = self._clock() - self._keep_seconds
        while self._ended and (len(self._ended) > self._keep_jobs or next(iter(self._ended.values())) < limit):
            job_id = next(iter(self._ended))
            del self._ended[job_id], self._jobs[job_id]
