"""A part on the first compute units that are proven to work for it: tried in a process of its own, then remembered.

The first load on some units is a trial. The part loads and runs once there, with a time limit, and its result must
agree with the result on CPU only. Units that crash, hang, fail or disagree are refused for this part, and the next ones
in the chain get their trial. Later loads use what worked at once.

For any engine that chooses among compute units. Knows no runtime: registry.py and the processes of parts do.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from numpy.typing import NDArray

from bksdm_demo.engines.base import Engine, EngineOptions, Port
from bksdm_demo.engines.child.isolated_engine import IsolatedEngine
from bksdm_demo.engines.child.pool import PartProcesses
from bksdm_demo.engines.child.process import NEXT
from bksdm_demo.engines.coreml_units import REFERENCE, UnitMemory, UnitVerdict, unit_chain
from bksdm_demo.engines.registry import engine_kind, open_engine, registration
from bksdm_demo.engines.self_check import BAR, agreement, finite, seeded_inputs
from bksdm_demo.environment import package_version, system_build
from bksdm_demo.errors import EngineError, PartCrashedError

TOOLS = "coremltools"
NOT_FINITE = "its result is not finite"
REFUSED = "the runtime could not load or run it there; the log has the details"

_logger = logging.getLogger(__name__)


class _UnitEngine(Engine, Protocol):
    @property
    def compute_units(self) -> str | None: ...


class _Reference:
    """The outputs on CPU only, computed at most once in a load; None if they cannot be had."""

    def __init__(self, compute: Callable[[Mapping[str, NDArray]], dict[str, NDArray] | None]) -> None:
        self._compute = compute
        self._found: list[dict[str, NDArray] | None] = []

    def outputs(self, given: Mapping[str, NDArray]) -> dict[str, NDArray] | None:
        if not self._found:
            self._found.append(self._compute(given))
        return self._found[0]


class UnitFallbackEngine:
    """The Engine contract over one part on units that work.

    With `isolated` the part runs in a process from `processes`; else only its trials do. `load` raises EngineError that
    lists every unit with its failure if none works. If the process crashes in a later run, the units lose their
    verdict, and the next load tries them again.
    """

    def __init__(self, path: Path, processes: PartProcesses, exact: bool, isolated: bool) -> None:
        self.path, self.kind = path, processes.kind
        self._processes, self._exact, self._isolated = processes, exact, isolated
        self._lock = threading.RLock()
        self._engine: _UnitEngine = self._opened(processes.options)
        self._verdict: UnitVerdict | None = None
        self._chain: tuple[str, ...] = ()  # known once the part was opened
        self.refused_units: dict[str, str] = {}  # units -> why, of those tried before the ones in use

    @property
    def inputs(self) -> tuple[Port, ...]:
        return self._engine.inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        return self._engine.outputs

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._engine.metadata

    @property
    def size_bytes(self) -> int:
        return self._engine.size_bytes

    @property
    def memory_bytes(self) -> int:
        return self._engine.memory_bytes

    @property
    def loaded(self) -> bool:
        return self._engine.loaded

    @property
    def compute_units(self) -> str | None:
        """The units in use; before the first load those that are tried first, None before the part was opened."""
        return self._engine.compute_units

    @property
    def self_check(self) -> float | None:
        """The agreement with the result on CPU only in dB; None before the first load and without a comparison."""
        return None if self._verdict is None else self._verdict.psnr

    @property
    def devices(self) -> Mapping[str, Mapping[str, float]]:
        """Where the runtime means to run the part, see coreml_plan.py; {} if unknown."""
        return {} if self._verdict is None else self._verdict.devices

    def peak_bytes(self) -> int | None:
        """See IsolatedEngine; None for a part that runs here."""
        return self._engine.peak_bytes() if isinstance(self._engine, IsolatedEngine) else None

    def load(self) -> None:
        with self._lock:
            if self._engine.loaded:
                return
            _ = self._engine.inputs  # opens the part: a file that cannot be read is no failure of its units
            memory = self._memory()
            self._chain = chain = self._chain or unit_chain(self._first_units(), self._exact)
            known = memory.verdicts()
            refused = {units: known[units].reason for units in chain if _refused(known.get(units))}
            self.refused_units = refused if len(refused) < len(chain) else {}  # else each gets another chance
            candidates = [units for units in chain if units not in self.refused_units]
            reference = _Reference(self._computed_on_cpu)
            for units in candidates:
                verdict = self._attempt(units, known.get(units), memory, reference)
                if verdict.works:
                    self._verdict = verdict
                    return
                self.refused_units[units] = verdict.reason
                _logger.warning("%s: the units %s are refused: %s.", self.path.name, units, verdict.reason)
            failures = "; ".join(f"{units}: {reason}" for units, reason in self.refused_units.items())
            raise EngineError(f"{self.path.name}: no compute units of this machine run it. {failures}.")

    def unload(self) -> None:
        with self._lock:
            self._engine.unload()

    def run(self, arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
        with self._lock:
            self.load()
            engine = self._engine
        try:
            return engine.run(arrays)
        except PartCrashedError:
            if not self._processes.closed and engine.compute_units is not None:
                self._memory().forget(engine.compute_units)
            raise

    def _first_units(self) -> str:
        return self._engine.compute_units or self._processes.options.compute_units

    def _attempt(self, units: str, known: UnitVerdict | None, memory: UnitMemory, reference: _Reference) -> UnitVerdict:
        """Load the part on these units. Units without a verdict, and those that were refused, get a trial first."""
        if known is not None and known.works:
            try:
                self._use(units, self._isolated)
                self._engine.load()
                return known
            except EngineError as error:
                self._raise_if_closed(error)
                self._engine.unload()
                _logger.warning("%s: %s worked before and fails now. %s", self.path.name, units, error)
        verdict = self._trial(units, reference)
        if verdict.works and not self._isolated:
            self._use(units, isolated=False)
            self._engine.load()
        memory.keep(units, verdict)
        return verdict

    def _trial(self, units: str, reference: _Reference) -> UnitVerdict:
        """Run the seeded input on these units and on CPU only. Afterwards the part is loaded on them if they work."""
        given = seeded_inputs(self._engine.inputs)
        expected = None if units == REFERENCE else reference.outputs(given)
        self._use(units, isolated=True)
        try:
            self._engine.load()
            produced = self._engine.run(given)
        except EngineError as error:
            self._raise_if_closed(error)
            _logger.warning("%s: %s failed. %s", self.path.name, units, error)
            self._engine.unload()
            return UnitVerdict(False, _reason(error, self.path.name))
        verdict = _judged(produced, expected)
        if not verdict.works:
            self._engine.unload()
            return verdict
        return replace(verdict, devices=self._planned(units))

    def _computed_on_cpu(self, given: Mapping[str, NDArray]) -> dict[str, NDArray] | None:
        """The outputs on CPU only; None if those cannot be had or are not finite."""
        engine = self._opened(replace(self._processes.options, compute_units=REFERENCE), isolated=True)
        try:
            produced = engine.run(given)
        except EngineError as error:
            self._raise_if_closed(error)
            _logger.warning("%s: no result on CPU only to compare with. %s", self.path.name, error)
            return None
        finally:
            engine.unload()
        return produced if finite(produced) else None

    def _planned(self, units: str) -> dict[str, dict[str, float]]:
        """The part's plan, asked of another process: the question may end it."""
        engine = IsolatedEngine(
            self.path, self._processes, self._exact, replace(self._processes.options, compute_units=units)
        )
        try:
            return engine.device_shares()
        except EngineError as error:
            self._raise_if_closed(error)
            _logger.info("%s: no plan of devices. %s", self.path.name, error)
            return {}
        finally:
            engine.unload()

    def _use(self, units: str, isolated: bool) -> None:
        """Make the engine on these units the current one."""
        if self._engine.compute_units == units and isinstance(self._engine, IsolatedEngine) == isolated:
            return
        self._engine.unload()
        self._engine = self._opened(replace(self._processes.options, compute_units=units), isolated)
        _ = self._engine.inputs  # opens it, so that `compute_units` is known

    def _opened(self, options: EngineOptions, isolated: bool | None = None) -> _UnitEngine:
        if self._isolated if isolated is None else isolated:
            return IsolatedEngine(self.path, self._processes, self._exact, options)
        return open_engine(self.path, options, self._exact)  # type: ignore[return-value]  # its engines choose units

    def _memory(self) -> UnitMemory:
        options = self._processes.options
        versions = (system_build(), package_version(TOOLS) or "", self.kind, options.hints)
        return UnitMemory(self.path, options.cache_dir, versions)

    def _raise_if_closed(self, error: EngineError) -> None:
        """A demo that is ending ends its processes. That says nothing about the units."""
        if self._processes.closed:
            raise error


