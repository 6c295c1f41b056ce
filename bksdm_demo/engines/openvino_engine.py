"""Runs a Core ML package or compiled model through OpenVINO on the processor, on any machine.

Inputs, outputs and metadata come from the file's program alone; weights are decoded when the part is loaded. In
"auto" precision a part runs in bf16 where the processor computes in it (half the time, about 40 dB against f32),
otherwise in f32; `exact` keeps a part in f32. The timestep's sinusoid always runs in f32. Leaves out: GPUs, and a cache
of compiled models on disk.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from bksdm_demo.engines.base import EngineOptions, Port, check_inputs
from bksdm_demo.errors import EngineError
from bksdm_demo.mil.model import read_model
from bksdm_demo.mil.package import package_bytes
from bksdm_demo.mil.program import Program, TensorType
from bksdm_demo.translate.graph import Translation, translate

DEVICE = "CPU"

# What a loaded part occupies, fitted to what the process grew by: U-Nets of 95 to 220 MB and 903 to 1754 operations
# within 7 MB, small parts of 11 to 33 MB within 12 MB; 67 M weights of convolutions took 8.1 and 6.1 bytes each, and
# running a decoder's blocks on tensors of 34 MB left 3.9 and 2.9 of them. Repeat with benchmarks/part_memory.py.
WEIGHT_BYTES = {"f32": 8, "bf16": 6}  # the runtime keeps every weight in f32 beside the form it computes with
OPERATION_BYTES = 70_000
LIVE_TENSORS = 4  # of the largest size, in f32, while running and afterwards

Arrays = Mapping[str, NDArray]


class OpenVinoEngine:
    """The Engine contract over one `.mlpackage` or `.mlmodelc`. Reading it raises PackageError, at the first question
    to it; `load` raises UnsupportedModelError for a model that OpenVINO cannot be given."""

    kind = "openvino"

    def __init__(self, path: Path, options: EngineOptions | None = None, exact: bool = False) -> None:
        self.path = path
        self._options = options or EngineOptions()
        self._exact = exact
        self._lock = threading.RLock()
        self._models: _Compiled | None = None

    @cached_property
    def _program(self) -> Program:
        return read_model(self.path)

    @cached_property
    def size_bytes(self) -> int:
        return package_bytes(self.path)

    @cached_property
    def memory_bytes(self) -> int:
        """Estimated from the program alone, for the precision this part runs in."""
        return estimate_memory(self._program, self.precision)

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._program.metadata

    @cached_property
    def inputs(self) -> tuple[Port, ...]:
        return tuple(_port(value.name, value.type) for value in self._program.inputs)

    @cached_property
    def outputs(self) -> tuple[Port, ...]:
        types = {value.name: value.type for operation in self._program.operations for value in operation.outputs}
        types |= {value.name: value.type for value in self._program.inputs}
        return tuple(replace(_port(name, types[name]), dtype="float32") for name in self._program.outputs)

    @property
    def loaded(self) -> bool:
        return self._models is not None

    @property
    def precision(self) -> str:
        """The precision this part runs in: "f32" or "bf16"."""
        return choose_precision(self._options.precision, self._exact)

    def load(self) -> None:
        with self._lock:
            if self._models is None:
                self._models = _Compiled(translate(self._program), self._settings(), self.path.name)

    def unload(self) -> None:
        with self._lock:
            self._models = None

    def run(self, arrays: Arrays) -> dict[str, NDArray]:
        checked = check_inputs(self.inputs, arrays, self.path.name)
        with self._lock:
            self.load()
            assert self._models is not None
            produced = self._models.run(checked)
        return {port.name: np.array(produced[port.name], dtype=np.float32) for port in self.outputs}

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": self.precision}
        if self._options.threads is not None:
            settings["INFERENCE_NUM_THREADS"] = self._options.threads
        return settings


class _Compiled:
    """The compiled prelude (in f32) and main model of one translation, with one request each."""

    def __init__(self, translation: Translation, settings: Mapping[str, Any], part: str) -> None:
        self._part = part
        try:
            core = ov.Core()
            exact = {**settings, "INFERENCE_PRECISION_HINT": "f32"}
            self._prelude = None if translation.prelude is None else _Request(core, translation.prelude, exact)
            self._main = _Request(core, translation.model, settings)
        except RuntimeError as error:
            raise EngineError(f"{part}: OpenVINO cannot compile the model. {error}") from error

    def run(self, arrays: Arrays) -> dict[str, NDArray]:
        """Every output by name; the arrays may be views of the runtime's memory."""
        try:
            known = dict(arrays)
            if self._prelude is not None:
                known |= self._prelude.run(known)
            return self._main.run(known)
        except RuntimeError as error:
            raise EngineError(f"{self._part}: OpenVINO failed while running. {error}") from error


class _Request:
    """One compiled model and its only request; takes what it needs from named arrays."""

    def __init__(self, core: ov.Core, model: ov.Model, settings: Mapping[str, Any]) -> None:
        self._inputs = [parameter.get_friendly_name() for parameter in model.get_parameters()]
        self._outputs = [result.get_friendly_name() for result in model.get_results()]
        self._request = core.compile_model(model, DEVICE, dict(settings)).create_infer_request()

    def run(self, arrays: Arrays) -> dict[str, NDArray]:
        results = self._request.infer([arrays[name] for name in self._inputs], share_inputs=True)
        return {name: results[place] for place, name in enumerate(self._outputs)}


def estimate_memory(program: Program, precision: str) -> int:
    """Resident bytes of a loaded program that has run once, in "f32" or "bf16"."""
    weights = sum(_elements(constant.type) for constant in program.constants.values())
    values = (value for operation in program.operations for value in operation.outputs)
    largest = max((4 * _elements(value.type) for value in values), default=0)
    return WEIGHT_BYTES[precision] * weights + OPERATION_BYTES * len(program.operations) + LIVE_TENSORS * largest


def choose_precision(wanted: str, exact: bool) -> str:
    """What "auto" means on this processor; bf16 is refused where the processor does not compute in it.

    `exact` parts run in f32 whatever is wanted: bf16 would round token ids and thresholds.
    """
    if exact or wanted == "f32":
        return "f32"
    native = native_bf16()
    if wanted == "bf16" and not native:
        raise EngineError("This processor does not compute in bf16; choose the precision auto or f32.")
    return "bf16" if native else "f32"


@cache
def native_bf16() -> bool:
    """Whether this processor computes in bf16; elsewhere it would only be imitated, slowly."""
    return "BF16" in ov.Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")


def _elements(type_: TensorType) -> int:
    return prod(dim or 0 for dim in type_.shape)


def _port(name: str, type_: TensorType) -> Port:
    """Floats are handed over as float32, everything else as int32; an open dimension is 0 here and refused by load."""
    dtype = "float32" if type_.dtype.startswith(("fp", "bf")) else "int32"
    return Port(name, tuple(dim or 0 for dim in type_.shape), dtype)
