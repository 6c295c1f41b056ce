"""Jobs in one worker thread of their own, keyed by an unguessable id: queue, positions, cancel, watching, forgetting.

What a job does is the runner's business (comparison.py). Nobody holds a job: a visitor may go away in the middle and
anyone with the id takes it up again. State is kept in memory only, as frozen snapshots; every change replaces the
snapshot, raises its version and wakes the watchers. What outlives the process is the store's business (store.py).
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from bksdm_demo.errors import BusyError, RequestError
from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.wording.comparison import UNKNOWN

logger = logging.getLogger(__name__)

UNEXPECTED = "An unexpected error stopped this model; the server's log says more. The other models are not affected."
STOPPED = "Stopped before this model was finished."
CLOSED = "The demo was shut down before this model was finished; start the comparison again."
RUNNING = "This comparison is still running; wait for its end or stop it first."
KEPT_PIXELS = 64 * 2**20  # bytes of pictures that finished jobs may hold in memory


def new_id() -> str:
    """128 bits of chance in base 64: cannot be guessed, says nothing, and is no option to a command line."""
    while (made := secrets.token_urlsafe(16)).startswith("-"):
        pass
    return made


def _nothing(job: Job) -> None:
    """Nobody wants to know."""


class Run:
    """What the runner of one job sees: the job's snapshot, whether to stop, and a way to change a cell."""

    def __init__(self, queue: JobQueue, job_id: str) -> None:
        self._queue, self._id = queue, job_id

    @property
    def job(self) -> Job:
        return self._queue.get(self._id)

    def stopped(self) -> bool:
        """True once the visitor cancelled or the demo is shutting down; asked between steps, so it is cheap."""
        return self._queue.stopped(self._id)

    def change(self, index: int, phase: Phase, **changes: object) -> None:
        """Bring one cell to a phase and change other fields of it, unless it is final."""
        self._queue.change(self._id, index, phase, changes)

    def put(self, index: int, cell: Cell) -> None:
        """Replace one cell, unless it is final."""
        self._queue.put(self._id, index, cell)

    def update(self, **changes: object) -> None:
        """Change fields of the job itself."""
        self._queue.update(self._id, **changes)


