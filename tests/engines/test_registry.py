"""Which engine is picked where; nothing is loaded by picking."""

from pathlib import Path

import pytest

from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.registry import engine_kind, open_engine
from bksdm_demo.errors import EngineError
from tests.mil.samples import GOLDEN


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
    with pytest.raises(EngineError, match="Core ML runs on macOS only; choose the engine auto or openvino"):
        engine_kind(EngineOptions(kind="coreml"), system)


@pytest.mark.parametrize("exact", [False, True])
def test_opens_without_loading(exact: bool) -> None:
    engine = open_engine(GOLDEN / "converted.mlpackage", EngineOptions(), exact)
    assert engine.kind == engine_kind(EngineOptions())
    assert not engine.loaded
    assert [str(port) for port in (*engine.inputs, *engine.outputs)] == [
        "x float32[1, 4, 6, 6]",
        "y float32[1, 36, 6]",
    ]


def test_a_path_without_a_package_costs_nothing_until_it_is_asked() -> None:
    assert open_engine(Path("gone.mlpackage"), EngineOptions()).loaded is False
