"""`verify` over the smallest embedded model, with the recorded outputs that come with the demo."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from bksdm_demo.cli.app import app
from bksdm_demo.cli.verify import GOLDEN, UNITS, _verified, ways
from bksdm_demo.engines import registry
from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.unit_fallback import UnitFallbackEngine
from bksdm_demo.errors import PartCrashedError
from bksdm_demo.library.catalog import Catalog, System
from bksdm_demo.settings import Settings
from bksdm_demo.start import Services, start
from tests.engines import rigged_coreml
from tests.engines.rigged_coreml import rig
from tests.engines.test_coreml_engine import X
from tests.fake_files import FAMILY
from tests.fakes import fake_background, fake_comparisons


def verify(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["verify", *arguments], obj=start)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """A quick run of one model, and its folder."""
    out = tmp_path_factory.mktemp("verify") / "out"
    return verify("--quick", "--models", "emoji-tiny", "--out", str(out)), out


def test_this_machine_computes_what_was_recorded(ran: tuple[Result, Path]) -> None:
    result, out = ran
    assert result.exit_code == 0, result.output
    report = json.loads((out / "verify.json").read_bytes())
    checks = {check["what"]: check for check in report["checks"]}
    assert len(checks) == 6  # four parts, an apple, and a picture that must be blocked
    assert all(check["passed"] for check in checks.values())
    assert report["passed"] is True
    assert str(Path.home()) not in json.dumps(report)
    peaks = {part["role"]: part["peak_bytes"] for part in report["parts"]}
    assert 0 < peaks["text encoder"] < peaks["U-Net"]
    page = (out / "verify.html").read_text()
    assert "All 6 checks passed" in page


def test_another_machines_record_is_compared_and_a_wrong_one_fails(
    ran: tuple[Result, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = json.loads((ran[1] / "verify.json").read_bytes())
    monkeypatch.setattr("bksdm_demo.cli.verify._verified", lambda *_: json.loads(json.dumps(report)))
    same = verify("--out", str(tmp_path / "same"), "--against", str(ran[1] / "verify.json"))
    assert same.exit_code == 0
    assert "200.0 dB" in same.output
    zeros = base64.b64encode(np.zeros(4, "<f4").tobytes()).decode()
    report["parts"][1]["outputs"]["noise_pred"]["values"] = zeros
    other = verify("--out", str(tmp_path / "other"), "--against", str(ran[1] / "verify.json"))
    assert other.exit_code == 1
    assert json.loads((tmp_path / "other" / "verify.json").read_bytes())["passed"] is False


def test_what_is_recorded_can_be_compared_with(
    ran: tuple[Result, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = json.loads((ran[1] / "verify.json").read_bytes())
    for part in report["parts"]:
        part["identity"] = f"a {part['role']} that nobody recorded"
    monkeypatch.setattr("bksdm_demo.cli.verify._verified", lambda *_: json.loads(json.dumps(report)))
    first = verify("--out", str(tmp_path / "a"), "--record", str(tmp_path / "mine.json"))
    assert (first.exit_code, "not compared" in first.output) == (0, True)
    second = verify("--out", str(tmp_path / "b"), "--golden", str(tmp_path / "mine.json"))
    assert (second.exit_code, "not compared" in second.output) == (0, False)


def test_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"schema": "other"}')
    refused = verify("--out", str(tmp_path / "o"), "--against", str(tmp_path / "other.json"))
    assert (refused.exit_code, "is no record of `verify`" in refused.output) == (2, True)
    (tmp_path / "verify.json").write_text("mine")
    refused = verify("--out", str(tmp_path))
    assert (refused.exit_code, "--overwrite" in refused.output) == (2, True)
    assert (tmp_path / "verify.json").read_text() == "mine"


def test_the_recorded_outputs_are_those_of_the_whole_family_in_float32() -> None:
    (golden,) = GOLDEN.glob("*.json")
    found: dict[str, Any] = json.loads(golden.read_bytes())
    assert {part["system"] for part in found["parts"]} == set(FAMILY)
    assert {part["precision"] for part in found["parts"]} == {"f32"}
    assert golden.stat().st_size < 1_000_000
    assert {(one["request"]["prompt"], one["blocked"]) for one in found["pictures"]} == {
        ("red apple", False),
        ("cigarette", True),
    }
    assert all(one["picture"] is None for one in found["pictures"] if one["blocked"])


def test_on_a_mac_every_choice_of_units_is_a_way_and_one_that_dies_harms_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
    registry.register(rigged_coreml.KIND, rigged_coreml.__name__, ("compute_units",))
    package = rigged_coreml.copied(tmp_path)
    rig(package, CPU_AND_GPU={"predict": "kill"})
    outcomes: dict[str, Any] = {}
    with ways(EngineOptions(rigged_coreml.KIND, cache_dir=tmp_path), quick=False) as several:
        for way in several[2:]:
            engine = way.open_part(package, False)
            try:
                outcomes[way.name] = engine.run({"x": X})["y"].shape
            except PartCrashedError:
                outcomes[way.name] = "crashed"
        first = several[0].open_part(package, False)
        assert isinstance(first, UnitFallbackEngine)
        first.load()
        outcomes["auto"] = first.compute_units
    assert tuple(way.name for way in several) == ("auto", *UNITS)
    assert outcomes == {
        "cpu-only": (1, 36, 6),
        "cpu-and-gpu": "crashed",
        "cpu-and-ne": (1, 36, 6),
        "auto": "cpu-and-ne",
    }


def test_hints_are_run_beside_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts by the stand-in for Core ML, whose log of loads says which hints it got; pictures by fakes."""
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
    registry.register(rigged_coreml.KIND, rigged_coreml.__name__, ("compute_units", "hints"))
    package = rigged_coreml.copied(tmp_path)

    def chosen(catalog: Catalog, key: str) -> list[System]:
        parts = catalog.get(key).parts
        assert parts is not None
        rigged = replace(parts, text_encoder=package, unet=(package,), vae_decoder=package, safety_checker=None)
        return [replace(catalog.get(key), parts=rigged)]

    monkeypatch.setattr("bksdm_demo.cli.verify.chosen", chosen)
    started: list[str] = []

    def started_with(settings: Settings) -> Services:
        started.append(settings.hints)
        comparisons = fake_comparisons(tmp_path / str(len(started)))
        return Services(comparisons.catalog, comparisons.cache, comparisons, fake_background(comparisons))

    report = _verified(started_with, Settings(engine=rigged_coreml.KIND, hints="fast-prediction"), "emoji-tiny", True)
    assert started == ["", "fast-prediction"]
    assert [part["way"] for part in report["parts"]] == ["auto", "auto, fast-prediction"]
    assert {picture["hints"] for picture in report["pictures"]} == {"", "fast-prediction"}
    hints = [line.partition(" ")[2] for line in package.with_suffix(".loads").read_text().splitlines()]
    assert set(hints) == {"null", '{"specializationStrategy": "FastPrediction"}'}


def test_an_engine_without_hints_is_named(tmp_path: Path) -> None:
    refused = verify("--engine", "openvino", "--hints", "fast-prediction", "--out", str(tmp_path / "o"))
    assert refused.exit_code == 2
    assert "openvino takes no hints" in " ".join(refused.output.split())
