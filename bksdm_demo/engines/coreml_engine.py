"""Runs a part through Core ML itself, on a Mac: an `.mlpackage`, compiled once and stored, or an `.mlmodelc` as it is.

Thin on purpose: coremltools' `CompiledMLModel` does the work. Names, shapes and metadata come from the file, so wrong
arrays are refused before Core ML starts. Leaves out flexible shapes, state, image inputs and batch prediction. `exact`
cannot change the precision, which Core ML chooses for each operation; it selects safe units. unit_fallback.py tries
other units where these fail.
"""

from __future__ import annotations

import gc
import platform
import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import coremltools
import numpy as np
from numpy.typing import NDArray

from bksdm_demo.engines.base import EngineOptions, Port, check_inputs
from bksdm_demo.engines.compiled_models import compiled_model
from bksdm_demo.engines.coreml_plan import device_shares
from bksdm_demo.engines.coreml_units import SAFE
from bksdm_demo.errors import EngineError
from bksdm_demo.mil.containers import is_compiled
from bksdm_demo.mil.metadata import CompiledFacts, read_metadata
from bksdm_demo.mil.package import package_bytes, read_package
from bksdm_demo.mil.program import Value

UNITS = {"all": "ALL", "cpu-only": "CPU_ONLY", "cpu-and-gpu": "CPU_AND_GPU", "cpu-and-ne": "CPU_AND_NE"}
# EngineOptions.hints -> key of Core ML's optimisation hints, the enum of coremltools, and its member
HINTS = {
    "fast-prediction": ("specializationStrategy", "SpecializationStrategy", "FastPrediction"),
    "infrequent-reshape": ("reshapeFrequency", "ReshapeFrequency", "Infrequent"),
}


class CoreMlTools(Protocol):
    """The part of coremltools that is used; the tests pass a stand-in."""

    __version__: str
    ComputeUnit: Any
    SpecializationStrategy: Any
    ReshapeFrequency: Any
    # .CompiledMLModel(path, compute_units, optimization_hints).predict(dict),
    # .utils.compile_model(source, destination), .compute_plan.MLComputePlan.load_from_path(path, units)
    models: Any


