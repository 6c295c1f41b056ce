"""The queue of jobs and the threads that run them, visitor by visitor: as many at a time as there are places.

A job has an unguessable id and belongs to no connection: a visitor may leave, and anyone with the id can watch again.
The queue keeps frozen snapshots in memory. Every change replaces the snapshot, raises its version and wakes the
watchers. comparisons.py draws the pictures of a job, and the store keeps what outlives the process.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from bksdm_demo.errors import BusyError, RequestError
from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.runs.allowance import Allowance
from bksdm_demo.runs.fairness import NOBODY, Budgets, Client, FairQueue, Rates, price
from bksdm_demo.runs.finished import Finished
from bksdm_demo.runs.job_run import Run
from bksdm_demo.runs.outlook import Outlook
from bksdm_demo.runs.places import Places
from bksdm_demo.runs.speeds import Speeds
from bksdm_demo.runs.turns import TURN_SECONDS, Turns
from bksdm_demo.units import duration
from bksdm_demo.wording.comparison import UNKNOWN

logger = logging.getLogger(__name__)

UNEXPECTED = "An unexpected error stopped this model. The server's log has the details. Other models are not affected."
STOPPED = "Stopped before this model was finished."
OVERTIME = "Stopped: one comparison draws for {} at most on this page. Run the rest to continue it."
CLOSED = "The demo was shut down before this model was finished. Start the comparison again."
RESTARTING = "The server is restarting and accepts no new comparisons. Try again in a minute."
RUNNING = "This comparison is still running. Wait for its end or stop it first."
LOOK_AGAIN = 5.0  # seconds after which a lane looks again, although nobody told of a free place


def new_id() -> str:
    """Return 128 random bits in base 64. Without a leading "-", which a command line would read as an option."""
    while (made := secrets.token_urlsafe(16)).startswith("-"):
        pass
    return made


def _ignore_end(job: Job) -> None:
    pass


class JobQueue:
    """Visitors take turns; a visitor's jobs run in their order. At most `queue_size` jobs wait, beside the running one.

    A job whose turn is over waits again if others wait; it keeps its finished pictures. `allowance` has the budgets,
    the rates and the time of one job. `clock` gives seconds since the epoch, `stopwatch` seconds since any moment.
    Finished jobs stay in memory, at most `remembered_jobs` of them for `remembered_seconds`. `ended` is called after
    the end of every job, cancelled and interrupted jobs included. A job runs once it has one of `places`, and others
    pass it if none fits; at most `lanes` jobs run at a time.
    """

    def __init__(
        self,
        runner: Callable[[Run], None],
        *,
        ended: Callable[[Job], None] = _ignore_end,
        queue_size: int = 16,
        remembered_jobs: int = 64,
        remembered_seconds: float = 3600.0,
        allowance: Allowance | None = None,
        turn_seconds: float = TURN_SECONDS,
        clock: Callable[[], float] = time.time,
        stopwatch: Callable[[], float] = time.monotonic,
        places: Places | None = None,
        lanes: int = 1,
    ) -> None:
        self._runner, self._ended_hook, self.clock = runner, ended, clock
        self._queue_size, self._allowance = queue_size, allowance or Allowance()
        self._budgets = Budgets(self._allowance, queue_size)
        self._rates = Rates(self._allowance.visitor_rate, self._allowance.address_rate)
        self._turns = Turns(self._allowance.seconds, turn_seconds, stopwatch)
        self._jobs: dict[str, Job] = {}
        self._waiting = FairQueue()
        self._clients: dict[str, Client] = {}  # whose the unfinished jobs are
        self._finished = Finished(remembered_jobs, remembered_seconds)
        self._reserved: dict[str, tuple[Client, int]] = {}  # jobs about to be submitted, with their prices
        self._unsettled: set[str] = set()  # running jobs, and finished ones until `ended` has returned
        self._closed = False
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        self._ready = threading.Condition(lock)  # a lane looks for its next job
        self.places = places or Places()
        self.speeds = Speeds()
        self._outlook = Outlook(self.places, self.speeds, self._turns, stopwatch)
        self.places.watch(self.look)
        self._lanes = [threading.Thread(target=self._work, name="jobs", daemon=True) for _ in range(lanes)]
        for lane in self._lanes:
            lane.start()

    @contextmanager
    def reserved(self, job_id: str) -> Iterator[None]:
        """Reserve a place in the queue for a `with` block, which prepares and submits the job.

        Meanwhile no other caller can reserve or forget that job. Raises BusyError if the queue is full or closed,
        RequestError for a job that is waiting or running.
        """
        with self._changed:
            self._check(job_id)
            if job_id in self._reserved:
                raise RequestError(RUNNING)
            self._reserved[job_id] = NOBODY, 0
        try:
            yield
        finally:
            with self._changed:
                self._reserved.pop(job_id, None)

    def admit(self, job: Job, client: Client) -> None:
        """Hold a reserved job against its client's budgets and rates. `submit` then queues it as that client's.

        Raises RequestError for a job that no budget ever fits, BusyError for one that is too much now.
        """
        with self._changed:
            self._check(job.id)
            held = [entry for job_id, entry in self._reserved.items() if job_id != job.id]
            held += [(other, price(self._jobs[job_id])) for job_id, other in self._clients.items()]
            self._budgets.check(client, price(job), held)
            self._rates.count(client)
            self._reserved[job.id] = client, price(job)

    def _check(self, job_id: str) -> None:
        if self._closed:
            raise BusyError(RESTARTING)
        known = self._jobs.get(job_id)
        if known is not None and not known.finished:
            raise RequestError(RUNNING)
        if len(self._waiting) + len(self._reserved.keys() - {job_id}) >= self._queue_size:
            raise BusyError(f"The queue is full: {self._queue_size} comparisons are waiting. Try again later.")

    def submit(self, job: Job) -> Job:
        """Put a job into the queue: a new one, or a finished one with cells to run again.

        It belongs to the client of `admit`, else to nobody. Raises the errors of `reserved`.
        """
        with self._changed:
            self._forget()
            self._check(job.id)
            known = self._jobs.get(job.id)
            self._finished.drop(job.id)
            version = job.version if known is None else known.version
            self._put(replace(job, version=version, cancelled=False))
            client, _ = self._reserved.pop(job.id, (NOBODY, 0))
            self._clients[job.id] = client
            self._waiting.add(job.id, client)
            self._place()
            self._ready.notify()
            return self._jobs[job.id]

    def known(self, job_id: str) -> Job | None:
        """Return the current snapshot; None for an id that is unknown or forgotten."""
        with self._changed:
            self._forget()
            return self._jobs.get(job_id)

    def get(self, job_id: str) -> Job:
        """Return the current snapshot. Raises RequestError for an id that is unknown or forgotten."""
        job = self.known(job_id)
        if job is None:
            raise RequestError(UNKNOWN)
        return job

    def cancel(self, job_id: str) -> Job:
        """Stop a job: at once while it waits, after the current step while it runs. A finished job is left as it is."""
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
        """Yield the current snapshot, then the newest one after each change, up to the finished one.

        A slow watcher misses some snapshots, but never the last one. With `heartbeat` (seconds), the current snapshot
        is repeated whenever nothing changed for that time. Raises RequestError at once.
        """
        return self._watch(self.get(job_id), heartbeat)

    def _watch(self, job: Job, heartbeat: float | None) -> Iterator[Job]:
        yield job
        while not job.finished:
            job = self.newer(job, heartbeat)
            yield job

    def newer(self, seen: Job, timeout: float | None) -> Job:
        """Wait for the snapshot after `seen`, or return `seen` after `timeout` seconds. Raises the errors of `get`."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs.get(seen.id) is not seen, timeout)
            return self.get(seen.id)

    def wait(self, timeout: float) -> None:
        """Wait until any job changes, at most `timeout` seconds."""
        with self._changed:
            self._changed.wait(timeout)

    @property
    def busy(self) -> bool:
        """Whether a job waits or runs."""
        with self._changed:
            return any(not job.finished for job in self._jobs.values())

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def working(self) -> bool:
        """Whether the threads live that run jobs."""
        return all(lane.is_alive() for lane in self._lanes)

    def stopped(self, job_id: str) -> bool:
        """Whether a running job should end."""
        job = self._jobs.get(job_id)
        return self._closed or job is None or job.cancelled or self._turns.overtime(job_id)

    def turn_over(self, job_id: str) -> bool:
        """Whether the running job should let others go first."""
        with self._changed:
            if not self._turns.long(job_id) or self.stopped(job_id):
                return False
            others = self._waiting.waiting(besides=self._clients.get(job_id, NOBODY))
            return self._outlook.compete((self._jobs[other] for other in others), job_id)

    def crowded(self, job_id: str) -> bool:
        """Whether a job waits for a place such as those of the running one."""
        with self._changed:
            return self._outlook.compete((self._jobs[other] for other in self._waiting.waiting()), job_id)

    def more_room(self, job_id: str) -> bool:
        """Take one more place for a running job, unless it is crowded."""
        with self._changed:
            return not self.crowded(job_id) and self._outlook.take(self._jobs[job_id])

    def look(self) -> None:
        """There may be a free place: start the next job, if one waits."""
        with self._changed:
            self._ready.notify()

    def change(self, job_id: str, index: int, phase: Phase, changes: Mapping[str, object]) -> None:
        """Set one cell's phase and other fields, unless the cell is final."""
        with self._changed:
            if (job := self._jobs.get(job_id)) is not None:
                self.put(job_id, index, job.cells[index].at(phase, **changes))

    def put(self, job_id: str, index: int, cell: Cell) -> None:
        """Replace one cell, unless it is final: `close()` may have interrupted the job meanwhile."""
        with self._changed:
            job = self._jobs.get(job_id)
            cells = list(job.cells) if job is not None else []
            if job is not None and not cells[index].phase.final:
                cells[index], before = cell, cells[index]
                self._put(replace(job, cells=tuple(cells)))
                if cell.phase is not before.phase and self._waiting and self._outlook.due():
                    self._place()

    def update(self, job_id: str, **changes: object) -> None:
        """Change fields of the job itself. An unknown job is ignored."""
        with self._changed:
            job = self._jobs.get(job_id)
            if job is not None:
                self._put(replace(job, **changes))  # type: ignore[arg-type]

    def settled(self, job_id: str) -> None:
        """Wait until the worker is done with the job and `ended` has returned."""
        with self._changed:
            self._changed.wait_for(lambda: job_id not in self._unsettled)

    def forget(self, job_id: str) -> None:
        """Forget a finished job. Raises RequestError for one that waits or runs."""
        with self._changed:
            job = self._jobs.get(job_id)
            if job_id in self._reserved or (job is not None and not job.finished):
                raise RequestError(RUNNING)
            self._jobs.pop(job_id, None)
            self._finished.drop(job_id)
            self._changed.notify_all()

    def close(self, timeout: float = 5.0) -> None:
        """Refuse new jobs, interrupt all others and wait for the current step, at most `timeout` seconds.

        A second call does not wait again.
        """
        with self._changed:
            again, self._closed = self._closed, True
            self._waiting.clear()
            unfinished = [job.id for job in self._jobs.values() if not job.finished]
            for job_id in unfinished:
                self._finish(job_id, Phase.INTERRUPTED, CLOSED)
            self._changed.notify_all()
            self._ready.notify_all()
        for job_id in unfinished:
            self._settle(job_id)
        until = time.monotonic() + timeout
        for lane in [] if again or threading.current_thread() in self._lanes else self._lanes:
            lane.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        while (job_id := self._next()) is not None:
            run = Run(self, job_id)
            try:
                self._runner(run)
            except Exception:
                logger.exception("A comparison ended unexpectedly")
            with self._changed:
                if run.paused and not self.stopped(job_id):
                    self._wait_again(job_id)
                    run.rest()
                    continue
                self._finish(job_id, *self._ending(job_id))
                settled = job_id not in self._unsettled  # `close` may have recorded the end meanwhile
            if not settled:
                self._settle(job_id)
            run.rest()

    def _ending(self, job_id: str) -> tuple[Phase, str]:
        """Return the phase and the message of the pictures that the runner has left unfinished."""
        job = self._jobs.get(job_id)
        if job is not None and job.cancelled:
            return Phase.CANCELLED, STOPPED
        if self._turns.overtime(job_id):
            return Phase.CANCELLED, OVERTIME.format(duration(self._allowance.seconds or 0))
        return Phase.FAILED, UNEXPECTED

    def _wait_again(self, job_id: str) -> None:
        """Put a job whose turn is over before its client's other jobs."""
        self._turns.pause(job_id)
        self._unsettled.discard(job_id)
        self._waiting.add(job_id, self._clients[job_id], first=True)
        self._place()

    def _next(self) -> str | None:
        """Wait for the next job and return its id; None after `close()`."""
        with self._changed:
            while not self._closed:
                if job_id := self._waiting.take(lambda job_id: self._outlook.take(self._jobs[job_id])):
                    self._turns.begin(job_id)
                    self._unsettled.add(job_id)
                    self._put(replace(self._jobs[job_id], position=0, starts=None))
                    self._place()
                    self._ready.notify()  # there may be more places
                    return job_id
                self._ready.wait(LOOK_AGAIN if self._waiting else None)
            return None

    def _finish(self, job_id: str, phase: Phase, message: str) -> None:
        """Make every cell final. The caller must call `_settle` next, without the lock."""
        job = self._jobs.get(job_id)
        if job is not None and not job.finished:
            self._unsettled.add(job_id)
            ended = (cell if cell.phase.final else cell.ended(phase, message) for cell in job.cells)
            self._put(replace(job, cells=tuple(ended), position=0, starts=None))

    def _settle(self, job_id: str) -> None:
        """Report the end of a finished job to `ended`."""
        job = self._jobs.get(job_id)
        try:
            if job is not None:
                self._ended_hook(job)
        except Exception:
            logger.exception("The end of a comparison could not be recorded")
        with self._changed:
            self._unsettled.discard(job_id)
            self._changed.notify_all()

    def _place(self) -> None:
        """Tell the waiting jobs their positions, from 1 for the next one, and when they begin."""
        for job in self._outlook.news(self._jobs, self._waiting, self._clients, self.clock()):
            self._put(job)

    def _put(self, job: Job) -> None:
        self._jobs[job.id] = replace(job, version=job.version + 1)
        if job.finished:
            self._finished.add(job.id, self.clock())
            self._clients.pop(job.id, None)
            self._turns.forget(job.id)
        self._changed.notify_all()

    def _forget(self) -> None:
        """Forget old finished jobs. Unsettled ones stay."""
        for job_id in self._finished.drop_old(self._jobs, self._unsettled, self.clock()):
            del self._jobs[job_id]
