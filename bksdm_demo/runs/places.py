"""How many pictures are drawn at once. A running job has one place, and may use idle ones for its other pictures.

Places are of kinds: in a pool, the classes of its machines. A job has all its places in one kind.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

Kinds = Mapping[str, int]  # kinds of places, with the number of each
ONLY = ""  # the kind of places that are all alike


def one() -> int:
    """The places of one process: a model uses the whole machine."""
    return 1


class Places:
    """The places that pictures are drawn at. Safe to use from several threads.

    `count` says how many there are now, all alike. Else `kinds` gets a job and the models of its unfinished pictures,
    the next one first, and returns the kinds of places that can draw the job; None if none ever will.
    """

    def __init__(
        self, count: Callable[[], int] = one, kinds: Callable[[str, Sequence[str]], Kinds | None] | None = None
    ) -> None:
        self.kinds = kinds or (lambda job, models: {ONLY: count()})
        self._used: Counter[str | None] = Counter()  # by kind; None for jobs that nothing can draw
        self._jobs: dict[str, list[str | None]] = {}  # the places of each job, all of one kind
        self._lock = threading.Lock()
        self._watchers: list[Callable[[], None]] = []

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` whenever a place may have become free. It must be quick."""
        self._watchers.append(watcher)

    def take(self, job: str = "", models: Sequence[str] = ()) -> bool:
        """Take a place for a job, of the kind with most free ones unless it has one. Returns whether there was any.

        A job that no kind will ever draw gets a place of none, so that it can fail.
        """
        kinds = self.kinds(job, models)
        with self._lock:
            kind: str | None = None
            if kinds is not None:
                mine = self._jobs.get(job)
                free = {name: there - self._used[name] for name, there in kinds.items() if not mine or name == mine[0]}
                kind = max(free, key=lambda name: (free[name], name), default=None)
                if kind is None or free[kind] <= 0:
                    return False
            self._used[kind] += 1
            self._jobs.setdefault(job, []).append(kind)
            return True

    def give_back(self, job: str = "") -> None:
        """Give back a place that was taken."""
        with self._lock:
            held = self._jobs[job]
            self._used[held.pop()] -= 1
            if not held:
                del self._jobs[job]
        self.changed()

    def kind(self, job: str) -> str | None:
        """The kind of a job's places; None if it has none."""
        with self._lock:
            return next(iter(self._jobs.get(job, ())), None)

    def changed(self) -> None:
        """Tell the watchers that there may be more places than before."""
        for watcher in self._watchers:
            watcher()
