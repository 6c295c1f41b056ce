"""What waiting jobs may expect: who competes with whom for places, positions, and when each begins."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from math import inf

from bksdm_demo.records import Job, Phase
from bksdm_demo.runs.fairness import Client, FairQueue
from bksdm_demo.runs.forecast import Forecast, Running, Waiting
from bksdm_demo.runs.places import Kinds, Places
from bksdm_demo.runs.speeds import Speeds
from bksdm_demo.runs.turns import Turns

LOOK_AGAIN = 1.0  # seconds between two looks while pictures are drawn
MOVED = 0.05  # the share of a wait by which a new beginning must differ to be told


def models_left(job: Job) -> tuple[str, ...]:
    """The models of a job's unfinished pictures, the next one first."""
    return tuple(dict.fromkeys(job.cells[index].model for index in job.order if not job.cells[index].phase.final))


class Outlook:
    """Looks at a queue's jobs; call it under the queue's lock. `stopwatch` gives seconds since any moment."""

    def __init__(self, places: Places, speeds: Speeds, turns: Turns, stopwatch: Callable[[], float]) -> None:
        self.places, self.speeds, self.turns, self._stopwatch = places, speeds, turns, stopwatch
        self._looked = stopwatch()

    def take(self, job: Job) -> bool:
        """Take a place for a job, see Places."""
        return self.places.take(job.id, models_left(job))

    def compete(self, waiting: Iterable[Job], running: str) -> bool:
        """Whether any of these waiting jobs could use the places of a running one."""
        kind = self.places.kind(running)
        return any((kinds := self._kinds(job)) is None or kind in kinds for job in waiting)

    def due(self) -> bool:
        """Whether the last look is so old that pictures in progress may have changed what it found."""
        return self._stopwatch() - self._looked > LOOK_AGAIN

    def news(
        self, jobs: Mapping[str, Job], queue: FairQueue, clients: Mapping[str, Client], now: float
    ) -> Iterator[Job]:
        """The waiting jobs whose position or beginning has changed, with the new one; `now` is since the epoch.

        A beginning that differs little from what was told stays, so that pages are not shown anew for nothing.
        """
        self._looked = self._stopwatch()
        kinds = {job_id: self._kinds(jobs[job_id]) for job_id in queue.waiting()}
        waits = self._starts(jobs, queue, clients, kinds)
        for job_id, position in self._positions(queue, waits, kinds).items():
            job, wait = jobs[job_id], waits.get(job_id)
            starts = None if wait is None else now + wait
            if wait is not None and job.starts is not None and abs(now + wait - job.starts) < MOVED * wait:
                starts = job.starts
            told = position, starts, not queue.first(job_id)
            if (job.position, job.starts, job.passable) != told:
                yield replace(job, position=told[0], starts=told[1], passable=told[2])

    def _positions(
        self, queue: FairQueue, waits: Mapping[str, float], kinds: Mapping[str, Kinds | None]
    ) -> dict[str, int]:
        """The waiting jobs by position: from 1, counting those before it that may use the same places.

        Before it are those that begin earlier, `waits`, else those whose turn is earlier. A visitor's own jobs run in
        their order, so they always count.
        """
        found: dict[str, int] = {}
        before: list[tuple[Client, Kinds | None]] = []
        for job in sorted(queue.in_order(), key=lambda job: waits.get(job, inf)):
            client, mine = queue.client(job), kinds[job]
            found[job] = 1 + sum(
                other == client or not mine or not theirs or bool(mine.keys() & theirs.keys())
                for other, theirs in before
            )
            before.append((client, mine))
        return found

    def _starts(
        self,
        jobs: Mapping[str, Job],
        queue: FairQueue,
        clients: Mapping[str, Client],
        kinds: Mapping[str, Kinds | None],
    ) -> dict[str, float]:
        """The seconds until each waiting job begins, without those of which it cannot be said."""
        free: dict[str, int] = {}
        waiting: dict[str, Waiting] = {}
        for job in queue.waiting():
            able = kinds[job] or {}
            free.update(able)
            seconds = {kind: found for kind in able if (found := self._seconds(jobs[job], kind)) is not None}
            if not seconds:
                return {}
            waiting[job] = Waiting(queue.client(job), seconds)
        running: dict[str, Running] = {}
        used: Counter[str] = Counter()
        for job, client in clients.items():
            kind = self.places.kind(job)
            if job in waiting or kind is None:
                continue
            run = self._running(jobs[job], client, kind)
            if run is None:
                return {}
            running[job] = run
            used[kind] += max(1, len(run.ends))  # not what Places says: a job that ends keeps a place for a moment
        free = {kind: count - used[kind] for kind, count in free.items()}
        return Forecast(queue, waiting, running, free, self.turns.turn).starts()

    def _kinds(self, job: Job) -> Kinds | None:
        return self.places.kinds(job.id, models_left(job))

    def _seconds(self, job: Job, kind: str) -> tuple[float, ...] | None:
        """The seconds of each picture that is not begun, None if nothing is known."""
        found = []
        for index in job.order:
            if job.cells[index].phase is Phase.QUEUED:
                seconds = self.speeds.seconds(kind, job.cells[index].model, job.request)
                if seconds is None:
                    return None
                found.append(seconds)
        return tuple(found)

    def _running(self, job: Job, client: Client, kind: str) -> Running | None:
        ends = []
        for cell in job.cells:
            if not cell.phase.final and cell.phase is not Phase.QUEUED:
                seconds = self.speeds.left(kind, cell, job.request)
                if seconds is None:
                    return None
                ends.append(seconds)
        left = self._seconds(job, kind)
        return None if left is None else Running(client, kind, ends, deque(left), -self.turns.present(job.id))
