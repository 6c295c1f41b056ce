"""Every trouble of real Macs, done by a stand-in for coremltools in a process of its own, and what becomes of it."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bksdm_demo.engines import registry
from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.child.isolated_engine import IsolatedEngine
from bksdm_demo.engines.child.pool import PartProcesses, TimeLimits
from bksdm_demo.engines.coreml_units import FOLDER
from bksdm_demo.engines.unit_fallback import REFUSED, UnitFallbackEngine, has_units, part_opener
from bksdm_demo.errors import EngineError, PackageError, PartCrashedError
from tests.engines import rigged_coreml
from tests.engines.rigged_coreml import copied, rig
from tests.engines.test_coreml_engine import PACKAGE, X

SHORT = TimeLimits(60, 2)  # seconds; the second one ends a run that hangs
Open = Callable[..., UnitFallbackEngine]
Pools = Callable[[str, str], PartProcesses]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return copied(tmp_path)


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pools]:
    """Processes by units and hints, kept for all tests, because each takes a while to start."""
    folder = tmp_path_factory.mktemp("cache")
    made: dict[tuple[str, str], PartProcesses] = {}

    def pool(units: str, hints: str) -> PartProcesses:
        known = made.get((units, hints))
        if known is None or known.closed:
            options = EngineOptions(rigged_coreml.KIND, compute_units=units, cache_dir=folder, hints=hints)
            known = made[units, hints] = PartProcesses(options, SHORT)
        return known

    yield pool
    for processes in made.values():
        processes.close()


@pytest.fixture
def open_part(package: Path, pools: Pools, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens the package on some units, each time as a new start of the demo would. Its attention is "original"."""
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
    registry.register(rigged_coreml.KIND, rigged_coreml.__name__, ("compute_units", "hints"))

    def opened(units: str = "auto", exact: bool = False, isolated: bool = True, hints: str = "") -> UnitFallbackEngine:
        processes = pools(units, hints)
        engine = part_opener(processes.options, processes, isolated)(package, exact)
        assert isinstance(engine, UnitFallbackEngine)
        return engine

    shutil.rmtree(stored_verdicts(pools), ignore_errors=True)
    return opened


def stored_verdicts(pools: Pools) -> Path:
    folder = pools("auto", "").options.cache_dir
    assert folder is not None
    return folder / FOLDER


def loads(package: Path) -> list[str]:
    """The units of every load so far."""
    return [line.split()[0] for line in package.with_suffix(".loads").read_text().splitlines()]


def test_what_works_is_compared_with_the_cpu_and_remembered(open_part: Open, package: Path) -> None:
    first = open_part()
    before: str | None = first.compute_units
    assert before is None
    np.testing.assert_allclose(first.run({"x": X})["y"], 2 * np.resize(X, (1, 36, 6)))
    assert (first.compute_units, first.refused_units) == ("cpu-and-gpu", {})
    assert first.self_check == 200  # the stand-in computes alike everywhere
    assert loads(package) == ["CPU_ONLY", "CPU_AND_GPU"]
    again = open_part()
    again.load()
    assert (again.compute_units, again.self_check, again.devices) == ("cpu-and-gpu", 200, first.devices)
    assert loads(package) == ["CPU_ONLY", "CPU_AND_GPU", "CPU_AND_GPU"]


