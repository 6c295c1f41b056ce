"""`history` and `report` on comparisons that a page stored."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bksdm_demo.cli import exit_codes
from bksdm_demo.cli.app import app
from bksdm_demo.records import Job, Request
from bksdm_demo.settings import Settings
from bksdm_demo.start import Services, retention
from bksdm_demo.store.contract import Retention
from bksdm_demo.store.sqlite import INDEX_NAME, open_store
from tests.cli.runner import Run, written
from tests.fakes import fake_background, fake_comparisons

OLD = 1_000_000_000.0  # seconds since the epoch: 2001


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
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


@pytest.fixture
def stored(tmp_path: Path) -> Job:
    """A comparison in tmp_path/stored, drawn long ago by a page that has ended."""
    service = fake_comparisons(tmp_path, store=open_store(tmp_path / "stored", Retention(keep_seconds=None)))
    submitted = service.submit(Request("a green pear", steps=2), ["emoji-base", "emoji-small"], seeds=(1, 2))
    *_, last = service.watch(submitted.id)
    service.close()
    return last


def test_history_lists_what_a_page_stored(run: Run, stored: Job, tmp_path: Path) -> None:
    result = run("history", "--data-dir", str(tmp_path / "stored"))
    assert result.exit_code == exit_codes.OK, result.output
    assert stored.id in result.stdout
    assert "4 pictures, one noise for each seed" in result.stdout
    listed = json.loads(run("history", "--json", "--data-dir", str(tmp_path / "stored")).stdout)
    assert listed["total"] == 1
    assert listed["comparisons"][0]["id"] == stored.id
    assert listed["comparisons"][0]["statuses"] == ["done"] * 4
    nothing = run("history", "--text", "apple", "--data-dir", str(tmp_path / "stored"))
    assert nothing.stdout == "No stored comparison matches.\n"


def test_report_writes_a_stored_comparison(
    run: Run, stored: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BKSDM_DATA_DIR", str(tmp_path / "stored"))
    address = ("--base-url", "https://example.org/")
    result = run("report", "--out", "r.html", "--out", "r.csv", *address, "--", stored.id)
    assert result.exit_code == exit_codes.OK, result.output
    assert result.stdout == "r.html\nr.csv\n"
    assert Path("r.html").read_bytes().count(b"data:image/png;base64,") == 4
    assert f"https://example.org/?job={stored.id}" in Path("r.html").read_text()


def test_reading_deletes_nothing_however_old_it_is(
    run: Run, stored: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BKSDM_KEEP_DAYS", "1")
    with sqlite3.connect(tmp_path / "stored" / INDEX_NAME) as index:
        index.execute("UPDATE jobs SET created = ?", (OLD,))
    index.close()
    for _ in range(2):
        assert stored.id in run("history", "--data-dir", str(tmp_path / "stored")).stdout


def test_nothing_in_a_stored_prompt_reaches_the_terminal(run: Run, tmp_path: Path) -> None:
    service = fake_comparisons(tmp_path, store=open_store(tmp_path / "stored", Retention(keep_seconds=None)))
    submitted = service.submit(
        Request("red\x1b]0;owned\x07\x1b[2J\u202egnp.exe\u2028x\r\x9b31m", steps=1), ["emoji-base"]
    )
    list(service.watch(submitted.id))
    service.close()
    shown = run("history", "--data-dir", str(tmp_path / "stored"))
    assert shown.exit_code == exit_codes.OK, shown.output
    assert "red�]0;owned��[2J�gnp.exe x �31m" in shown.stdout
    assert len(shown.stdout.splitlines()) == 2
    listed = run("history", "--json", "--data-dir", str(tmp_path / "stored")).stdout
    assert listed.isascii()
    assert listed.replace("\n", "").isprintable()


def test_pictures_that_the_index_did_not_know_are_told(run: Run, stored: Job, tmp_path: Path) -> None:
    folder, empty = tmp_path / "stored", tmp_path / "empty"
    open_store(empty, Retention()).close()
    (empty / INDEX_NAME).replace(folder / INDEX_NAME)
    told = run("history", "--data-dir", str(folder))
    assert "The index did not know 4 pictures of the data folder" in told.stderr
    assert stored.id not in told.stdout


def test_a_report_on_nothing_is_refused(run: Run, stored: Job, tmp_path: Path) -> None:
    folder = ("--data-dir", str(tmp_path / "stored"))
    unknown = run("report", "nobody", "--out", "r.html", *folder)
    assert unknown.exit_code == exit_codes.USAGE
    assert "no comparison with this id" in unknown.stderr
    nowhere = run("report", "--out", "r.html", "--data-dir", "nowhere", "--", stored.id)
    assert nowhere.exit_code == exit_codes.USAGE
    assert "No comparisons are stored in nowhere" in nowhere.stderr
    assert run("report", "--out", "r.pdf", *folder, "--", stored.id).exit_code == exit_codes.USAGE
    assert written() == []
