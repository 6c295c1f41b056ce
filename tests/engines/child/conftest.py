"""Parts in processes of their own, with an engine that dies when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bksdm_demo.engines import registry
from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.child.isolated_engine import IsolatedEngine
from bksdm_demo.engines.child.pool import PartProcesses, TimeLimits
from tests.engines.child import moody_engine

MakePool = Callable[..., PartProcesses]
PATIENCE = TimeLimits(120, 120)  # seconds until a test that hangs fails


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakePool]:
    """Makes processes for moody engines; ends them with the test."""
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
    registry.register(moody_engine.KIND, moody_engine.__name__, ("threads",))
    made: list[PartProcesses] = []

    def make(limits: TimeLimits = PATIENCE, precision: str = "auto") -> PartProcesses:
        made.append(PartProcesses(EngineOptions(moody_engine.KIND, precision, threads=5), limits))
        return made[-1]

    yield make
    for processes in made:
        processes.close()


@pytest.fixture
def engine(pool: MakePool) -> IsolatedEngine:
    return IsolatedEngine(Path("moody.mlpackage"), pool())
