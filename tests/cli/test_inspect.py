"""`inspect` on the golden packages of tests/golden/mil, whole and damaged, and on the embedded family."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner, Result

from bksdm_demo.cli import exit_codes
from bksdm_demo.cli.app import app
from bksdm_demo.engines.base import Engine
from bksdm_demo.errors import UnsupportedModelError
from bksdm_demo.mil.model import read_model
from bksdm_demo.settings import ASSETS
from bksdm_demo.start import start
from tests.fakes import FakeEngine
from tests.mil.samples import GOLDEN, MODEL, WEIGHTS, compiled, copy, edited, operation

PARTS = GOLDEN.parent / "parts"
EMOJI = ASSETS / "emoji" / "emoji-tiny"


def inspect(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["inspect", *(str(argument) for argument in arguments)], obj=start)


def test_a_package_for_people(tmp_path: Path) -> None:
    result = inspect(copy("converted", tmp_path))
    assert result.exit_code == exit_codes.OK, result.output
    text = result.stdout
    assert "input      x     fp16  1 x 4 x 6 x 6" in text
    assert "output     y     fp32  1 x 36 x 6" in text
    assert "Core ML runs it from iOS 16, macOS 13" in text
    assert "Operations: reshape 3, reduce_mean 2" in text
    assert "17 operations" in text


def test_a_package_for_scripts(tmp_path: Path) -> None:
    result = inspect(copy("ios16", tmp_path), "--json")
    answer = json.loads(result.stdout)
    assert (answer["schema"], answer["schema_version"]) == ("bksdm-demo/packages", 1)
    (package,) = answer["packages"]
    assert {encoding["name"] for encoding in package["encodings"]} >= {"palette1", "palette6", "affine8", "float16"}
    assert package["refusal"] is None


def test_a_folder_means_every_model_in_it(tmp_path: Path) -> None:
    for name in ("converted", "ios16"):
        copy(name, tmp_path / "deep")
    compiled("ios18", tmp_path / "deeper", "1.3")
    packages = json.loads(inspect(tmp_path, "--json").stdout)["packages"]
    names = [Path(package["path"]).name for package in packages]
    assert names == ["converted.mlpackage", "ios16.mlpackage", "ios18.mlmodelc"]


def test_an_unknown_operation_is_listed_and_fails(tmp_path: Path) -> None:
    def rename(model: Any) -> None:
        operation(model, "conv").type = "conv_of_tomorrow"

    package = edited(tmp_path, rename)
    text, data = inspect(package), inspect(package, "--json")
    assert text.exit_code == data.exit_code == exit_codes.FAILED
    assert "cannot run it; operations without a translation: conv_of_tomorrow 1" in text.stdout
    (facts,) = json.loads(data.stdout)["packages"]
    assert (facts["missing"], facts["runs_here"]) == ({"conv_of_tomorrow": 1}, False)


def test_a_trial_load_has_the_last_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, options: object, exact: bool) -> Engine:
        raise UnsupportedModelError("It asks too much.")

    package = copy("converted", tmp_path)
    loaded = inspect(package, "--load", "--json")
    assert loaded.exit_code == exit_codes.OK, loaded.output
    assert json.loads(loaded.stdout)["packages"][0]["runs_here"] is True
    monkeypatch.setattr("bksdm_demo.engines.unit_fallback.open_engine", refuse)
    refused = inspect(package, "--load")
    assert refused.exit_code == exit_codes.FAILED
    assert "This machine cannot run it: It asks too much." in refused.stdout


def test_a_trial_load_shows_what_core_ml_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Telling(FakeEngine):
        compute_units = "cpu-and-ne"
        devices: ClassVar = {"operations": {"CPU": 0.5, "Neural Engine": 0.5}, "cost": {"Neural Engine": 1.0}}
        self_check = 61.2
        refused_units: ClassVar = {"cpu-and-gpu": "its result is not finite"}

    monkeypatch.setattr("bksdm_demo.engines.unit_fallback.open_engine", lambda *_: Telling([], [], dict))
    answer = inspect(copy("converted", tmp_path), "--load")
    for line in (
        "Compute units: cpu-and-ne",
        "Operations: CPU 50 %, Neural Engine 50 %",
        "Estimated cost: Neural Engine 100 %",
        "Trials: agrees with CPU only to 61.2 dB; cpu-and-gpu refused: its result is not finite",
    ):
        assert line in answer.output
    (found,) = json.loads(inspect(copy("converted", tmp_path / "again"), "--load", "--json").output)["packages"]
    assert found["devices"] == Telling.devices
    assert found["compute_units"] == "cpu-and-ne"


def test_a_listing_is_the_program_itself(tmp_path: Path) -> None:
    package = copy("converted", tmp_path)
    listing = inspect(package, "--mil")
    assert listing.exit_code == exit_codes.OK, listing.output
    assert listing.stdout.startswith("program(1.0)\n")
    written = inspect(package, "--mlmodelc", tmp_path / "Any.mlmodelc")
    assert (written.exit_code, written.stdout) == (exit_codes.OK, f"{tmp_path / 'Any.mlmodelc'}\n")
    assert (tmp_path / "Any.mlmodelc" / "model.mil").read_text(encoding="utf-8") == listing.stdout.rstrip("\n")
    assert read_model(tmp_path / "Any.mlmodelc").operations == read_model(package).operations


def test_listings_of_a_folder_have_headings(tmp_path: Path) -> None:
    paths = [copy(name, tmp_path) for name in ("converted", "functions")]
    listing = inspect(tmp_path, "--mil").stdout
    assert [line for line in listing.splitlines() if line.startswith("//")] == [f"// ---- {path}" for path in paths]
    assert listing.count("func ") == 1 + 2


def test_what_goes_wrong_with_listings(tmp_path: Path) -> None:
    package = copy("converted", tmp_path)
    assert inspect(package, "--mil", "--json").exit_code == exit_codes.USAGE
    assert inspect(tmp_path / "gone.mlpackage", "--mil").exit_code == exit_codes.UNAVAILABLE
    taken = inspect(package, "--mlmodelc", tmp_path)
    assert taken.exit_code == exit_codes.UNAVAILABLE
    assert "exists already" in taken.stderr
    assert list(tmp_path.iterdir()) == [package]


def test_a_reader_of_the_listing_may_leave_early(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bksdm_demo", "inspect", str(PARTS / "unet_whole.mlpackage"), "--mil"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "program(1.0)\n"
        process.stdout.close()
        assert process.stderr.read() == ""


def truncate(package: Path, part: Path) -> None:
    data = (package / part).read_bytes()
    (package / part).write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize("part", [MODEL, WEIGHTS], ids=["model", "weights"])
def test_a_truncated_file_cannot_be_read(tmp_path: Path, part: Path) -> None:
    package = copy("converted", tmp_path)
    truncate(package, part)
    result = inspect(package)
    assert result.exit_code == exit_codes.UNAVAILABLE
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


def test_a_path_without_a_model_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.mlpackage").write_text("")
    for path in (tmp_path / "empty", tmp_path / "file.mlpackage", tmp_path / "nowhere"):
        result = inspect(path)
        assert result.exit_code == exit_codes.UNAVAILABLE
        assert result.stderr.count("\n") == 1


@pytest.mark.skipif(not EMOJI.is_dir(), reason="the embedded family is not built yet")
def test_the_embedded_family_is_palettized_to_six_bits() -> None:
    (package,) = json.loads(inspect(EMOJI, "--json").stdout)["packages"]
    heaviest = package["encodings"][0]
    assert heaviest["name"] == "palette6"
    assert heaviest["elements"] > 0.9 * package["parameters"]
    assert package["missing"] in ({}, None)