class JobQueue:
    """First in, first out. At most `queue_size` jobs wait (one more may run); finished ones are kept for a while.

    `keep_jobs` and `keep_seconds` limit the finished jobs in memory, oldest forgotten first, and so does the size of
    their pictures. `ended` hears of every job that has come to an end, cancelled and interrupted ones included.
    """

    def __init__(
        self,
        runner: Callable[[Run], None],
        *,
        ended: Callable[[Job], None] = _nothing,
        queue_size: int = 16,
        keep_jobs: int = 64,
        keep_seconds: float = 3600.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._runner, self._ended_hook, self.clock = runner, ended, clock
        self._queue_size, self._keep_jobs, self._keep_seconds = queue_size, keep_jobs, keep_seconds
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[str] = deque()
        self._ended: dict[str, float] = {}  # finished jobs and when, oldest first
        self._reserved: set[str] = set()  # jobs about to be submitted
        self._unsettled: set[str] = set()  # jobs that run, or whose end `ended` has not heard of yet
        self._closed = False
        self._changed = threading.Condition(threading.RLock())
        self._worker = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._worker.start()

    @contextmanager
    def reserved(self, job_id: str) -> Iterator[None]:
        """A place in the queue for the length of a block, in which the job is got ready and submitted.

        Meanwhile nobody else can reserve, submit or forget that job. Raises BusyError when the queue is full or closed,
        RequestError for a job that is waiting or running.
        """
        with self._changed:
            self._check(job_id)
            if job_id in self._reserved:
                raise RequestError(RUNNING)
            self._reserved.add(job_id)
        try:
            yield
        finally:
            with self._changed:
                self._reserved.discard(job_id)

    def _check(self, job_id: str) -> None:
        if self._closed:
            raise BusyError("The demo is shutting down and takes no new comparisons.")
        known = self._jobs.get(job_id)
        if known is not None and not known.finished:
            raise RequestError(RUNNING)
        if len(self._waiting) + len(self._reserved - {job_id}) >= self._queue_size:
            raise BusyError(f"The queue is full: {self._queue_size} comparisons are waiting. Try again later.")

    def submit(self, job: Job) -> Job:
        """Put a job at the end of the queue: a new one, or a finished one with cells that wait again.

        Raises as `reserved` does.
        """
        with self._changed:
            self._forget()
            self._check(job.id)
            known = self._jobs.get(job.id)
            self._ended.pop(job.id, None)
            version = job.version if known is None else known.version
            self._put(replace(job, version=version, cancelled=False))
            self._waiting.append(job.id)
            self._place()
            return self._jobs[job.id]

    def known(self, job_id: str) -> Job | None:
        """The present snapshot; None for an id that is unknown or forgotten."""
        with self._changed:
            self._forget()
            return self._jobs.get(job_id)

    def get(self, job_id: str) -> Job:
        """The present snapshot. Raises RequestError for an id that is unknown or forgotten."""
        job = self.known(job_id)
        if job is None:
            raise RequestError(UNKNOWN)
        return job

    def cancel(self, job_id: str) -> Job:
        """Stop a job: at once while it waits, after the present step while it runs, never once it is finished."""
        with self._changed:
            job = self.get(job_id)
            waited = job_id in self._waiting
            if not job.finished and not job.cancelled:
                self._put(replace(job, cancelled=True))
                if waited:
                    self._waiting.remove(job_id)
                    self._finish(job_id, Phase.CANCELLED, STOPPED)
                    self._place()
            job = self._jobs[job_id]
        if waited:
            self._settle(job_id)
        return job

    def watch(self, job_id: str, heartbeat: float | None = None) -> Iterator[Job]:
        """Snapshots of a job: the present one, then the newest after each change, up to the finished one.

        A slow watcher misses snapshots in between, never the last. With `heartbeat` (seconds) the present snapshot
        comes again when nothing changed for so long. May be left at any time. Raises RequestError at once.
        """
        return self._watch(self.get(job_id), heartbeat)

    def _watch(self, job: Job, heartbeat: float | None) -> Iterator[Job]:
        yield job
        while not job.finished:
            job = self.newer(job, heartbeat)
            yield job

    def newer(self, seen: Job, timeout: float | None) -> Job:
        """The job's next snapshot after `seen`, or `seen` itself after `timeout` seconds. Raises as `get` does."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs.get(seen.id) is not seen, timeout)
            return self.get(seen.id)

    def wait(self, timeout: float) -> None:
        """Until something changes, at most `timeout` seconds."""
        with self._changed:
            self._changed.wait(timeout)

    def stopped(self, job_id: str) -> bool:
        """True once a running job should end."""
        job = self._jobs.get(job_id)
        return self._closed or job is None or job.cancelled

    def change(self, job_id: str, index: int, phase: Phase, changes: Mapping[str, object]) -> None:
        """Bring one cell to a phase, unless it is final."""
        with self._changed:
            job = self._jobs.get(job_id)
            if job is not None:
                self.put(job_id, index, job.cells[index].at(phase, **changes))

    def put(self, job_id: str, index: int, cell: Cell) -> None:
        """Replace one cell; final ones stay, as `close()` may have interrupted the job meanwhile."""
        with self._changed:
            job = self._jobs.get(job_id)
            cells = list(job.cells) if job is not None else []
            if job is not None and not cells[index].phase.final:
                cells[index] = cell
                self._put(replace(job, cells=tuple(cells)))

    def update(self, job_id: str, **changes: object) -> None:
        """Change fields of a job that is known; its cells have `change`."""
        with self._changed:
            job = self._jobs.get(job_id)
            if job is not None:
                self._put(replace(job, **changes))  # type: ignore[arg-type]

    def settled(self, job_id: str) -> None:
        """Return once nobody works on the job any more and `ended` has heard of its end."""
        with self._changed:
            self._changed.wait_for(lambda: job_id not in self._unsettled)

    def forget(self, job_id: str) -> None:
        """Drop a finished job. Raises RequestError for one that waits or runs."""
        with self._changed:
            job = self._jobs.get(job_id)
            if job_id in self._reserved or (job is not None and not job.finished):
                raise RequestError(RUNNING)
            self._jobs.pop(job_id, None)
            self._ended.pop(job_id, None)
            self._changed.notify_all()

    def close(self, timeout: float = 5.0) -> None:
        """Take no more jobs, interrupt all unfinished ones at once and wait for the worker's present step to end."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            going = [job.id for job in self._jobs.values() if not job.finished]
            for job_id in going:
                self._finish(job_id, Phase.INTERRUPTED, CLOSED)
            self._changed.notify_all()
        for job_id in going:
            self._settle(job_id)
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
                cancelled = job is not None and job.cancelled
                self._finish(job_id, *((Phase.CANCELLED, STOPPED) if cancelled else (Phase.FAILED, UNEXPECTED)))
            self._settle(job_id)

    def _next(self) -> str | None:
        """The next job's id once there is one; None when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            job_id = self._waiting.popleft()
            self._unsettled.add(job_id)
            self._put(replace(self._jobs[job_id], position=0))
            self._place()
            return job_id

    def _finish(self, job_id: str, phase: Phase, message: str) -> None:
        """Bring every cell that is not final to its end; `_settle` is to follow, without the lock."""
        job = self._jobs.get(job_id)
        if job is not None and not job.finished:
            self._unsettled.add(job_id)
            ended = (cell if cell.phase.final else cell.ended(phase, message) for cell in job.cells)
            self._put(replace(job, cells=tuple(ended), position=0))

    def _settle(self, job_id: str) -> None:
        """Tell the end of a job, once it is final."""
        job = self._jobs.get(job_id)
        try:
            if job is not None:
                self._ended_hook(job)
        except Exception:
            logger.exception("The end of a comparison could not be told")
        with self._changed:
            self._unsettled.discard(job_id)
            self._changed.notify_all()

    def _place(self) -> None:
        """Give every waiting job its position, 1 being the next in line."""
        for position, job_id in enumerate(self._waiting, start=1):
            if self._jobs[job_id].position != position:
                self._put(replace(self._jobs[job_id], position=position))

    def _put(self, job: Job) -> None:
        self._jobs[job.id] = replace(job, version=job.version + 1)
        if job.finished:
            self._ended.setdefault(job.id, self.clock())
        self._changed.notify_all()

    def _forget(self) -> None:
        """Drop finished jobs that are too many, too old or too big together; one that is not settled stays."""
        limit = self.clock() - self._keep_seconds
        pixels = sum(_pixels(self._jobs[job_id]) for job_id in self._ended)
        for job_id in list(self._ended):
            crowded = len(self._ended) > self._keep_jobs or (pixels > KEPT_PIXELS and len(self._ended) > 1)
            if not crowded and self._ended[job_id] >= limit:
                break
            if job_id not in self._unsettled:
                pixels -= _pixels(self._jobs[job_id])
                del self._ended[job_id], self._jobs[job_id]


def _pixels(job: Job) -> int:
    """Bytes of the pictures a job holds."""
    images = (cell.result.image for cell in job.cells if cell.result is not None)
    return sum(image.nbytes for image in images if image is not None)
