"""Reports from the command line: beside a fresh comparison, and of one that a page has kept."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from bksdm_demo.cli import run as commands
from bksdm_demo.cli.app import app
from bksdm_demo.parameters.links import job_command
from bksdm_demo.records import Cell, Job, Request
from bksdm_demo.settings import Settings
from bksdm_demo.start import Services, retention
from bksdm_demo.store.contract import Retention
from bksdm_demo.store.sqlite import INDEX_NAME, open_store
from tests.fakes import BLOCKED_WORD, fake_background, fake_comparisons

Run = Callable[..., Result]
ARGUMENTS = ("compare", "red apple", "--models", "emoji-base,emoji-tiny", "--seed", "7", "--steps", "2", "--out", "o")
OLD = 1_000_000_000.0  # seconds since the epoch: 2001


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run the command line over the fakes, in an empty folder, with the store that its settings ask for."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("BKSDM_DATA_DIR", raising=False)

    def start(settings: Settings) -> Services:
        service = fake_comparisons(tmp_path, store=open_store(settings.data_dir, retention(settings)))
        return Services(service.catalog, service.cache, service, fake_background(service), {"precision": "f32"})

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), obj=start)

    return invoke


def files(folder: str = ".") -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


@pytest.fixture
def kept(tmp_path: Path) -> Job:
    """A comparison in tmp_path/kept, drawn long ago by a page that has ended."""
    service = fake_comparisons(tmp_path, store=open_store(tmp_path / "kept", Retention(keep_seconds=None)))
    submitted = service.submit(Request("a green pear", steps=2), ["emoji-base", "emoji-small"], seeds=(1, 2))
    *_, last = service.watch(submitted.id)
    service.close()
    return last


# --- compare ---------------------------------------------------------------------------------------------------------


def test_compare_writes_every_report_it_is_asked_for(run: Run):
    kinds = ("html", "zip", "csv", "json")
    result = run(*ARGUMENTS, *(word for kind in kinds for word in ("--report", f"sub/it.{kind}")))
    assert result.exit_code == commands.OK, result.output
    assert files("sub") == ["it.csv", "it.html", "it.json", "it.zip"]
    assert "Report: sub/it.html" in result.stdout
    assert Path("sub/it.html").read_bytes().count(b"data:image/png;base64,") == 2
    with zipfile.ZipFile("sub/it.zip") as archive:
        assert archive.read("01-emoji-base.png") == Path("o/01-emoji-base.png").read_bytes()
    made, beside = json.loads(Path("sub/it.json").read_text()), json.loads(Path("o/result.json").read_text())
    assert made["environment"] == beside["environment"]
    assert [model["seconds"] for model in made["models"]] == [model["seconds"] for model in beside["models"]]


def test_reports_honour_no_metadata_and_withheld_pictures(run: Run):
    run(*ARGUMENTS, "--no-metadata", "--report", "it.zip")
    with zipfile.ZipFile("it.zip") as archive:
        assert b"parameters" not in archive.read("01-emoji-base.png")
    arguments = [BLOCKED_WORD if word == "red apple" else word for word in ARGUMENTS]
    result = run(*arguments, "--overwrite", "--report", "it.html")
    assert result.exit_code == commands.BLOCKED
    assert b"data:image" not in Path("it.html").read_bytes()


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ("it.pdf", "it.pdf is no report: its name has to end in .html, .zip, .csv, .json."),
        ("report", "report is no report"),
        ("o/it.html", "o/it.html lies inside o"),
        ("there.html", "there.html exists; name another file or pass --overwrite."),
        ("folder.html", "folder.html is not a plain file"),
    ],
)
def test_a_report_that_cannot_be_written_is_refused_before_anything_is_drawn(run: Run, report: str, why: str):
    Path("there.html").write_text("mine")
    Path("folder.html").mkdir()
    result = run(*ARGUMENTS, "--report", report)
    assert result.exit_code == commands.USAGE
    assert why in result.stderr
    assert files() == ["there.html"]


def test_a_report_named_twice_is_refused(run: Run):
    result = run(*ARGUMENTS, "--report", "it.csv", "--report", "it.csv")
    assert (result.exit_code, result.stderr) == (commands.USAGE, "it.csv is named twice.\n")


def test_when_the_pictures_cannot_be_written_there_is_no_report_either(run: Run, monkeypatch: pytest.MonkeyPatch):
    Path("old.html").write_text("mine")
    rename = os.rename

    def refuse(source: Any, target: Any) -> None:
        if Path(target).name == "o":
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    result = run(*ARGUMENTS, "--overwrite", "--report", "it.html", "--report", "old.html")
    assert result.exit_code == commands.FAILED
    assert "No space left" in result.stderr
    assert files() == ["old.html"]
    assert Path("old.html").read_text() == "mine"


def test_the_command_in_a_report_draws_the_same(run: Run):
    request = Request('-it\'s a "red\n<apple>" $HOME', "--blurry", 7, 2, 3.5, "euler", "torch")
    settings = "--seeds 7,8 --steps 2 --guidance 3.5 --scheduler euler --rng torch --negative=--blurry --out first"
    run("compare", "--models", "emoji-base,emoji-tiny", *settings.split(), "--", request.prompt)
    first = json.loads(Path("first/result.json").read_text())
    assert first["request"] == asdict(request)
    with_cells = replace(_job(first), environment={"precision": "f32"})
    program, *arguments = shlex.split(job_command(with_cells))
    assert (program, arguments[:2]) == ("python", ["-m", "bksdm_demo"])
    result = run(*arguments[2:])
    assert result.exit_code == commands.OK, result.output
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


# --- history and report ----------------------------------------------------------------------------------------------


def test_history_lists_what_a_page_has_kept(run: Run, kept: Job, tmp_path: Path):
    result = run("history", "--data-dir", str(tmp_path / "kept"))
    assert result.exit_code == commands.OK, result.output
    assert kept.id in result.stdout
    assert "4 pictures, one noise for each seed" in result.stdout
    told = json.loads(run("history", "--json", "--data-dir", str(tmp_path / "kept")).stdout)
    assert told["total"] == 1
    assert told["comparisons"][0]["id"] == kept.id
    assert told["comparisons"][0]["statuses"] == ["done"] * 4
    nothing = run("history", "--text", "apple", "--data-dir", str(tmp_path / "kept"))
    assert nothing.stdout == "No kept comparison fits.\n"


def test_report_writes_a_kept_comparison(run: Run, kept: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BKSDM_DATA_DIR", str(tmp_path / "kept"))
    address = ("--base-url", "https://example.org/")
    result = run("report", "--out", "r.html", "--out", "r.csv", *address, "--", kept.id)
    assert result.exit_code == commands.OK, result.output
    assert result.stdout == "r.html\nr.csv\n"
    assert Path("r.html").read_bytes().count(b"data:image/png;base64,") == 4
    assert f"https://example.org/?job={kept.id}" in Path("r.html").read_text()


def test_looking_drops_nothing_however_old_it_is(run: Run, kept: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BKSDM_KEEP_DAYS", "1")
    with sqlite3.connect(tmp_path / "kept" / INDEX_NAME) as index:
        index.execute("UPDATE jobs SET created = ?", (OLD,))
    index.close()
    for _ in range(2):
        assert kept.id in run("history", "--data-dir", str(tmp_path / "kept")).stdout


def test_reports_on_what_is_not_there_are_refused(run: Run, kept: Job, tmp_path: Path):
    folder = ("--data-dir", str(tmp_path / "kept"))
    unknown = run("report", "nobody", "--out", "r.html", *folder)
    assert unknown.exit_code == commands.USAGE
    assert "no comparison with this id" in unknown.stderr
    nowhere = run("report", "--out", "r.html", "--data-dir", "nowhere", "--", kept.id)
    assert nowhere.exit_code == commands.USAGE
    assert "No comparisons are kept in nowhere" in nowhere.stderr
    assert run("report", "--out", "r.pdf", *folder, "--", kept.id).exit_code == commands.USAGE
    assert files() == []
