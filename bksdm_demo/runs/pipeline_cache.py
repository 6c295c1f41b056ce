"""The cache of loaded models. Systems share parts with equal content, and each part loads once.

A caller leases a pipeline for a `with` block; leased parts stay loaded. Above the byte budget, the least recently used
parts are unloaded. A part whose process has died is loaded again by the next lease. Loading reports each part and can
be stopped between two parts. The budget counts the memory that the engines expect for their parts. It leaves out the
process itself and the working memory of a picture.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from pathlib import Path

from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.engines.base import Engine, Form
from bksdm_demo.errors import BusyError, CancelledError, ModelUnavailableError
from bksdm_demo.library.assemble import OpenPart, assemble
from bksdm_demo.library.catalog import Catalog, System
from bksdm_demo.library.layout import Parts
from bksdm_demo.mil.identity import content_identity
from bksdm_demo.runs.cached_parts import Assembled, CacheState, Counts, Lease, Part
from bksdm_demo.runs.part_loading import (
    Cancelled,
    LoadReporter,
    ReportLoading,
    calibrate_engine,
    ignore_progress,
    never,
    stopped_loading,
)
from bksdm_demo.units import format_bytes

POLL = 0.1  # seconds between two checks for a cancel while another caller loads a part
READING = "reading its files"
FORM_NAMES = {
    Form.HALF: "{part}, for one half",
    Form.DEEP: "{part}, deep layers",
    Form.SHALLOW: "{part}, shallow layers",
    Form.HALF_DEEP: "{part}, deep layers, for one half",
    Form.HALF_SHALLOW: "{part}, shallow layers, for one half",
}

Assemble = Callable[[Parts, OpenPart], Pipeline]
PartKey = tuple[str, bool]  # content identity, exact


class PipelineCache:
    """Pipelines by system key, built from shared parts. Safe to use from several threads.

    `open_part(path, exact)` opens a part without loading it. `assemble` builds a pipeline from parts.
    """

    def __init__(
        self, catalog: Catalog, open_part: OpenPart, budget_bytes: int, *, assemble: Assemble = assemble
    ) -> None:
        self.catalog, self.open_part, self.budget_bytes = catalog, open_part, budget_bytes
        self._assemble = assemble
        self._parts: dict[PartKey, Part] = {}
        self._pipelines: dict[tuple[str, ...], Assembled] = {}
        self._identities: dict[str, tuple[str, ...]] = {}  # of the systems assembled so far, by key
        self._counts = Counts()
        self._lock = threading.Lock()  # guards the tables; never held while something loads
        self._assembling = threading.Lock()

    @contextmanager
    def lease(
        self,
        key: str,
        report: ReportLoading = ignore_progress,
        cancelled: Cancelled = never,
        forms: Sequence[Form] = (),
    ) -> Iterator[Lease]:
        """Lease the loaded pipeline of a system; `report` is called for each part that has to be loaded.

        Parts that have one of `forms` are ready to run it. Forms for one half are left out if they do not fit.
        Raises ModelUnavailableError for an unknown key, BusyError if the system does not fit beside the leased parts,
        and CancelledError between two parts once `cancelled()` is true; parts loaded so far stay loaded. An error from
        opening or loading a part is raised as it is; a later lease tries again.
        """
        start = time.perf_counter()
        reporter = LoadReporter(report, time.time())
        system = self.catalog.get(key)
        reporter.show(READING)
        assembled = self._assembled(system)
        self._hold(assembled.parts)
        try:
            cold = self._make_ready(system, assembled, reporter, cancelled)
            for form in forms:
                cold = self._load_form(form, system, assembled, reporter) or cold
            yield Lease(system, assembled.pipeline, time.perf_counter() - start, cold)
        finally:
            self._release(assembled.parts)

    def warm(self, key: str, report: ReportLoading = ignore_progress, cancelled: Cancelled = never) -> float:
        """Load the parts of a system one by one, into memory that is free, and return the seconds. Leases none of them.

        Raises ModelUnavailableError for an unknown key, BusyError for a part that does not fit beside the loaded ones,
        CancelledError between two parts once `cancelled()` is true, and the errors of opening and loading a part.
        """
        start = time.perf_counter()
        reporter = LoadReporter(report, time.time())
        system = self.catalog.get(key)
        assembled = self._assembled(system)
        roles = dict(zip(assembled.parts, assembled.roles, strict=True))
        missing = sorted((part for part in roles if part.loading is None), key=lambda part: -part.memory_bytes)
        reporter.count = len(missing)
        try:
            for part in missing:
                if self._claim_free(system, part, assembled.parts):
                    self._load({part: roles[part]}, assembled.pipeline, reporter, cancelled)
        finally:
            self._close_unused(missing)
        return time.perf_counter() - start

    def state(self) -> CacheState:
        """Return the loaded parts and the counts."""
        with self._lock:
            loaded = tuple((part.path.stem, part.bytes) for part in self._parts.values() if part.ready)
            return CacheState(loaded, self.budget_bytes, self._counts.hits, self._counts.loads, self._counts.evictions)

    def loaded(self, system: System) -> bool:
        """Whether every part of a system is loaded, so that its next lease is quick. Reads no file."""
        with self._lock:
            known = self._pipelines.get(self._identities.get(system.key, ()))
            return known is not None and all(part.ready for part in known.parts)

    def clear(self) -> None:
        """Unload every part that is not leased."""
        with self._lock:
            self._evict(self._idle())

    def _assembled(self, system: System) -> Assembled:
        """Return the system's pipeline, assembled at its first lease and again after a file has changed."""
        parts = system.parts
        if parts is None:
            raise ModelUnavailableError(f"{system.name} cannot be used: {system.reason}")
        identity = tuple(content_identity(path) for path in parts.files)
        with self._assembling:
            known = self._pipelines.get(identity)
            if known is None or not all(part.usable for part in known.parts):
                used: dict[Part, str] = {}

                def open_shared(path: Path, exact: bool) -> Engine:
                    part = self._part(path, exact)
                    used.setdefault(part, parts.role(path))
                    return part.engine

                try:
                    pipeline = self._assemble(parts, open_shared)
                except BaseException:
                    self._close_unused(tuple(used))
                    raise
                self._pipelines[identity] = Assembled(pipeline, tuple(used), tuple(used.values()))
            self._identities[system.key] = identity
            return self._pipelines[identity]

    def _part(self, path: Path, exact: bool) -> Part:
        """Return the part with this content, opened if necessary. Called by one thread at a time."""
        key = (content_identity(path), exact)
        known = self._parts.get(key)
        if known is not None and known.usable:
            return known
        engine = self.open_part(path, exact)
        part = Part(path, engine, engine.memory_bytes)
        with self._lock:
            self._parts[key] = part
        return part

    def _make_ready(self, system: System, assembled: Assembled, reporter: LoadReporter, cancelled: Cancelled) -> bool:
        """Load the missing parts and wait for those that other callers load. Return whether any part was missing."""
        cold = False
        roles = dict(zip(assembled.parts, assembled.roles, strict=True))
        while True:
            warming = self._warming()
            try:
                own, others = self._claim(system, assembled.parts, again=cold)
            except BusyError:
                if not warming:
                    raise
                wait(warming)  # these parts can be unloaded then
                continue
            if not own and not others:
                return cold
            reporter.count = reporter.count or len(own) + len(others)
            self._load({part: roles[part] for part in own}, assembled.pipeline, reporter, cancelled)
            for part, loading in others.items():
                reporter.next(roles[part])
                _wait(loading, cancelled)
            cold = True

    def _load_form(self, form: Form, system: System, assembled: Assembled, reporter: LoadReporter) -> bool:
        """Load the parts that lack a form. Return whether any did. Raises BusyError, but not for one half."""
        with self._lock:
            missing = {part: size for part in assembled.parts if (size := part.missing_bytes(form))}
            try:
                self._make_room(
                    system, assembled.parts, sum(size - part.form_bytes.get(form, 0) for part, size in missing.items())
                )
            except BusyError:
                if form.halved:
                    return False  # both halves will run, which needs no more memory
                raise
            for part, size in missing.items():
                part.form_bytes[form] = size
        for part in missing:
            reporter.show(FORM_NAMES[form].format(part=assembled.roles[assembled.parts.index(part)]))
            part.load_form(form)
        return bool(missing)

    def _claim(self, system: System, parts: Sequence[Part], again: bool) -> tuple[list[Part], dict[Part, Future[None]]]:
        """Make room, and return the parts that this caller must load and those that other callers are loading.

        Large parts come first: compiling a part takes far more memory than the loaded part. It fits best while little
        else is loaded.
        """
        with self._lock:
            for part in parts:
                if part.ready and not part.engine.loaded:  # its process died since
                    part.loading = None
                    part.form_bytes.clear()
            own = [part for part in parts if part.loading is None]
            own.sort(key=lambda part: -part.memory_bytes)
            others = {part: part.loading for part in parts if part.loading is not None and not part.ready}
            self._make_room(system, parts, sum(part.memory_bytes for part in own))
            for part in own:
                part.loading = Future()
            self._counts.hits += 0 if again else len(parts) - len(own) - len(others)
            self._counts.loads += len(own)
            return own, others

    def _claim_free(self, system: System, part: Part, parts: Sequence[Part]) -> bool:
        """Claim a part to warm it, if no other caller has. Raises BusyError if the missing parts do not fit."""
        with self._lock:
            if part.loading is not None:
                return False
            needed = sum(other.memory_bytes for other in parts if other.loading is None)
            short = self._occupied() + needed - self.budget_bytes
            if short > 0:
                raise BusyError(self._no_room(system, parts, short, self._loaded()))
            part.loading = Future()
            self._counts.loads += 1
            return True

    def _warming(self) -> list[Future[None]]:
        """Return the loads of parts that nobody leases."""
        with self._lock:
            return [part.loading for part in self._parts.values() if part.loading and not (part.ready or part.leases)]

    def _loaded(self) -> list[Part]:
        """Return the parts that take memory, also those that are still loading."""
        return [part for part in self._parts.values() if part.loading is not None]

    def _occupied(self) -> int:
        return sum(part.bytes for part in self._loaded())

    def _make_room(self, system: System, parts: Sequence[Part], needed: int) -> None:
        """Unload idle parts, least recently used first, until `needed` bytes fit. Raises BusyError if they cannot."""
        idle = self._idle()
        excess = self._occupied() + needed - self.budget_bytes
        short = excess - sum(part.bytes for part in idle)
        if short > 0:
            raise BusyError(self._no_room(system, parts, short, [part for part in self._loaded() if part.leases]))
        evicted = []
        while excess > 0:
            part = idle.pop(0)
            excess -= part.bytes
            evicted.append(part)
        self._evict(evicted)

    def _no_room(self, system: System, parts: Sequence[Part], short: int, used_parts: Sequence[Part]) -> str:
        """Return the message of the BusyError: the memory needed, the bytes missing, and a way out."""
        total = sum(part.memory_bytes for part in parts)
        head = f"{system.name} needs {format_bytes(total)} of memory, {format_bytes(short)} more than is available: "
        budget = f"the budget for loaded models is {format_bytes(self.budget_bytes)}"
        if total > self.budget_bytes:
            return f"{head}{budget}. Raise the memory budget, or choose a smaller model."
        used = sum(part.bytes for part in used_parts if part not in parts)
        in_use = f"{format_bytes(used)} of it is in use"
        return f"{head}{budget}, and {in_use}. Try again later, or raise the memory budget."

    def _idle(self) -> list[Part]:
        """Return the loaded parts without a lease, least recently used first."""
        idle = [part for part in self._parts.values() if part.ready and not part.leases]
        return sorted(idle, key=lambda part: part.last_used)

    def _evict(self, parts: Sequence[Part]) -> None:
        for part in parts:
            part.engine.unload()
            part.loading = None
            part.form_bytes.clear()
            self._counts.evictions += 1

    def _load(self, own: Mapping[Part, str], pipeline: Pipeline, reporter: LoadReporter, cancelled: Cancelled) -> None:
        """Load this caller's parts. Tries all of them, then raises the first error.

        Every part is settled, with or without an error, before the caller waits for the parts of others. So no two
        callers can wait for each other.
        """
        errors: list[BaseException] = []
        for part, role in own.items():
            if cancelled():
                errors.append(stopped_loading())
                self._settle(part, errors[-1])
            else:
                reporter.next(role)
                error = self._load_part(part, lambda engine: calibrate_engine(engine, pipeline, reporter, cancelled))
                errors += [] if error is None else [error]
        if errors:
            raise errors[0]

    def _load_part(self, part: Part, prepare: Callable[[Engine], None]) -> BaseException | None:
        """Load a part, settle its future for all waiting callers, and return the error, if any."""
        failure: BaseException | None = None
        try:
            prepare(part.engine)
            part.engine.load()
        except BaseException as error:  # settled for all waiters, then raised by _load
            failure = error
        self._settle(part, failure)
        return failure

    def _settle(self, part: Part, failure: BaseException | None) -> None:
        """Wake the callers that wait for a part: it is loaded, or its load has failed."""
        future = part.loading
        assert future is not None
        with self._lock:
            if failure is None:
                future.set_result(None)
            else:
                part.loading = None
                future.set_exception(failure)

    def _hold(self, parts: Sequence[Part]) -> None:
        with self._lock:
            for part in parts:
                part.leases += 1

    def _release(self, parts: Sequence[Part]) -> None:
        with self._lock:
            for part in parts:
                part.leases -= 1
                part.last_used = next(self._counts.clock)
        self._close_unused(parts)

    def _close_unused(self, parts: Sequence[Part]) -> None:
        """Unload parts that were opened but not loaded, because an error came first: opening takes memory, too."""
        with self._lock:
            for part in parts:
                if part.loading is None and not part.leases:
                    part.engine.unload()


def _wait(loading: Future[None], cancelled: Cancelled) -> None:
    """Wait until another caller has loaded a part or was stopped. Raises the load's error, or CancelledError."""
    while not cancelled():
        try:
            failure = loading.exception(POLL)
        except TimeoutError:
            continue
        if failure is None or isinstance(failure, CancelledError):
            return
        raise failure
    raise stopped_loading()