@pytest.mark.parametrize(
    ("when", "deed", "reason"),
    [
        ("predict", "kill", "its process ended with the signal SIGKILL"),
        ("load", "crash", "its process ended with the signal SIGSEGV"),
        ("predict", "hang", "it did not finish within 2 seconds and was ended"),
        ("load", "error", REFUSED),
        ("predict", "nan", "its result is not finite"),
        ("predict", "infinite", "its result is not finite"),
        ("predict", "noise", "dB; 35 dB are needed"),
        ("predict", "shape", REFUSED),
    ],
)
def test_units_that_fail_are_refused_with_the_reason_and_the_next_ones_run(
    open_part: Open, package: Path, when: str, deed: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    rig(package, CPU_AND_GPU={when: deed})
    engine = open_part()
    with caplog.at_level(logging.WARNING):
        y = engine.run({"x": X})["y"]
    assert y.shape == (1, 36, 6)
    assert engine.compute_units == "cpu-and-ne"
    assert list(engine.refused_units) == ["cpu-and-gpu"]
    assert reason in engine.refused_units["cpu-and-gpu"]
    assert "secret" not in str(engine.refused_units)
    assert "Unet.mlpackage: the units cpu-and-gpu are refused" in caplog.text


def test_refused_units_are_not_tried_again(open_part: Open, package: Path) -> None:
    rig(package, CPU_AND_GPU={"predict": "nan"})
    open_part().load()
    before = loads(package)
    again = open_part()
    again.load()
    assert loads(package) == [*before, "CPU_AND_NE"]
    assert again.refused_units == {"cpu-and-gpu": "its result is not finite"}


def test_half_precision_results_are_close_enough(open_part: Open, package: Path) -> None:
    rig(package, CPU_AND_GPU={"predict": "float16"})
    engine = open_part()
    engine.load()
    assert engine.compute_units == "cpu-and-gpu"
    assert engine.self_check is not None
    assert 60 < engine.self_check < 100


@pytest.mark.parametrize("exact", [False, True])
def test_a_text_encoder_goes_to_safe_units_and_never_falls_back_to_the_gpu(
    open_part: Open, package: Path, exact: bool
) -> None:
    rig(package, CPU_AND_NE={"load": "error"}, CPU_AND_GPU={"predict": "crash"})
    engine = open_part("auto" if exact else "cpu-and-ne", exact)
    engine.load()
    assert engine.compute_units == "cpu-only"
    assert list(engine.refused_units) == (["cpu-and-ne"] if exact else ["cpu-and-ne", "cpu-and-gpu"])


def test_without_a_result_on_the_cpu_finite_is_enough(open_part: Open, package: Path) -> None:
    rig(package, CPU_ONLY={"predict": "kill"})
    engine = open_part("cpu-and-ne")
    engine.load()
    assert (engine.compute_units, engine.self_check) == ("cpu-and-ne", None)


def test_where_nothing_works_the_error_names_every_unit_and_all_are_tried_again(open_part: Open, package: Path) -> None:
    dead = {"load": "error"}
    rig(package, CPU_AND_GPU=dead, CPU_AND_NE={"predict": "nan"}, CPU_ONLY=dead)
    with pytest.raises(EngineError, match=r"no compute units .* cpu-and-gpu: .*; cpu-and-ne: .* finite; cpu-only:"):
        open_part().load()
    rig(package)
    engine = open_part()
    engine.load()
    assert (engine.compute_units, engine.refused_units) == ("cpu-and-gpu", {})


def test_a_crash_in_a_later_run_costs_the_verdict(open_part: Open, package: Path) -> None:
    engine = open_part()
    engine.load()
    engine.unload()
    rig(package, CPU_AND_GPU={"predict": "kill"})
    with pytest.raises(PartCrashedError, match="SIGKILL"):
        engine.run({"x": X})
    assert engine.run({"x": X})["y"].shape == (1, 36, 6)
    assert engine.compute_units == "cpu-and-ne"


def test_units_that_worked_and_now_fail_to_load_are_tried_anew(open_part: Open, package: Path) -> None:
    open_part().load()
    rig(package, CPU_AND_GPU={"load": "crash"})
    engine = open_part()
    engine.load()
    assert engine.compute_units == "cpu-and-ne"


def test_a_part_that_runs_here_is_tried_elsewhere_first(open_part: Open, package: Path) -> None:
    rig(package, CPU_AND_GPU={"predict": "kill"})  # would end this very process
    engine = open_part(isolated=False)
    assert engine.run({"x": X})["y"].shape == (1, 36, 6)
    assert engine.compute_units == "cpu-and-ne"
    assert not isinstance(engine._engine, IsolatedEngine)


def test_the_end_of_the_demo_is_no_verdict(open_part: Open, pools: Pools) -> None:
    engine = open_part()
    _ = engine.inputs
    engine._processes.close()
    with pytest.raises(EngineError):
        engine.load()
    assert not stored_verdicts(pools).exists()


def test_a_missing_file_is_no_failure_of_the_units(open_part: Open, package: Path) -> None:
    shutil.rmtree(package)
    with pytest.raises(PackageError):
        open_part().load()


def test_hints_reach_core_ml_and_have_verdicts_of_their_own(open_part: Open, package: Path) -> None:
    open_part().load()
    open_part(hints="fast-prediction,infrequent-reshape").load()
    last = package.with_suffix(".loads").read_text().splitlines()[-1]
    assert json.loads(last.partition(" ")[2]) == {
        "specializationStrategy": "FastPrediction",
        "reshapeFrequency": "Infrequent",
    }
    assert loads(package) == ["CPU_ONLY", "CPU_AND_GPU"] * 2


def test_the_plan_of_devices_is_asked_of_the_compiled_model(open_part: Open) -> None:
    engine = open_part("cpu-and-ne")
    engine.load()
    assert engine.devices["operations"] == {"CPU": 0.25, "Neural Engine": 0.75}
    assert engine.devices["cost"] == pytest.approx({"CPU": 0.1, "Neural Engine": 0.9})


def test_a_plan_that_ends_its_process_leaves_the_part_running(open_part: Open, package: Path) -> None:
    rig(package, CPU_AND_GPU={"plan": "abort"})
    engine = open_part()
    assert engine.run({"x": X})["y"].shape == (1, 36, 6)
    assert (engine.compute_units, engine.devices) == ("cpu-and-gpu", {})


def test_only_engines_that_choose_units_get_trials(open_part: Open) -> None:
    assert has_units(EngineOptions(rigged_coreml.KIND))
    assert not has_units(EngineOptions("openvino"))
    made = part_opener(EngineOptions("openvino"), None, isolated=False)(PACKAGE, False)
    assert made.kind == "openvino"