class CoreMlEngine:
    """The Engine contract over one `.mlpackage` or `.mlmodelc`.

    The first use reads the file and may raise PackageError. `load` compiles it if needed, and raises EngineError for
    anything that Core ML refuses.
    """

    kind = "coreml"

    def __init__(
        self, path: Path, options: EngineOptions | None = None, exact: bool = False, tools: CoreMlTools = coremltools
    ) -> None:
        self.path = path
        self._options, self._exact = options or EngineOptions(), exact
        self._tools = tools
        self._lock = threading.RLock()
        self._model: Any = None
        self._buffers: dict[str, NDArray] = {}

    @cached_property
    def _facts(self) -> CompiledFacts:
        return read_metadata(self.path) if is_compiled(self.path) else _package_facts(self.path)

    @cached_property
    def inputs(self) -> tuple[Port, ...]:
        return tuple(self._port(value) for value in self._facts.inputs)

    @cached_property
    def outputs(self) -> tuple[Port, ...]:
        return tuple(Port(port.name, port.shape) for port in map(self._port, self._facts.outputs))

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._facts.metadata

    @cached_property
    def size_bytes(self) -> int:
        return package_bytes(self.path)

    @property
    def memory_bytes(self) -> int:
        """The bytes of its files: Core ML maps them into memory and keeps palettized weights as they are."""
        return self.size_bytes

    @property
    def loaded(self) -> bool:
        return self._model is not None

    @property
    def compute_units(self) -> str:
        """The units this part runs on, as EngineOptions spells them.

        Those asked for; else the safe ones for an exact part, and the best for its attention for any other.
        """
        if self._options.compute_units != "auto":
            return self._options.compute_units
        return SAFE if self._exact else best_units(self._facts)

    def device_shares(self) -> dict[str, dict[str, float]]:
        """Where Core ML means to run this part, see coreml_plan.py. Compiles it if needed, but does not load it.

        Raises EngineError where Core ML makes no plan. May end the process, so ask in one of its own.
        """
        compiled = self._compiled_path()
        try:
            return device_shares(str(compiled), self._units, self._tools)
        except Exception as error:  # coremltools raises bare Exception, ValueError and RuntimeError
            raise EngineError(f"{self.path.name}: Core ML makes no plan for it. {error}") from error

    def load(self) -> None:
        with self._lock:
            if self._model is None:
                compiled = self._compiled_path()
                chosen: dict[str, Any] = {"compute_units": self._units}
                if self._options.hints:
                    chosen["optimization_hints"] = self._hints()
                try:
                    self._model = self._tools.models.CompiledMLModel(str(compiled), **chosen)
                except Exception as error:  # coremltools raises bare Exception and RuntimeError
                    raise EngineError(f"{self.path.name}: Core ML cannot load {compiled}. {error}") from error

    def unload(self) -> None:
        with self._lock:
            self._model = None
            gc.collect()  # Core ML frees the memory with the last reference; the buffers stay, see _filled

    def run(self, arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
        checked = check_inputs(self.inputs, arrays, self.path.name)
        with self._lock:
            self.load()
            try:
                produced = self._model.predict(self._filled(checked))
            except Exception as error:  # an NSError's text in a RuntimeError, or a bare Exception
                raise EngineError(f"{self.path.name}: Core ML failed while running. {error}") from error
        return {port.name: self._output(port, produced) for port in self.outputs}

    @property
    def _units(self) -> Any:
        return getattr(self._tools.ComputeUnit, UNITS[self.compute_units])

    def _hints(self) -> dict[str, Any]:
        """Core ML's optimisation hints; they need macOS 15."""
        chosen = [HINTS[hint] for hint in self._options.hints.split(",")]
        return {key: getattr(getattr(self._tools, enum), member) for key, enum, member in chosen}

    def _filled(self, checked: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """The inputs copied into buffers that live as long as this engine.

        Core ML drops its reference to an input about a second after predict returns, on a thread of its own and
        without Python's lock. If that were the last reference, the process would crash. For the same reason floats
        are passed as float32, which coremltools uses in place, and never as float16, which it copies.
        """
        for name, array in checked.items():
            if name not in self._buffers:
                self._buffers[name] = np.empty_like(array, order="C", subok=False)
            np.copyto(self._buffers[name], array)
        return dict(self._buffers)

    def _output(self, port: Port, produced: Mapping[str, Any]) -> NDArray:
        if port.name not in produced:
            raise EngineError(f"{self.path.name}: Core ML returned {sorted(produced)}, but no {port.name}.")
        array = np.array(produced[port.name], dtype=np.float32)
        if port.shape and array.shape != port.shape:
            raise EngineError(f"{self.path.name}: output {port} came back with the shape {list(array.shape)}.")
        return array

    def _port(self, value: Value) -> Port:
        return Port(value.name, _fixed(value, self.path.name), "int32" if "int" in value.type.dtype else "float32")

    def _compiled_path(self) -> Path:
        if is_compiled(self.path):
            return self.path
        versions = (
            self._tools.__version__,
            platform.mac_ver()[0],
            platform.version(),
        )  # the last is the build of macOS
        compile_ = self._tools.models.utils.compile_model
        return compiled_model(self.path, self._options.cache_dir, versions, lambda src, to: compile_(str(src), str(to)))


def open_part(path: Path, options: EngineOptions, exact: bool) -> CoreMlEngine:
    """See EngineModule in registry.py."""
    return CoreMlEngine(path, options, exact)


def expected_memory(weights: int, exact_weights: int, size_bytes: int, options: EngineOptions) -> int:
    """The bytes on disk, as in CoreMlEngine.memory_bytes."""
    return size_bytes


def best_units(facts: CompiledFacts) -> str:
    """The units that suit a part's attention: the Neural Engine for split_einsum, the GPU for original.

    The package's metadata key "attention" decides. Without it, a program with an einsum counts as split_einsum.
    """
    attention = facts.metadata.get("attention", "")
    if not attention:
        einsum = any(kind.casefold().split(".")[-1] == "einsum" for kind in facts.operations)
        attention = "split_einsum" if einsum else "original"
    return "cpu-and-ne" if attention.casefold().startswith("split_einsum") else "cpu-and-gpu"


def _package_facts(path: Path) -> CompiledFacts:
    program = read_package(path)
    kinds = [operation.kind for operation in program.operations]
    return CompiledFacts(
        inputs=program.inputs,
        outputs=tuple(Value(name, program.type_of(name)) for name in program.outputs),
        metadata=program.metadata,
        operations={kind: kinds.count(kind) for kind in set(kinds)},
        specification_version=program.specification_version,
    )


def _fixed(value: Value, part: str) -> tuple[int, ...]:
    shape = tuple(dim for dim in value.type.shape if dim is not None)
    if len(shape) != len(value.type.shape):
        raise EngineError(f"{part}: {value.name} has the open shape {value.type}; convert the model with fixed shapes.")
    return shape
