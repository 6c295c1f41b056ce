"""The Engine contract over a part in a process of its own: calls go there, arrays pass through shared memory."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.engines.base import EngineOptions, Form, Port, check_inputs, form_ports
from bksdm_demo.engines.child.pool import PartProcesses, TimeLimits
from bksdm_demo.engines.child.process import PartProcess
from bksdm_demo.engines.child.shared_arrays import SharedArrays, fill
from bksdm_demo.errors import DemoError, EngineError, PartCrashedError

_logger = logging.getLogger(__name__)

PROCESS_BYTES = 32_000_000  # that a process takes before it opens a part: Python, numpy and the engine's library


@dataclass(frozen=True)
class _Facts:
    """What a part's process says about it when it opens it."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: Mapping[str, str]
    size_bytes: int
    memory_bytes: int
    form_bytes: Mapping[str, int]
    features: Port | None
    run_mode: Mapping[str, str | None]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> _Facts:
        inputs, outputs = (tuple(map(_port, answer[key])) for key in ("inputs", "outputs"))
        features = None if answer["features"] is None else _port(answer["features"])
        sizes = answer["size_bytes"], answer["memory_bytes"], answer["form_bytes"]
        return cls(inputs, outputs, dict(answer["metadata"]), *sizes, features, answer["run_mode"])

    @property
    def shared(self) -> tuple[Port, ...]:
        """What comes back through the shared memory: the outputs, and the features that pass between forms."""
        return (*self.outputs, *(() if self.features is None else (self.features,)))


