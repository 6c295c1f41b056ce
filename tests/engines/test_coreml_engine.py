"""The Core ML engine: its own logic against a stand-in for coremltools; on a Mac also Core ML itself."""

import inspect
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import coremltools
import numpy as np
import pytest

from bksdm_demo.engines.base import EngineOptions, Port
from bksdm_demo.engines.coreml_engine import HINTS, UNITS, CoreMlEngine, best_units
from bksdm_demo.engines.coreml_plan import DEVICES
from bksdm_demo.errors import EngineError, PackageError
from bksdm_demo.mil.metadata import CompiledFacts
from tests.mil.samples import GOLDEN, edited

PACKAGE = GOLDEN / "converted.mlpackage"
NETWORK = np.load(GOLDEN / "converted.npz")
PSNR_FLOOR = 35.0  # dB, what Apple asks of a converted part
X = np.arange(144, dtype=np.float32).reshape(1, 4, 6, 6)


class StandIn:
    """What the engine uses of coremltools. The "network" returns the sum of its input in every element."""

    __version__ = "0.0"
    ComputeUnit = SimpleNamespace(ALL="ALL", CPU_ONLY="CPU_ONLY", CPU_AND_GPU="CPU_AND_GPU", CPU_AND_NE="CPU_AND_NE")

    SpecializationStrategy = SimpleNamespace(FastPrediction="fast")
    ReshapeFrequency = SimpleNamespace(Infrequent="infrequent")

    def __init__(self, load_error: Exception | None = None, run_error: Exception | None = None) -> None:
        self.loads: list[tuple[str, str]] = []
        self.compiled: list[str] = []
        self.seen: list[dict[str, Any]] = []
        self.outputs = ("y",)
        self._load_error, self._run_error = load_error, run_error
        self.models = SimpleNamespace(CompiledMLModel=self._load, utils=SimpleNamespace(compile_model=self._compile))

    def _compile(self, source: str, destination: str) -> str:
        self.compiled.append(source)
        return str(shutil.copytree(source, destination))

    def _load(self, path: str, compute_units: str) -> SimpleNamespace:
        if self._load_error:
            raise self._load_error
        self.loads.append((path, compute_units))
        return SimpleNamespace(predict=self._predict)

    def _predict(self, data: dict[str, Any]) -> dict[str, Any]:
        if self._run_error:
            raise self._run_error
        self.seen.append(data)
        return {name: np.full((1, 36, 6), data["x"].sum(), np.float16) for name in self.outputs}


def engine(folder: Path, tools: StandIn, path: Path = PACKAGE, **options: Any) -> CoreMlEngine:
    return CoreMlEngine(path, EngineOptions(cache_dir=folder / "cache", **options), tools=tools)


def test_the_interface_needs_no_core_ml(tmp_path: Path) -> None:
    tools = StandIn()
    made = engine(tmp_path, tools)
    assert made.inputs == (Port("x", (1, 4, 6, 6)),)
    assert made.outputs == (Port("y", (1, 36, 6)),)
    assert made.metadata["attention"] == "original"
    assert made.size_bytes == sum(file.stat().st_size for file in PACKAGE.rglob("*") if file.is_file())
    assert made.memory_bytes == made.size_bytes
    assert not made.loaded
    assert (tools.loads, tools.compiled) == ([], [])


def test_runs_and_returns_float32_of_its_own(tmp_path: Path) -> None:
    made = engine(tmp_path, StandIn())
    y = made.run({"x": X / 1000})["y"]
    assert (y.dtype.name, y.shape) == ("float32", (1, 36, 6))
    np.testing.assert_allclose(y, (X / 1000).sum(), rtol=1e-3)
    assert made.loaded
    assert y.flags.owndata


def test_buffers_stay_alive_and_are_reused(tmp_path: Path) -> None:
    tools = StandIn()
    made = engine(tmp_path, tools)
    for _ in range(2):
        made.run({"x": X.astype(np.float16)})
        made.unload()
    first, second = (call["x"] for call in tools.seen)
    assert first is second
    assert first.dtype == np.float32
    assert first.flags.c_contiguous
    assert made._buffers["x"] is first  # also after unload: Core ML may still hold it


def test_load_and_unload_any_number_of_times(tmp_path: Path) -> None:
    tools = StandIn()
    made = engine(tmp_path, tools)
    for call in (made.load, made.load, made.unload, made.unload, made.load):
        call()
    assert made.loaded
    assert len(tools.loads) == 2
    assert len(tools.compiled) == 1


def test_a_second_engine_finds_the_compiled_model(tmp_path: Path) -> None:
    tools = StandIn()
    for _ in range(2):
        engine(tmp_path, tools).load()
    assert len(tools.compiled) == 1
    assert tools.loads[0][0] == tools.loads[1][0]
    assert tools.loads[0][0].endswith(".mlmodelc")


@pytest.mark.parametrize(
    ("option", "units"),
    [("auto", "CPU_AND_GPU"), ("all", "ALL"), ("cpu-only", "CPU_ONLY"), ("cpu-and-ne", "CPU_AND_NE")],
)
def test_compute_units(option: str, units: str, tmp_path: Path) -> None:
    tools = StandIn()
    engine(tmp_path, tools, compute_units=option).load()
    assert tools.loads[0][1] == units


def test_an_exact_part_goes_to_the_safe_units_unless_others_are_asked_for(tmp_path: Path) -> None:
    for option, units in (("auto", "cpu-and-ne"), ("cpu-and-gpu", "cpu-and-gpu")):
        options = EngineOptions(cache_dir=tmp_path, compute_units=option)
        assert CoreMlEngine(PACKAGE, options, exact=True, tools=StandIn()).compute_units == units


