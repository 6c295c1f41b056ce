"""Building the services: settings reach the engines, and nothing uses the network."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.child.isolated_engine import IsolatedEngine
from bksdm_demo.engines.child.pool import TimeLimits
from bksdm_demo.errors import DemoError, EngineError
from bksdm_demo.evaluation.votes_booth import Rules
from bksdm_demo.evaluation.votes_store import VOTES_NAME
from bksdm_demo.library.published import PUBLISHED
from bksdm_demo.settings import Settings
from bksdm_demo.start import open_booth, part_name, start, system_memory
from tests.fakes import FAMILY, FakeEngine, fake_comparisons, fake_part, write_package
from tests.ui.records import SYSTEMS

ROOT = Path(__file__).parents[1]
CONNECTS = """
import socket, sys
import multiprocessing

def refuse(*_, **__):
    print("tried to reach the network", flush=True)
    raise OSError

socket.getaddrinfo = socket.socket.connect = refuse
multiprocessing.Process.start = refuse  # in which openvino_telemetry hides its call
from bksdm_demo.start import start
import openvino
print("started")
"""


def test_settings_reach_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[EngineOptions, bool]] = []

    def open_engine(path: Path, options: EngineOptions, exact: bool) -> FakeEngine:
        asked.append((options, exact))
        return fake_part(path)

    monkeypatch.setattr("bksdm_demo.engines.unit_fallback.open_engine", open_engine)
    settings = Settings(assets=tmp_path, engine="openvino", precision="f32", threads=2, cache_dir=tmp_path / "cache")
    services = start(settings)
    try:
        services.cache.open_part(write_package(tmp_path / "a" / "a_unet.mlpackage"), False)
        assert asked == [(EngineOptions("openvino", "f32", "auto", tmp_path / "cache", 2), False)]
        published = [system.key for system in PUBLISHED]
        assert [system.key for system in services.catalog.systems()] == [*FAMILY, *published]
        environment = services.environment()
        assert (environment["precision"], environment["threads"]) == ("f32", 2)
        assert environment["engine"] == "openvino"
        assert environment["parts"] == {"a/a_unet": {"engine": "fake"}}
    finally:
        services.close()


@pytest.mark.parametrize(("isolation", "limits"), [("child", TimeLimits(60, 5)), ("none", None), (None, None)])
def test_isolation_is_a_choice(tmp_path: Path, isolation: str | None, limits: TimeLimits | None) -> None:
    services = start(Settings(assets=tmp_path, engine="openvino", isolation=isolation, load_limit=60, run_limit=5))
    try:
        engine = services.cache.open_part(write_package(tmp_path / "a" / "a_unet.mlpackage"), False)
        assert isinstance(engine, IsolatedEngine) == (isolation == "child")
        assert (services.processes and services.processes.limits) == limits
        assert list(services.environment()["parts"]) == ["a/a_unet"]
    finally:
        services.close()


def test_the_environment_shows_what_auto_chose_and_no_refused_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Telling(FakeEngine):
        precision = "bf16"

    class Refusing(FakeEngine):
        @property
        def precision(self) -> str:
            raise EngineError("No bf16 here.")

    kinds: Any = iter((Telling, Refusing))
    monkeypatch.setattr("bksdm_demo.engines.unit_fallback.open_engine", lambda *_: next(kinds)([], [], dict))
    services = start(Settings(assets=tmp_path, engine="openvino"))
    try:
        services.cache.open_part(tmp_path / "one", False)
        services.cache.open_part(tmp_path / "two", False)
        assert services.environment()["parts"] == {
            "one": {"engine": "fake", "precision": "bf16"},
            "two": {"engine": "fake"},
        }
    finally:
        services.close()


def test_parts_with_one_name_get_different_names(tmp_path: Path) -> None:
    assets, models = tmp_path / "assets", tmp_path / "models"
    assert part_name(models / "one" / "Unet.mlmodelc", assets, models) == "one/Unet"
    assert part_name(models / "two" / "packages" / "v1.4_unet.mlpackage", assets, models) == "two/packages/v1.4_unet"
    assert part_name(assets / "emoji" / "a.mlpackage", assets, None) == "emoji/a"
    assert part_name(tmp_path / "Unet.mlmodelc", assets, models) == "Unet"  # without the folders of this machine


@pytest.mark.skipif(sys.platform == "darwin", reason="Core ML runs there")
def test_a_missing_engine_is_refused_at_once() -> None:
    with pytest.raises(EngineError, match="macOS"):
        start(replace(Settings(), engine="coreml"))


def test_starting_uses_no_network() -> None:
    pytest.importorskip("openvino")
    done = subprocess.run([sys.executable, "-c", CONNECTS], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "started\n"


def test_the_memory_of_a_system_is_estimated_high_rather_than_low() -> None:
    known = SYSTEMS["a"]
    small, large = replace(known, parameters=20_000_000), replace(known, parameters=900_000_000)
    options = EngineOptions(kind="openvino", precision="f32")
    assert system_memory(options, large) - system_memory(options, small) == 4 * 880_000_000  # bytes of a float32
    assert system_memory(options, replace(known, parameters=None, unet_parameters=None)) >= known.size_bytes
    assert system_memory(EngineOptions(kind="none"), known) > 2**62  # a missing engine fits nowhere


def test_the_booth_follows_the_settings(tmp_path: Path) -> None:
    service = fake_comparisons(tmp_path)
    own = Settings(data_dir=tmp_path / "data")
    booth = open_booth(service, own)
    assert booth is not None
    assert (tmp_path / "data" / VOTES_NAME).is_file()
    assert booth.rules == Rules()
    booth.close()
    public = own.override(on_a_space=True, data_dir=None)
    assert open_booth(service, public) is None
    booth = open_booth(service, public.override(votes=True))
    assert booth is not None
    assert booth.rules == Rules("20/minute; 300/hour", "60/minute; 600/hour")
    booth.close()
    with pytest.raises(DemoError, match="The vote pool is 'nowhere"):
        open_booth(service, own.override(vote_pool="nowhere.txt"))
    service.close()
