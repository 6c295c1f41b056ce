"""The choice of an engine on each system, and adding one: a file and a line. Choosing loads nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from bksdm_demo.engines import registry
from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.registry import (
    EngineModule,
    engine_choices,
    engine_kind,
    expected_memory,
    ignored_options,
    open_engine,
    register,
)
from bksdm_demo.errors import EngineError
from tests.engines import toy_engine
from tests.mil.samples import GOLDEN

TOY: EngineModule = toy_engine  # checked by mypy: these two functions are the whole interface
TOY_OPTIONS = ("threads",)
SHIPPED = engine_choices()  # before any test adds one


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> str:
    """The kind of a third engine, registered for one test."""
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
    register(toy_engine.KIND, toy_engine.__name__, TOY_OPTIONS)
    return toy_engine.KIND


@pytest.mark.parametrize(
    ("kind", "system", "expected"),
    [
        ("auto", "darwin", "coreml"),
        ("auto", "linux", "openvino"),
        ("auto", "win32", "openvino"),
        ("openvino", "darwin", "openvino"),
        ("coreml", "darwin", "coreml"),
    ],
)
def test_kind(kind: str, system: str, expected: str) -> None:
    assert engine_kind(EngineOptions(kind=kind), system) == expected


@pytest.mark.parametrize("system", ["linux", "win32"])
def test_core_ml_off_macos_is_refused(system: str) -> None:
    with pytest.raises(EngineError, match="engine coreml runs on macOS only; choose auto or openvino"):
        engine_kind(EngineOptions(kind="coreml"), system)


def test_an_unknown_kind_lists_those_there_are() -> None:
    for refused in (engine_kind, lambda options: open_engine(Path("any"), options)):
        with pytest.raises(EngineError, match="Engine kind is 'cuda'; choose one of auto, coreml, openvino"):
            refused(EngineOptions(kind="cuda"))


@pytest.mark.parametrize("exact", [False, True])
def test_opens_without_loading(exact: bool) -> None:
    engine = open_engine(GOLDEN / "converted.mlpackage", EngineOptions(), exact)
    assert engine.kind == engine_kind(EngineOptions())
    assert not engine.loaded
    assert [str(port) for port in (*engine.inputs, *engine.outputs)] == [
        "x float32[1, 4, 6, 6]",
        "y float32[1, 36, 6]",
    ]


def test_opening_a_missing_package_costs_nothing_until_it_is_used() -> None:
    assert open_engine(Path("gone.mlpackage"), EngineOptions()).loaded is False


def test_a_third_engine_takes_one_file_and_one_line(toy: str) -> None:
    options = EngineOptions(kind=toy, threads=5)
    assert engine_choices() == (*SHIPPED, toy)
    assert engine_kind(options) == toy
    assert engine_kind(EngineOptions()) != toy  # auto stays with the first that is available
    made = open_engine(Path("any"), options).run({"x": np.zeros(2, np.float32)})
    assert made["y"].tolist() == [5, 5]
    assert expected_memory(10, 2, 999, options) == 12 * toy_engine.BYTES_PER_WEIGHT


@pytest.mark.parametrize("kind", ["toy", "openvino", "auto"])
def test_a_kind_is_registered_once(toy: str, kind: str) -> None:
    with pytest.raises(ValueError, match=f"'{kind}' is taken; there are: {', '.join(SHIPPED)}, toy"):
        register(kind, toy_engine.__name__, TOY_OPTIONS)


def test_an_option_that_does_not_exist_is_refused(toy: str) -> None:
    with pytest.raises(ValueError, match=r"The engine other reads \['colour'\]"):
        register("other", toy_engine.__name__, ("colour",))


def test_an_engine_that_is_not_installed_is_refused_when_it_is_used(toy: str) -> None:
    register("gone", "tests.engines.no_such_engine", ())
    options = EngineOptions(kind="gone")
    assert engine_kind(options) == "gone"
    with pytest.raises(EngineError, match=r"The engine gone is not installed \(No module named .*\); run `make demo`"):
        open_engine(Path("any"), options)
    with pytest.raises(EngineError, match="not installed"):
        expected_memory(1, 1, 1, options)


def test_choices_that_the_engine_ignores_are_named(toy: str) -> None:
    assert ignored_options(EngineOptions(kind=toy)) == ()
    assert ignored_options(EngineOptions(kind=toy, precision="f32", compute_units="all")) == (
        "precision",
        "compute_units",
    )
    assert ignored_options(EngineOptions(kind="openvino", precision="f32")) == ()


@pytest.mark.skipif(sys.platform != "linux", reason="on a Mac Core ML is the first choice")
def test_the_expected_memory_grows_with_the_weights() -> None:
    options = EngineOptions(precision="f32")
    assert expected_memory(2_000, 500, 0, options) - expected_memory(1_000, 500, 0, options) == 4_000
