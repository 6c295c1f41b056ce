"""Starts the processes of parts, one ahead of its use, and ends them all.

Each part has a process of its own. A crash then takes only that part along, unloading returns all memory to the system,
and a part that hangs can be ended while another draws. The price is about 0.4 seconds of processor time and 30 MB for
each part (benchmarks/isolation.py).
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from weakref import WeakSet

from bksdm_demo.engines.base import LOAD_LIMIT, RUN_LIMIT, EngineOptions
from bksdm_demo.engines.child.process import PartProcess
from bksdm_demo.engines.registry import engine_kind, registration
from bksdm_demo.errors import EngineError


@dataclass(frozen=True)
class TimeLimits:
    """Seconds after which a part that does not answer is ended: while it opens or loads, and in each run."""

    load: float = LOAD_LIMIT
    run: float = RUN_LIMIT


@dataclass(frozen=True)
class ProcessCounts:
    """The ids of the living processes; how many were started, and how many crashed or took too long."""

    living: tuple[int, ...]
    started: int
    died: int


class PartProcesses:
    """Processes for the parts of one engine kind. Safe to use from several threads.

    One process waits ahead, with the engine's library imported. All are started from one thread that lives as long as
    this object, because Linux ends a process together with the thread that started it, if it asks for that. Raises
    EngineError for an engine that this machine does not have, and on Windows.
    """

    def __init__(self, options: EngineOptions, limits: TimeLimits | None = None) -> None:
        if os.name != "posix":
            raise EngineError("Parts cannot run in processes of their own on this system; choose the isolation none.")
        self.options, self.limits = options, limits or TimeLimits()
        self.kind = engine_kind(options)
        self._module = registration(self.kind).module
        self._started: WeakSet[PartProcess] = WeakSet()
        self._starts, self._deaths = 0, 0
        self._lock = threading.Lock()
        self._closed = False
        self._spare: Future[PartProcess] | None = None
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="part-starter")

    @property
    def closed(self) -> bool:
        """Whether the demo is ending, and all processes with it."""
        return self._closed

    def prepare(self) -> None:
        """Start the process that waits ahead, unless there is one."""
        with self._lock:
            self._prepare()

    def take(self) -> PartProcess:
        """The process that waits ahead, or a new one. Raises EngineError after `close`, and if the system refuses."""
        with self._lock:
            started, self._spare = self._prepare(), None
            self._prepare()
        try:
            process = started.result()
            return process if process.alive else self._starter.submit(self._start).result()
        except OSError as error:
            raise EngineError(f"No process for a part could be started: {error}.") from error

    def counts(self) -> ProcessCounts:
        """Return what runs now, and the counts since the start."""
        living = tuple(sorted(process.pid for process in list(self._started) if process.alive))
        return ProcessCounts(living, self._starts, self._deaths)

    def close(self) -> None:
        """End all processes, also those that compute."""
        with self._lock:
            self._closed = True
        self._starter.shutdown()
        for process in list(self._started):
            process.end()

    def _prepare(self) -> Future[PartProcess]:
        if self._closed:
            raise EngineError("The demo is shutting down; its models cannot be used any more.")
        if self._spare is None:
            self._spare = self._starter.submit(self._start)
        return self._spare

    def _start(self) -> PartProcess:
        process = PartProcess(self.kind, self._module, self._count_death)
        self._started.add(process)
        self._starts += 1  # by the starter's only thread
        return process

    def _count_death(self) -> None:
        with self._lock:
            self._deaths += 1