class IsolatedEngine:
    """One part, in a process from `processes`, with their options or with `options` of its own.

    The process starts when a fact is first asked for, or by `load`, and ends with `unload`. If it dies, the call that
    was running raises PartCrashedError, and the next call starts another. `memory_bytes` includes the process itself.
    """

    def __init__(
        self, path: Path, processes: PartProcesses, exact: bool = False, options: EngineOptions | None = None
    ) -> None:
        self.path, self.kind = path, processes.kind
        self._processes, self._exact = processes, exact
        self._options = options or processes.options
        self._lock = threading.RLock()
        self._known: _Facts | None = None
        self._process: PartProcess | None = None
        self._arrays: SharedArrays | None = None  # while the part is loaded
        self._forms: set[Form] = set()  # that are loaded in the process that lives
        self._uncalibrated = False

    @property
    def inputs(self) -> tuple[Port, ...]:
        return self._facts.inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        return self._facts.outputs

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._facts.metadata

    @property
    def size_bytes(self) -> int:
        return self._facts.size_bytes

    @property
    def memory_bytes(self) -> int:
        return self._facts.memory_bytes + PROCESS_BYTES

    @property
    def features(self) -> Port | None:
        return self._facts.features

    def form_bytes(self, form: Form) -> int:
        return self._facts.form_bytes.get(form.value, 0)

    def form_loaded(self, form: Form) -> bool:
        return form in self._forms and self.loaded

    @property
    def loaded(self) -> bool:
        """False also after the process has died."""
        process = self._process
        return self._arrays is not None and process is not None and process.alive

    @property
    def precision(self) -> str | None:
        """OpenVINO's precision of this part; None for other engines and before the part was opened."""
        return None if self._known is None else self._known.run_mode["precision"]

    @property
    def compute_units(self) -> str | None:
        """Core ML's compute units of this part; None for other engines and before the part was opened."""
        return None if self._known is None else self._known.run_mode["compute_units"]

    @property
    def needs_calibration(self) -> bool:
        with self._lock:
            if self._options.precision == "int8":
                self._open()
            return self._uncalibrated

    @contextmanager
    def observing(self) -> Iterator[None]:
        """See Calibrated."""
        with self._lock:
            process = self._open()
            self._forms.clear()
            self._call(process, "observe", self._limits.load)
            self._arrays = self._share(process)
        try:
            yield
        except BaseException:
            with self._lock, suppress(DemoError):
                self._finish_observing(process, completed=False)
            raise
        with self._lock:
            self._finish_observing(process, completed=True)

    def load(self) -> None:
        with self._lock:
            if self.loaded:
                return
            process = self._open()
            try:
                self._call(process, "load", self._limits.load)
            except DemoError:
                self.unload()
                raise
            self._arrays = self._share(process)

    def load_form(self, form: Form) -> None:
        with self._lock:
            self.load()
            if form not in self._forms:
                assert self._process is not None
                self._call(self._process, "load_form", self._limits.load, form=form.value)
                self._forms.add(form)

    def unload(self) -> None:
        with self._lock:
            self._arrays = None
            self._forms.clear()
            if self._process is not None and self._process.alive and self._keeps_calibration:
                with suppress(PartCrashedError):
                    self._call(self._process, "unload", self._limits.load)
            else:
                self._give_up()

    def device_shares(self) -> dict[str, dict[str, float]]:
        """Where the runtime means to run this part, see coreml_plan.py; {} for an engine that does not say.

        Raises EngineError where there is no plan.
        """
        with self._lock:
            answer, _ = self._call(self._open(), "plan", self._limits.load)
            return dict(answer)

    def peak_bytes(self) -> int | None:
        """The most memory that this part's process has held in RAM so far, shared pages included; None without one."""
        with self._lock:
            if self._process is None or not self._process.alive:
                return None
            answer, _ = self._call(self._process, "peak", self._limits.run)
            return int(answer["bytes"])

    def run(self, arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
        checked = check_inputs(self.inputs, arrays, self.path.name)
        with self._lock:
            self.load()
            assert self._arrays is not None
            assert self._process is not None
            for name, place in self._arrays.inputs.items():
                np.copyto(place, checked[name].reshape(place.shape))
            answer, beside = self._call(self._process, "run", self._limits.run)
            produced = self._arrays.outputs | dict(_arrays(answer.get("beside", []), beside))
            return {port.name: produced[port.name].copy() for port in self.outputs}

    def run_form(self, form: Form, arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
        inputs, outputs = form_ports(form, self.inputs, self.outputs, self.features)
        checked = check_inputs(inputs, arrays, self.path.name)
        with self._lock:
            self.load_form(form)
            assert self._arrays is not None
            assert self._process is not None
            places = self._arrays.outputs | self._arrays.inputs
            for port in inputs:
                np.copyto(places[port.name][: port.shape[0]], checked[port.name])
            self._call(self._process, "run_form", self._limits.run, form=form.value)
            return {port.name: places[port.name][: port.shape[0]].copy() for port in outputs}

    @property
    def _limits(self) -> TimeLimits:
        return self._processes.limits

    @property
    def _facts(self) -> _Facts:
        """Known facts are returned at once, also while the part computes."""
        if self._known is None:
            with self._lock:
                self._open()
        assert self._known is not None
        return self._known

    @property
    def _keeps_calibration(self) -> bool:
        """Whether the process holds a calibration that ends with it, because no folder keeps it."""
        return self._options.precision == "int8" and self._options.cache_dir is None

    def _open(self) -> PartProcess:
        """The process of this part; starts one, and opens the part in it, if there is none that lives."""
        if self._process is not None and self._process.alive:
            return self._process
        if self._process is not None:
            self._process.report_death()
        self._process, self._arrays = self._processes.take(), None
        self._forms.clear()
        self._process.part = self.path.name
        try:
            opened, _ = self._call(
                self._process,
                "open",
                self._limits.load,
                path=os.path.abspath(self.path),
                options=asdict(self._options) | {"cache_dir": _text(self._options.cache_dir)},
                exact=self._exact,
                level=_logger.getEffectiveLevel(),
            )
            self._known, self._uncalibrated = _Facts.of(opened), opened["needs_calibration"]
            fill(self._process.memory, self._known.inputs, self._known.shared)
        except DemoError:
            self._give_up()
            raise
        except OSError as error:
            self._give_up()
            raise EngineError(f"{self.path.name}: no memory for its arrays ({error}).") from error
        return self._process

    def _share(self, process: PartProcess) -> SharedArrays:
        return SharedArrays(process.memory, self.inputs, self._facts.shared)

    def _finish_observing(self, process: PartProcess, completed: bool) -> None:
        self._arrays = None  # until `load`
        if self._process is process:
            answer, _ = self._call(process, "observed", self._limits.load, completed=completed)
            self._uncalibrated = answer["needs_calibration"]

    def _call(self, process: PartProcess, do: str, seconds: float, **arguments: Any) -> tuple[dict[str, Any], bytes]:
        try:
            return process.call(do, seconds, **arguments)
        except PartCrashedError:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """End the process, if there is one. The next call starts another."""
        process, self._process, self._arrays = self._process, None, None
        self._forms.clear()
        if process is not None:
            process.end()


def _port(fields: Sequence[Any]) -> Port:
    name, shape, dtype = fields
    return Port(name, tuple(shape), dtype)


def _arrays(shapes: Sequence[tuple[str, Sequence[int]]], data: bytes) -> Iterator[tuple[str, NDArray]]:
    """The float32 arrays of these names and shapes that lie one after the other in `data`."""
    offset = 0
    for name, shape in shapes:
        array = np.frombuffer(data, np.float32, prod(shape), offset).reshape(shape)
        offset += array.nbytes
        yield name, array


def _text(path: Path | None) -> str | None:
    return None if path is None else os.path.abspath(path.expanduser())
