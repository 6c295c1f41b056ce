"""`sheet` over the fake family: files, exit codes, a rerun that draws nothing, refusals, and a real interrupt."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from bksdm_demo.cli.exit_codes import FAILED, INTERRUPTED, OK, UNAVAILABLE, USAGE
from bksdm_demo.cli.sheet import SOME_FAILED
from bksdm_demo.errors import EngineError
from bksdm_demo.evaluation.sheet_starters import STARTERS, starter, starter_text
from tests.cli.runner import Run, written
from tests.fakes import BLOCKED_WORD

ROOT = Path(__file__).parents[2]
MODELS = ("--models", "emoji-base,emoji-tiny")
PATIENCE = 120.0  # seconds, for a busy machine


@pytest.fixture
def prompts(run: Run) -> Path:
    path = Path("prompts.csv")
    path.write_text(f"prompt,category\nred apple,food\nblue car,things\na {BLOCKED_WORD},things\n")
    return path


def outside_the_store(folder: str = "o") -> list[str]:
    return [name for name in written() if name.startswith(f"{folder}/") and not name.startswith(f"{folder}/store/")]


def test_a_sheet_writes_its_report_table_junit_and_pictures(run: Run, prompts: Path) -> None:
    result = run("sheet", str(prompts), *MODELS, "--axis", "steps 2", "--out", "o")
    assert result.exit_code == OK, result.output
    assert outside_the_store() == [
        "o/junit.xml",
        "o/pictures/0001-1-emoji-base.png",
        "o/pictures/0001-2-emoji-tiny.png",
        "o/pictures/0002-1-emoji-base.png",
        "o/pictures/0002-2-emoji-tiny.png",
        "o/report.html",
        "o/sheet.csv",
        "o/sheet.json",
    ]
    with Image.open("o/pictures/0002-2-emoji-tiny.png") as image:
        assert json.loads(image.info["bksdm-demo"])["request"]["steps"] == 2
    rows = list(csv.DictReader(Path("o/sheet.csv").read_text("utf-8-sig").splitlines()))
    assert [row["file"] for row in rows] == [name.removeprefix("o/") for name in outside_the_store()[1:5]] + ["", ""]
    assert ET.parse("o/junit.xml").getroot().get("failures") == "0"
    assert "4 pictures, 2 blocked." in result.stdout
    assert "6 cells: 6 pictures, 12 U-Net evaluations" in result.stderr
    assert f"Row 3, Emoji Tiny: {'blocked'}" in result.stderr


def test_the_same_command_goes_on_and_draws_nothing_twice(run: Run, prompts: Path) -> None:
    command = ("sheet", str(prompts), *MODELS, "--out", "o")
    assert run(*command).exit_code == OK
    pictures = {name: Path(name).stat().st_mtime_ns for name in outside_the_store() if name.endswith(".png")}
    again = run(*command)
    assert again.exit_code == OK
    assert "Every picture is drawn already: 6" in again.stderr
    assert pictures == {name: Path(name).stat().st_mtime_ns for name in pictures}
    prompts.write_text("prompt\nblue car\ngreen hat\n")
    changed = run(*command)
    assert "4 cells: 2 pictures" in changed.stderr
    assert "2 pictures drawn already" in changed.stderr
    assert [name for name in outside_the_store() if "0003" in name] == []


def test_a_dry_run_says_the_cost_and_writes_nothing(run: Run, prompts: Path) -> None:
    result = run(
        "sheet", str(prompts), *MODELS, "--axis", "steps 5, 10", "--axis", "seeds 1..3", "--out", "o", "--dry-run"
    )
    assert result.exit_code == OK
    assert "36 cells: 36 pictures, 270 U-Net evaluations" in result.stderr
    assert not Path("o").exists()


def test_an_assertion_that_fails_is_exit_code_1(run: Run, prompts: Path) -> None:
    result = run(
        "sheet", str(prompts), *MODELS, "--assert", "not_blocked=yes", "--assert", "max_seconds=1000", "--out", "o"
    )
    assert result.exit_code == FAILED
    assert "2 assertions fail" in result.stdout
    root = ET.parse("o/junit.xml").getroot()
    assert (root.get("failures"), root.get("errors")) == ("2", "0")


def test_cells_that_fail_are_exit_code_3_and_a_rerun_tries_them_again(run: Run, prompts: Path) -> None:
    command = ("sheet", str(prompts), *MODELS, "--out", "o")
    failing = run(*command, options={"base_unet": {"failure": EngineError("out of memory")}})
    assert failing.exit_code == SOME_FAILED
    assert "Row 1, Emoji Base: failed. out of memory" in failing.stderr
    assert ET.parse("o/junit.xml").getroot().get("errors") == "3"
    healed = run(*command)
    assert healed.exit_code == OK
    assert "3 pictures" in healed.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("missing.csv",), USAGE, "missing.csv cannot be read: No such file"),
        (("prompts.csv", "--axis", "speed 3"), USAGE, "'speed' is no setting"),
        (("prompts.csv", "--axis", "steps 0"), USAGE, "steps is 0"),
        (("prompts.csv", "--assert", "fast"), USAGE, "write NAME=VALUE"),
        (("prompts.csv", "--assert", "speed=3"), USAGE, "no assertion 'speed'"),
        (
            ("prompts.csv", "--baseline", "emoji-small"),
            USAGE,
            "baseline 'emoji-small' is not one of the sheet's models",
        ),
        (("prompts.csv", "--models", "nobody"), UNAVAILABLE, "no model called 'nobody'"),
        (("bad.csv",), USAGE, "'sped' is unknown"),
    ],
)
def test_wrong_usage_is_a_sentence_and_no_folder(
    run: Run, prompts: Path, arguments: tuple[str, ...], code: int, word: str
) -> None:
    Path("bad.csv").write_text("prompt,sped\na,3\n")
    models = () if "--models" in arguments else MODELS
    result = run("sheet", *arguments, *models, "--out", "o")
    assert result.exit_code == code, result.output
    assert word in result.stderr
    assert outside_the_store() == []


def test_a_folder_with_other_files_is_refused(run: Run, prompts: Path) -> None:
    Path("o").mkdir()
    Path("o/thesis.txt").write_text("x")
    result = run("sheet", str(prompts), *MODELS, "--out", "o")
    assert result.exit_code == USAGE
    assert "o holds files that are no sheet of this program (thesis.txt)" in result.stderr


def test_a_file_may_name_models_baseline_and_limits(run: Run) -> None:
    record = {"models": ["emoji-tiny", "emoji-base"], "baseline": "emoji-base", "rows": ["a"], "axes": {"steps": [1]}}
    Path("s.json").write_text(json.dumps(record | {"assertions": {"min_psnr_to_baseline": 90}}))
    result = run("sheet", "s.json", "--out", "o")
    assert result.exit_code == FAILED
    assert "min_psnr_to_baseline" in Path("o/junit.xml").read_text()
    rows = list(csv.DictReader(Path("o/sheet.csv").read_text("utf-8-sig").splitlines()))
    assert [(row["model"], row["baseline"]) for row in rows] == [("emoji-tiny", "emoji-base"), ("emoji-base",) * 2]


@pytest.mark.parametrize("name", STARTERS)
def test_starter_sheets_are_sheets(name: str) -> None:
    sheet = starter(name).complete(["m"])
    assert len(sheet.rows) == {"emoji": 16, "photos": 32}[name]
    assert len({row.request.prompt for row in sheet.rows}) == len(sheet.rows)
    assert all(row.category for row in sheet.rows)
    assert starter_text(name).startswith("prompt,category")


def test_a_starter_sheet_is_named_instead_of_a_file(run: Run) -> None:
    result = run("sheet", "emoji", "--models", "emoji-tiny", "--axis", "steps 1", "--out", "o", "--dry-run")
    assert result.exit_code == OK
    assert "16 cells" in result.stderr


def test_ctrl_c_keeps_what_is_drawn_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """A real SIGINT to a real process with the embedded models."""
    sheet = tmp_path / "prompts.txt"
    sheet.write_text("red apple\nblue car\n")
    command = [sys.executable, "-m", "bksdm_demo", "sheet", str(sheet), "--models", "emoji-tiny", "--axis", "steps 150"]
    command += ["--out", str(tmp_path / "o")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    begun = tmp_path / "o" / "store" / "sheets"
    end = time.monotonic() + PATIENCE
    while not list(begun.glob("*.json")) and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == INTERRUPTED
    assert "the same command goes on" in said
    assert not (tmp_path / "o" / "report.html").exists()