@pytest.mark.parametrize(
    ("metadata", "operations", "units"),
    [
        ({"attention": "split_einsum"}, {}, "cpu-and-ne"),
        ({"attention": "SPLIT_EINSUM_V2"}, {}, "cpu-and-ne"),
        ({"attention": "original"}, {"einsum": 4}, "cpu-and-gpu"),
        ({}, {"einsum": 4}, "cpu-and-ne"),
        ({}, {"Ios16.einsum": 288}, "cpu-and-ne"),
        ({}, {"Ios16.matmul": 36}, "cpu-and-gpu"),
        ({}, {}, "cpu-and-gpu"),
    ],
)
def test_units_follow_the_attention(metadata: dict[str, str], operations: dict[str, int], units: str) -> None:
    assert best_units(CompiledFacts((), (), metadata, operations, 7)) == units


@pytest.mark.parametrize(
    "arrays", [{}, {"z": X}, {"x": X, "z": X}, {"x": X[0]}, {"x": X.astype(str)}, {"x": X.astype(complex)}]
)
def test_wrong_arrays_are_refused_before_loading(arrays: dict[str, Any], tmp_path: Path) -> None:
    tools = StandIn()
    with pytest.raises(EngineError, match=r"converted\.mlpackage.*x"):
        engine(tmp_path, tools).run(arrays)
    assert tools.loads == []


def test_failures_of_core_ml_are_engine_errors(tmp_path: Path) -> None:
    cannot_load = engine(tmp_path, StandIn(load_error=Exception("specification has version 9")))
    with pytest.raises(EngineError, match=r"cannot load .*specification has version 9"):
        cannot_load.load()
    assert not cannot_load.loaded
    with pytest.raises(EngineError, match=r"failed while running\. NSError"):
        engine(tmp_path, StandIn(run_error=RuntimeError("NSError"))).run({"x": X})


def test_a_missing_output_and_a_wrong_shape_are_engine_errors(tmp_path: Path) -> None:
    tools = StandIn()
    tools.outputs = ("other",)
    with pytest.raises(EngineError, match=r"returned \['other'\], but no y"):
        engine(tmp_path, tools).run({"x": X})
    path = edited(tmp_path, lambda model: None)
    made = engine(tmp_path, StandIn(), path)
    made.outputs = (Port("y", (1, 36, 7)),)  # what a damaged file might declare
    with pytest.raises(EngineError, match=r"output y float32\[1, 36, 7\] came back with the shape \[1, 36, 6\]"):
        made.run({"x": X})


def test_open_shapes_are_refused(tmp_path: Path) -> None:
    def change(model: Any) -> None:
        model.mlProgram.functions["main"].inputs[0].type.tensorType.dimensions[0].unknown.SetInParent()

    with pytest.raises(EngineError, match="x has the open shape"):
        engine(tmp_path, StandIn(), edited(tmp_path, change)).run({"x": X})


def test_a_compiled_model_is_used_where_it_lies(tmp_path: Path) -> None:
    folder = tmp_path / "Unet.mlmodelc"
    folder.mkdir()
    port = {"type": "MultiArray", "dataType": "Float16", "hasShapeFlexibility": "0"}
    content = {
        "inputSchema": [{**port, "name": "x", "shape": "[1, 4, 6, 6]"}],
        "outputSchema": [{**port, "name": "y", "shape": "[]"}],
        "mlProgramOperationTypeHistogram": {"Ios16.einsum": 2},
    }
    (folder / "metadata.json").write_text(json.dumps([content]))
    tools = StandIn()
    made = engine(tmp_path, tools, folder)
    assert made.run({"x": X})["y"].shape == (1, 36, 6)
    assert tools.loads == [(str(folder), "CPU_AND_NE")]
    assert tools.compiled == []


def test_nothing_there_is_a_package_error(tmp_path: Path) -> None:
    for name in ("gone.mlpackage", "gone.mlmodelc"):
        with pytest.raises(PackageError):
            engine(tmp_path, StandIn(), tmp_path / name).load()


def test_coremltools_has_what_the_stand_in_has() -> None:
    assert all(hasattr(coremltools.ComputeUnit, name) for name in UNITS.values())
    units = coremltools.ComputeUnit.ALL
    inspect.signature(coremltools.models.CompiledMLModel).bind("path", compute_units=units, optimization_hints={})
    assert all(hasattr(getattr(coremltools, enum), member) for _, enum, member in HINTS.values())
    plan = coremltools.models.compute_plan.MLComputePlan
    inspect.signature(plan.load_from_path).bind("path", compute_units=units)
    for question in ("compute_device_usage", "estimated_cost"):
        assert callable(getattr(plan, f"get_{question}_for_mlprogram_operation"))
    assert all(hasattr(coremltools.models.compute_device, name) for name in DEVICES)
    inspect.signature(coremltools.models.utils.compile_model).bind("source", "destination")
    assert isinstance(coremltools.__version__, str)


@pytest.mark.skipif(sys.platform != "darwin", reason="Core ML runs on macOS only")
def test_core_ml_itself(tmp_path: Path) -> None:
    made = CoreMlEngine(PACKAGE, EngineOptions(cache_dir=tmp_path, compute_units="cpu-only"))
    y = made.run({"x": NETWORK["x"]})["y"]
    error = np.mean((y - NETWORK["y"]) ** 2)
    assert 10 * np.log10(np.max(np.abs(NETWORK["y"])) ** 2 / error) > PSNR_FLOOR
    made.unload()
    np.testing.assert_array_equal(made.run({"x": NETWORK["x"]})["y"], y)
