"""A stand-in for coremltools with the troubles of real Macs, one list of deeds for each choice of compute units.

The file beside a package, with the suffix ".rig", says what happens: {"CPU_AND_NE": {"predict": "kill"}}. The process
of a part imports this module by name and runs the real CoreMlEngine over the stand-in. The "network" returns its input,
repeated and doubled.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import shutil
import signal
import sys
import weakref
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.child.process import SERVE

if getattr(sys.modules["__main__"].__spec__, "name", "") == SERVE:  # a part's process: seconds less for each
    _found = importlib.util.find_spec("coremltools")
    assert _found is not None
    sys.modules["coremltools"] = importlib.util.module_from_spec(_found)  # its place, without running it

from bksdm_demo.engines.coreml_engine import CoreMlEngine, expected_memory
from tests.mil.samples import GOLDEN

__all__ = ["KIND", "RiggedTools", "copied", "expected_memory", "open_part", "rig"]

KIND = "rigged"
FAR_TOO_LONG = 3600  # seconds
OUTPUT = (1, 36, 6)


class Units(Enum):
    """coremltools.ComputeUnit."""

    CPU_AND_GPU = 1
    CPU_ONLY = 2
    ALL = 3
    CPU_AND_NE = 4


class MLCPUComputeDevice:
    """Plans name a device by its class, so these three have coremltools' names."""


class MLGPUComputeDevice:
    pass


class MLNeuralEngineComputeDevice:
    pass


PLANNED = {
    Units.CPU_ONLY: MLCPUComputeDevice,
    Units.CPU_AND_GPU: MLGPUComputeDevice,
    Units.CPU_AND_NE: MLNeuralEngineComputeDevice,
    Units.ALL: MLNeuralEngineComputeDevice,
}


def rig(package: Path, **deeds: Mapping[str, str]) -> Path:
    """Write what happens to this package on each choice of units: {"load": deed, "predict": deed, "plan": deed}."""
    package.with_suffix(".rig").write_text(json.dumps(deeds))
    return package


def copied(folder: Path) -> Path:
    """A copy of the package that the engine's tests run, to rig."""
    return Path(shutil.copytree(GOLDEN / "converted.mlpackage", folder / "Unet.mlpackage"))


class RiggedTools:
    """What CoreMlEngine uses of coremltools. Each load is appended to the file beside the package ("...loads")."""

    __version__ = "9.0"
    ComputeUnit = Units
    SpecializationStrategy = SimpleNamespace(FastPrediction="FastPrediction")
    ReshapeFrequency = SimpleNamespace(Infrequent="Infrequent")

    def __init__(self, package: Path) -> None:
        self._package = package
        self._held: list[weakref.ref[NDArray]] = []  # inputs that Core ML has not let go of yet
        rigged = package.with_suffix(".rig")
        self._deeds: dict[str, dict[str, str]] = json.loads(rigged.read_text()) if rigged.exists() else {}
        plan = SimpleNamespace(MLComputePlan=SimpleNamespace(load_from_path=self._plan))
        self.models = SimpleNamespace(
            CompiledMLModel=self._load, utils=SimpleNamespace(compile_model=self._compile), compute_plan=plan
        )

    def _deed(self, units: Units, when: str) -> str:
        return self._deeds.get(units.name, {}).get(when, "")

    def _compile(self, source: str, destination: str) -> str:
        return str(shutil.copytree(source, destination))

    def _load(
        self, path: str, compute_units: Units, optimization_hints: Mapping[str, str] | None = None
    ) -> SimpleNamespace:
        if not path.endswith(".mlmodelc"):
            raise RuntimeError(f"{path} is not compiled")
        with self._package.with_suffix(".loads").open("a") as log:
            log.write(f"{compute_units.name} {json.dumps(optimization_hints)}\n")
        do(self._deed(compute_units, "load"))
        return SimpleNamespace(predict=lambda data: self._predict(data, compute_units))

    def _predict(self, data: Mapping[str, NDArray], units: Units) -> dict[str, NDArray]:
        if any(held() is None for held in self._held):
            do("crash")  # an input died while Core ML still had it
        if any(array.dtype == np.float16 for array in data.values()):
            do("crash")  # coremltools would pass a hidden copy that dies with the call
        self._held = [weakref.ref(array) for array in data.values()]
        deed = self._deed(units, "predict")
        do(deed)
        y = 2 * np.resize(data["x"], OUTPUT)
        if deed == "nan":
            y[0, 5, 1] = np.nan
        if deed == "noise":
            y = y + np.random.RandomState(1).standard_normal(OUTPUT)
        if deed == "shape":
            y = y[:, :35]
        if deed == "infinite":
            y = y * np.float32(np.inf)
        return {"other" if deed == "name" else "y": y.astype(np.float16 if deed == "float16" else np.float32)}

    def _plan(self, path: str, compute_units: Units) -> SimpleNamespace:
        if not path.endswith(".mlmodelc"):
            os.abort()
        do(self._deed(compute_units, "plan"))
        kinds = ["const", "conv", "softmax", "cond"]
        inner = SimpleNamespace(operator_name="gelu", blocks=[])
        operations = [
            SimpleNamespace(operator_name=kind, blocks=[SimpleNamespace(operations=[inner])] if kind == "cond" else [])
            for kind in kinds
        ]
        main = SimpleNamespace(block=SimpleNamespace(operations=operations))

        def usage(operation: SimpleNamespace) -> SimpleNamespace | None:
            if operation.operator_name == "const":
                return None
            device = MLCPUComputeDevice if operation.operator_name == "softmax" else PLANNED[compute_units]
            return SimpleNamespace(preferred_compute_device=device())

        def cost(operation: SimpleNamespace) -> SimpleNamespace | None:
            weights = {"conv": 0.9, "softmax": 0.1}
            known = operation.operator_name in weights
            return SimpleNamespace(weight=weights[operation.operator_name]) if known else None

        return SimpleNamespace(
            model_structure=SimpleNamespace(program=SimpleNamespace(functions={"main": main})),
            get_compute_device_usage_for_mlprogram_operation=usage,
            get_estimated_cost_for_mlprogram_operation=cost,
        )


def do(deed: str) -> None:
    """Do the deeds that end or stop a process, or raise; the others change the result."""
    if deed == "crash":
        ctypes.string_at(0)
    elif deed == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif deed == "hang":
        ctypes.PyDLL(None).sleep(FAR_TOO_LONG)  # keeps Python's lock, as a compilation for the Neural Engine may
    elif deed == "abort":
        os.abort()
    elif deed == "error":
        raise RuntimeError("Error in declaring network or could not load /Users/someone/secret.")


def open_part(path: Path, options: EngineOptions, exact: bool) -> CoreMlEngine:
    return CoreMlEngine(path, options, exact, tools=RiggedTools(path))
