"""Reports beside a fresh comparison: all of them or none, refused before anything is drawn, and complete."""

from __future__ import annotations

import json
import os
import shlex
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bksdm_demo.cli import exit_codes
from bksdm_demo.parameters.links import job_command
from bksdm_demo.records import Cell, Job, Request
from tests.cli.runner import Run
from tests.fakes import BLOCKED_WORD

ARGUMENTS = ("compare", "red apple", "--models", "emoji-base,emoji-tiny", "--seed", "7", "--steps", "2", "--out", "o")


def files(folder: str = ".") -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def test_compare_writes_every_report_it_is_asked_for(run: Run) -> None:
    kinds = ("html", "zip", "csv", "json")
    result = run(*ARGUMENTS, *(word for kind in kinds for word in ("--report", f"sub/it.{kind}")))
    assert result.exit_code == exit_codes.OK, result.output
    assert files("sub") == ["it.csv", "it.html", "it.json", "it.zip"]
    assert "Report: sub/it.html" in result.stdout
    assert Path("sub/it.html").read_bytes().count(b"data:image/png;base64,") == 2
    with zipfile.ZipFile("sub/it.zip") as archive:
        assert archive.read("01-emoji-base.png") == Path("o/01-emoji-base.png").read_bytes()
    made, beside = json.loads(Path("sub/it.json").read_text()), json.loads(Path("o/result.json").read_text())
    assert made["environment"] == beside["environment"]
    assert [model["seconds"] for model in made["models"]] == [model["seconds"] for model in beside["models"]]


def test_reports_honour_no_metadata_and_blocked_pictures(run: Run) -> None:
    run(*ARGUMENTS, "--no-metadata", "--report", "it.zip")
    with zipfile.ZipFile("it.zip") as archive:
        assert b"parameters" not in archive.read("01-emoji-base.png")
    arguments = [BLOCKED_WORD if word == "red apple" else word for word in ARGUMENTS]
    result = run(*arguments, "--overwrite", "--report", "it.html")
    assert result.exit_code == exit_codes.BLOCKED
    assert b"data:image" not in Path("it.html").read_bytes()


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ("it.pdf", "it.pdf cannot be a report; name a file that ends in .html, .zip, .csv, .json."),
        ("report", "report cannot be a report"),
        ("o/it.html", "o/it.html lies inside o"),
        ("there.html", "there.html exists; name another file or pass --overwrite."),
        ("folder.html", "folder.html is not a plain file"),
    ],
)
def test_a_report_that_cannot_be_written_is_refused_before_anything_is_drawn(run: Run, report: str, why: str) -> None:
    Path("there.html").write_text("mine")
    Path("folder.html").mkdir()
    result = run(*ARGUMENTS, "--report", report)
    assert result.exit_code == exit_codes.USAGE
    assert why in result.stderr
    assert files() == ["there.html"]


def test_a_report_named_twice_is_refused(run: Run) -> None:
    result = run(*ARGUMENTS, "--report", "it.csv", "--report", "it.csv")
    assert (result.exit_code, result.stderr) == (exit_codes.USAGE, "it.csv is named twice; name each report once.\n")


def test_when_the_pictures_cannot_be_written_there_is_no_report_either(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("old.html").write_text("mine")
    rename = os.rename

    def refuse(source: Any, target: Any) -> None:
        if Path(target).name == "o":
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    result = run(*ARGUMENTS, "--overwrite", "--report", "it.html", "--report", "old.html")
    assert result.exit_code == exit_codes.FAILED
    assert "No space left" in result.stderr
    assert files() == ["old.html"]
    assert Path("old.html").read_text() == "mine"


def test_the_command_in_a_report_draws_the_same(run: Run) -> None:
    request = Request('-it\'s a "red\n<apple>" $HOME', "--blurry", 7, 2, 3.5, "euler", "torch")
    settings = "--seeds 7,8 --steps 2 --guidance 3.5 --scheduler euler --rng torch --negative=--blurry --out first"
    run("compare", "--models", "emoji-base,emoji-tiny", *settings.split(), "--", request.prompt)
    first = json.loads(Path("first/result.json").read_text())
    assert first["request"] == request.fields()
    with_cells = replace(_job(first), environment={"precision": "f32"})
    program, *arguments = shlex.split(job_command(with_cells))
    assert (program, arguments[:2]) == ("python", ["-m", "bksdm_demo"])
    result = run(*arguments[2:])
    assert result.exit_code == exit_codes.OK, result.output
    again = json.loads(Path("comparison/result.json").read_text())
    assert again["request"] == first["request"]
    assert again["seeds"] == first["seeds"]
    for picture in Path("first").glob("0*.png"):
        assert _pixels(picture) == _pixels(Path("comparison") / picture.name)


def _job(result: dict[str, Any]) -> Job:
    cells = tuple(Cell(model["model"], seed=model["seed"]) for model in result["models"])
    return Job("id", Request(**result["request"]), cells)


def _pixels(path: Path) -> bytes:
    with Image.open(path) as picture:
        return picture.tobytes()
