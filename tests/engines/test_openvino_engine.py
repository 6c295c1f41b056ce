"""The OpenVINO engine: precision, threads, files that cannot run, and failures of the runtime."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray

from bksdm_demo.engines import openvino_compiled, openvino_engine
from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.openvino_engine import OpenVinoEngine, choose_precision
from bksdm_demo.engines.openvino_facts import PartFacts
from bksdm_demo.engines.openvino_memory import LIVE_TENSORS, OPERATION_BYTES, estimate_memory
from bksdm_demo.errors import EngineError, PackageError, UnsupportedModelError
from bksdm_demo.mil.compiled_writer import write_compiled
from bksdm_demo.mil.printer import SPELLINGS
from bksdm_demo.translate import translator
from tests.mil.samples import GOLDEN
from tests.translate.programs import Builder

PACKAGE = GOLDEN / "converted.mlpackage"
X = {"x": np.linspace(-1, 1, 144, dtype=np.float32).reshape(1, 4, 6, 6)}
PARTS = GOLDEN.parent / "parts"
FLOOR = 60.0  # dB against torch


@pytest.mark.parametrize(
    ("wanted", "exact", "native", "chosen"),
    [
        ("auto", False, True, "bf16"),
        ("auto", False, False, "f32"),
        ("auto", True, True, "f32"),
        ("f32", False, True, "f32"),
        ("bf16", False, True, "bf16"),
        ("bf16", True, True, "f32"),
        ("bf16", True, False, "f32"),
    ],
)
def test_precision(monkeypatch: pytest.MonkeyPatch, wanted: str, exact: bool, native: bool, chosen: str) -> None:
    monkeypatch.setattr(openvino_engine, "native_bf16", lambda: native)
    assert choose_precision(wanted, exact) == chosen
    assert OpenVinoEngine(PACKAGE, EngineOptions(precision=wanted), exact).precision == chosen


def test_bf16_is_refused_where_the_processor_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_engine, "native_bf16", lambda: False)
    with pytest.raises(EngineError, match="auto or f32"):
        OpenVinoEngine(PACKAGE, EngineOptions(precision="bf16")).load()


def test_settings_reach_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}

    def compile_model(self: ov.Core, model: ov.Model, device: str, settings: dict[str, Any]) -> ov.CompiledModel:
        told.update(settings, device=device)
        return original(self, model, device, settings)

    original = ov.Core.compile_model
    monkeypatch.setattr(ov.Core, "compile_model", compile_model)
    OpenVinoEngine(PACKAGE, EngineOptions(precision="f32", threads=1)).run(X)
    assert told == {
        "device": "CPU",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": 1,
    }


def test_f32_matches_torch() -> None:
    with np.load(GOLDEN / "converted.npz") as network:
        made = OpenVinoEngine(PACKAGE, exact=True).run({"x": network["x"]})["y"]
        error = np.mean((made - network["y"]) ** 2)
        assert 10 * np.log10(np.ptp(network["y"]) ** 2 / error) > FLOOR


@pytest.mark.parametrize(("name", "spelling"), list(zip(["unet_split", "text_encoder"], SPELLINGS, strict=True)))
def test_a_compiled_model_is_the_package_bit_for_bit(name: str, spelling: str, tmp_path: Path) -> None:
    package = OpenVinoEngine(PARTS / f"{name}.mlpackage")
    compiled = OpenVinoEngine(write_compiled(package.path, tmp_path / "any.mlmodelc", spelling))
    with np.load(PARTS / f"{name}.npz") as recorded:
        given = {port.name: recorded[f"in.{port.name}"][0] for port in package.inputs}
    assert (compiled.inputs, compiled.outputs, compiled.metadata) == (package.inputs, package.outputs, package.metadata)
    theirs, ours = package.run(given), compiled.run(given)
    assert list(ours) == list(theirs)
    for key, array in theirs.items():
        np.testing.assert_array_equal(ours[key], array)


def test_size_is_that_of_all_files() -> None:
    files = [file for file in PACKAGE.rglob("*") if file.is_file()]
    assert len(files) == 3
    assert OpenVinoEngine(PACKAGE).size_bytes == sum(file.stat().st_size for file in files)


@pytest.mark.parametrize(("precision", "weight_bytes"), [("f32", 4), ("bf16", 2)])
def test_memory_follows_weights_operations_and_the_largest_value(precision: str, weight_bytes: int) -> None:
    """y = linear(x) + x, by hand: 16 x 16 weights, 16 biases, two operations, values of 64."""
    builder = Builder()
    x = builder.input("x", (4, 16))
    product = builder.op("linear", (4, 16), x=x, weight=np.ones((16, 16), np.float16), bias=np.ones(16, np.float16))
    facts = PartFacts.of(builder.program(builder.op("add", (4, 16), x=product, y=x)))
    assert (facts.weights, facts.operations, facts.largest) == (256 + 16, 2, 64)
    estimated = estimate_memory(facts.weights, facts.operations, facts.largest, precision)
    assert estimated == weight_bytes * (256 + 16) + 2 * OPERATION_BYTES + LIVE_TENSORS * weight_bytes * 64


def test_memory_is_estimated_for_the_precision_it_runs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_engine, "native_bf16", lambda: True)
    package = PARTS / "unet_split.mlpackage"
    fast, exact = OpenVinoEngine(package), OpenVinoEngine(package, exact=True)
    assert not exact.loaded
    assert exact.memory_bytes > fast.memory_bytes > fast.size_bytes


def test_a_truncated_weight_file_is_refused(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "cut.mlpackage")
    weights = next((tmp_path / "cut.mlpackage").rglob("weight.bin"))
    weights.write_bytes(weights.read_bytes()[:-100])
    engine = OpenVinoEngine(tmp_path / "cut.mlpackage")
    with pytest.raises(PackageError, match=r"cut\.mlpackage"):
        engine.load()
    assert not engine.loaded


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    engine = OpenVinoEngine(tmp_path / "gone.mlpackage")
    with pytest.raises(PackageError, match=r"gone\.mlpackage"):
        _ = engine.inputs


def test_unsupported_operations_are_refused_at_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(translator.TRANSLATORS, "conv")
    engine = OpenVinoEngine(PACKAGE)
    assert engine.inputs
    with pytest.raises(UnsupportedModelError, match=r"conv \(\d+\)"):
        engine.run(X)


def test_a_failing_run_is_an_engine_error(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = OpenVinoEngine(PACKAGE)
    engine.load()

    def fail(self: object, arrays: dict[str, NDArray]) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(openvino_compiled._Request, "run", fail)
    with pytest.raises(EngineError, match=r"converted\.mlpackage: OpenVINO failed while running\. out of memory"):
        engine.run(X)
    monkeypatch.undo()
    assert engine.run(X)["y"].shape == (1, 36, 6)


def test_a_failing_compilation_is_an_engine_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: ov.Core, model: ov.Model, device: str, settings: dict[str, Any]) -> None:
        raise RuntimeError("no such device")

    monkeypatch.setattr(ov.Core, "compile_model", fail)
    engine = OpenVinoEngine(PACKAGE)
    with pytest.raises(EngineError, match=r"converted\.mlpackage: OpenVINO cannot compile the model\. no such device"):
        engine.load()
    assert not engine.loaded


@pytest.mark.parametrize("wrong", [{"precision": "f16"}, {"compute_units": "gpu"}, {"threads": 0}], ids=str)
def test_wrong_options_name_the_option_and_the_value(wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(EngineError, match=f"Engine {name} is '?{value}'?; "):
        EngineOptions(**wrong)
