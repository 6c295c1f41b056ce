"""Loaded models: parts shared by content, one load however many ask, least recently used out at a byte budget.

A caller leases a pipeline and gives it back by leaving the `with` block; leased parts stay loaded. Bytes are what the
engines expect their parts to occupy in memory; the process itself and what a picture needs on its way are left out.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.engines.base import Engine
from bksdm_demo.errors import BusyError, ModelUnavailableError
from bksdm_demo.library.assemble import OpenPart, assemble
from bksdm_demo.library.catalog import Catalog, System
from bksdm_demo.library.identity import content_identity
from bksdm_demo.library.layout import Parts

Assemble = Callable[[Parts, OpenPart], Pipeline]
PartKey = tuple[str, bool]  # content identity, exact


@dataclass(frozen=True)
class Lease:
    """A loaded pipeline for the time of a `with` block; `load_seconds` is the whole wait for it.

    `cold` says that at least one part was not loaded when the lease was asked for.
    """

    system: System
    pipeline: Pipeline
    load_seconds: float
    cold: bool


@dataclass(frozen=True)
class CacheState:
    """What the cache holds (names of loaded parts, bytes in memory) and did so far (parts found loaded, loads, ...)."""

    parts: tuple[tuple[str, int], ...]
    budget_bytes: int
    hits: int
    loads: int
    evictions: int

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.parts)


@dataclass(eq=False)
class _Part:
    """One engine: `loading` is set from the decision to load until unloaded; `leases` counts its present users."""

    path: Path
    engine: Engine
    memory_bytes: int
    loading: Future[None] | None = None
    leases: int = 0
    last_used: int = 0

    @property
    def ready(self) -> bool:
        return self.loading is not None and self.loading.done()

    @property
    def usable(self) -> bool:
        """False once the files it was opened from are gone; those of another system with the same content may do."""
        return self.loading is not None or self.path.exists()


@dataclass(frozen=True)
class _Assembled:
    pipeline: Pipeline
    parts: tuple[_Part, ...]


@dataclass
class _Counts:
    hits: int = 0
    loads: int = 0
    evictions: int = 0
    clock: Iterator[int] = field(default_factory=itertools.count)


class PipelineCache:
    """Pipelines by system key over shared parts. Safe to use from several threads.

    `open_part(path, exact)` opens a part without loading it. `assemble` builds a pipeline of parts.
    """

    def __init__(
        self, catalog: Catalog, open_part: OpenPart, budget_bytes: int, *, assemble: Assemble = assemble
    ) -> None:
        self.catalog, self.open_part, self.budget_bytes = catalog, open_part, budget_bytes
        self._assemble = assemble
        self._parts: dict[PartKey, _Part] = {}
        self._pipelines: dict[tuple[str, ...], _Assembled] = {}
        self._counts = _Counts()
        self._lock = threading.Lock()  # guards the tables; never held while something loads
        self._assembling = threading.Lock()

    @contextmanager
    def lease(self, key: str) -> Iterator[Lease]:
        """The loaded pipeline of a system.

        Raises ModelUnavailableError for an unknown key, BusyError when it does not fit beside what is leased, and
        the error of a part that cannot be opened or loaded; a later lease tries again.
        """
        start = time.perf_counter()
        system = self.catalog.get(key)
        assembled = self._assembled(system)
        own, others = self._reserve(system, assembled.parts)
        try:
            self._load(own, others)
            yield Lease(system, assembled.pipeline, time.perf_counter() - start, bool(own or others))
        finally:
            self._release(assembled.parts)

    def state(self) -> CacheState:
        """A snapshot for people."""
        with self._lock:
            loaded = tuple((part.path.stem, part.memory_bytes) for part in self._parts.values() if part.ready)
            return CacheState(loaded, self.budget_bytes, self._counts.hits, self._counts.loads, self._counts.evictions)

    def clear(self) -> None:
        """Unload everything that is not leased."""
        with self._lock:
            self._evict(self._idle())

    def _assembled(self, system: System) -> _Assembled:
        """The system's pipeline, assembled at its first lease and again when the content of a file has changed."""
        parts = system.parts
        if parts is None:
            raise ModelUnavailableError(f"{system.name} cannot be used: {system.reason}")
        identity = tuple(content_identity(path) for path in (*parts.models, parts.vocab, parts.merges))
        with self._assembling:
            known = self._pipelines.get(identity)
            if known is None or not all(part.usable for part in known.parts):
                used: list[_Part] = []

                def open_shared(path: Path, exact: bool) -> Engine:
                    used.append(self._part(path, exact))
                    return used[-1].engine

                self._pipelines[identity] = _Assembled(self._assemble(parts, open_shared), tuple(dict.fromkeys(used)))
            return self._pipelines[identity]

    def _part(self, path: Path, exact: bool) -> _Part:
        """The part of that content, opened if need be; called by one thread at a time."""
        key = (content_identity(path), exact)
        known = self._parts.get(key)
        if known is not None and known.usable:
            return known
        engine = self.open_part(path, exact)
        part = _Part(path, engine, engine.memory_bytes)
        with self._lock:
            self._parts[key] = part
        return part

    def _reserve(self, system: System, parts: Sequence[_Part]) -> tuple[list[_Part], list[Future[None]]]:
        """Mark the parts as leased and make room; the ones this caller must load, and loads of others to wait for."""
        with self._lock:
            own = [part for part in parts if part.loading is None]
            others = [part.loading for part in parts if part.loading is not None and not part.ready]
            for part in parts:
                part.leases += 1
            try:
                self._make_room(system, parts, sum(part.memory_bytes for part in own))
            except BusyError:
                for part in parts:
                    part.leases -= 1
                raise
            for part in own:
                part.loading = Future()
            self._counts.hits += len(parts) - len(own) - len(others)
            self._counts.loads += len(own)
            return own, others

    def _make_room(self, system: System, parts: Sequence[_Part], needed: int) -> None:
        """Unload idle parts, least recently used first, until the `needed` bytes of the system's parts fit."""
        occupied = sum(part.memory_bytes for part in self._parts.values() if part.loading is not None)
        idle = self._idle()
        excess = occupied + needed - self.budget_bytes
        short = excess - sum(part.memory_bytes for part in idle)
        if short > 0:
            raise BusyError(self._no_room(system, parts, short))
        going = []
        while excess > 0:
            part = idle.pop(0)
            excess -= part.memory_bytes
            going.append(part)
        self._evict(going)

    def _no_room(self, system: System, parts: Sequence[_Part], short: int) -> str:
        """What is needed, by how much it does not fit, and what to do."""
        total = sum(part.memory_bytes for part in parts)
        head = f"{system.name} needs {_megabytes(total)} of memory, {_megabytes(short)} more than there is: "
        budget = f"the budget for loaded models is {_megabytes(self.budget_bytes)}"
        if total > self.budget_bytes:
            return f"{head}{budget}. Raise the memory budget, or choose a smaller model."
        others = (part for part in self._parts.values() if part.leases and part.loading is not None)
        used = sum(part.memory_bytes for part in others if part not in parts)
        return f"{head}{budget}, and {_megabytes(used)} of it are in use. Try again later, or raise the memory budget."

    def _idle(self) -> list[_Part]:
        """Loaded parts nobody leases, least recently used first."""
        idle = [part for part in self._parts.values() if part.ready and not part.leases]
        return sorted(idle, key=lambda part: part.last_used)

    def _evict(self, parts: Sequence[_Part]) -> None:
        for part in parts:
            part.engine.unload()
            part.loading = None
            self._counts.evictions += 1

    def _load(self, own: Sequence[_Part], others: Sequence[Future[None]]) -> None:
        """Load one's own parts, then wait for those that others load; the first error is raised after all are tried.

        Own parts come first, and every one is settled whatever happens, so that no two callers wait for each other.
        """
        errors = [error for part in own if (error := self._load_part(part)) is not None]
        errors += [error for future in others if (error := future.exception()) is not None]
        if errors:
            raise errors[0]

    def _load_part(self, part: _Part) -> BaseException | None:
        """Load a part, settling its future for everyone who waits; the error if it failed."""
        future = part.loading
        assert future is not None
        failure: BaseException | None = None
        try:
            part.engine.load()
        except BaseException as error:  # settled for all waiters, then raised by _load
            failure = error
        with self._lock:
            if failure is None:
                future.set_result(None)
            else:
                part.loading = None
                future.set_exception(failure)
        return failure

    def _release(self, parts: Sequence[_Part]) -> None:
        with self._lock:
            for part in parts:
                part.leases -= 1
                part.last_used = next(self._counts.clock)


def _megabytes(count: int) -> str:
    """1,234,567 -> "1.2 MB"."""
    return f"{count / 1e6:.1f} MB"