def part_opener(
    options: EngineOptions, processes: PartProcesses | None, isolated: bool
) -> Callable[[Path, bool], Engine]:
    """A function (path, exact) that opens a part as this machine runs it best.

    `processes` run it if `isolated`; without them it runs here. Without `isolated` they only try its units.
    """

    def open_part(path: Path, exact: bool) -> Engine:
        if processes is None:
            return open_engine(path, options, exact)
        if has_units(options):
            return UnitFallbackEngine(path, processes, exact, isolated)
        return IsolatedEngine(path, processes, exact)

    return open_part


def has_units(options: EngineOptions) -> bool:
    """Whether the chosen engine chooses among compute units. Raises EngineError for one that does not run here."""
    return "compute_units" in registration(engine_kind(options)).options


def _refused(verdict: UnitVerdict | None) -> bool:
    return verdict is not None and not verdict.works


def _judged(produced: Mapping[str, NDArray], reference: Mapping[str, NDArray] | None) -> UnitVerdict:
    if not finite(produced):
        return UnitVerdict(False, NOT_FINITE)
    if reference is None:
        return UnitVerdict(True)
    found = agreement(produced, reference)
    if found < BAR:
        return UnitVerdict(False, f"its result agrees with CPU only to {found:.1f} dB; {BAR:g} dB are needed", found)
    return UnitVerdict(True, "", found)


def _reason(error: EngineError, part: str) -> str:
    """Why units failed, without a path: records with this text are shared. The log has the whole error."""
    if not isinstance(error, PartCrashedError):
        return REFUSED
    return str(error).removesuffix(NEXT).removeprefix(f"{part}: ").strip().rstrip(".")
