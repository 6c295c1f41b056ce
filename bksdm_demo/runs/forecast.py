"""When waiting jobs begin if no other job comes: the queue, its turns and its places, played through.

All times are in seconds from now.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from bksdm_demo.runs.fairness import Client, FairQueue


@dataclass(frozen=True)
class Waiting:
    """A waiting job: the seconds of each picture at each kind of place that can draw it."""

    client: Client
    seconds: Mapping[str, tuple[float, ...]]


@dataclass
class Running:
    """A running job: the seconds until each picture in progress ends, and those of its `left` pictures.

    `began` is when its turn began, so it is negative. `helpers` further places have drawn for it.
    """

    client: Client
    kind: str
    ends: list[float]
    left: deque[float]
    began: float = 0.0
    helpers: int = 0
    drawing: int = 0


class Forecast:
    """Plays through what jobs.py and cell_drawer.py do. The arguments are left as they are, but for `running`.

    `free` are the free places of each kind. A turn is over after `turn` seconds if others wait.
    """

    def __init__(
        self,
        queue: FairQueue,
        waiting: Mapping[str, Waiting],
        running: Mapping[str, Running],
        free: Mapping[str, int],
        turn: float,
    ) -> None:
        self._queue, self._waiting, self._running = queue.copy(), dict(waiting), dict(running)
        self._free, self._turn = Counter(free), turn
        self._ends: list[tuple[float, int, str, bool]] = []  # when, number, job, whether at its first place
        self._begun = 0
        self._starts: dict[str, float] = {}

    def starts(self) -> dict[str, float]:
        """When each waiting job begins. Those that nothing can draw now are left out."""
        wanted = set(self._waiting)
        for job, run in self._running.items():
            ends, run.ends = run.ends or ([run.left.popleft()] if run.left else [0.0]), []
            for number, end in enumerate(ends):
                self._begin(job, 0.0, end, number == 0)
            run.helpers = max(run.helpers, len(ends) - 1)
        self._fill(0.0)
        while self._ends and not wanted <= self._starts.keys():
            now, _, job, first = heapq.heappop(self._ends)
            self._end(now, job, first)
            self._fill(now)
        return {job: start for job, start in self._starts.items() if job in wanted}

    def _begin(self, job: str, now: float, seconds: float, first: bool) -> None:
        self._begun += 1
        self._running[job].drawing += 1
        heapq.heappush(self._ends, (now + seconds, self._begun, job, first))

    def _end(self, now: float, job: str, first: bool) -> None:
        """A picture ends. Its place goes on with the same job, or becomes free."""
        run = self._running[job]
        run.drawing -= 1
        over = now - run.began > self._turn and self._wanted(run, run.client) if first else self._wanted(run)
        if run.left and not over:
            if first:
                self._widen(now, job)
            self._begin(job, now, run.left.popleft(), first)
            return
        self._free[run.kind] += 1
        if run.drawing == 0:
            del self._running[job]
            if run.left:  # it waits for its next turn
                self._waiting[job] = Waiting(run.client, {run.kind: tuple(run.left)})
                self._queue.add(job, run.client, first=True)

    def _wanted(self, run: Running, besides: Client | None = None) -> bool:
        """Whether a waiting job could use the places of a running one."""
        return any(run.kind in self._waiting[job].seconds for job in self._queue.waiting(besides))

    def _fill(self, now: float) -> None:
        """Begin every job that may begin."""
        while (job := self._queue.take(self._may)) is not None:
            waiting = self._waiting.pop(job)
            kind = max(waiting.seconds, key=lambda kind: (self._free[kind], kind))
            self._free[kind] -= 1
            self._starts.setdefault(job, now)
            run = self._running[job] = Running(waiting.client, kind, [], deque(waiting.seconds[kind]), now)
            self._widen(now, job)
            self._begin(job, now, run.left.popleft() if run.left else 0.0, True)

    def _may(self, job: str) -> bool:
        return any(self._free[kind] > 0 for kind in self._waiting[job].seconds)

    def _widen(self, now: float, job: str) -> None:
        """Let idle places draw further pictures of a job."""
        run = self._running[job]
        while len(run.left) > run.helpers + 1 and self._free[run.kind] > 0 and not self._wanted(run):
            run.helpers += 1
            self._free[run.kind] -= 1
            self._begin(job, now, run.left.popleft(), False)
