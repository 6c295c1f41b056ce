"""`votes` and `votes export` on votes that a page stored."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from benchmarks.vote_simulation import vote
from bksdm_demo.cli import exit_codes
from bksdm_demo.evaluation.votes import Choice
from bksdm_demo.evaluation.votes_store import open_votes
from tests.cli.runner import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with 240 votes of 24 visitors, and 8 of one who only looks left."""
    store = open_votes(tmp_path / "stored")
    for number in range(240):
        choice = Choice.RIGHT if number % 7 in (1, 4) else Choice.LEFT
        left, right = ("emoji-base", "emoji-tiny") if number % 2 else ("emoji-tiny", "emoji-base")
        if number % 2 == 0 and number % 7 != 0:
            choice = Choice.RIGHT
        store.add(vote(f"v{number % 24}", number, left, right, choice))
    for number in range(8):
        store.add(vote("one side", number, "emoji-base", "emoji-tiny", Choice.LEFT))
    store.close()
    return tmp_path / "stored"


def test_votes_shows_the_ranking(run: Run, folder: Path) -> None:
    result = run("votes", "--data-dir", str(folder))
    assert result.exit_code == exit_codes.OK, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["Model", "Place", "Score", "95", "%", "interval", "Votes", "Both", "bad", "State"]
    assert lines[1].startswith("Emoji Base  1 ")
    assert lines[2].startswith("Emoji Tiny  2 ")
    assert "preliminary" in lines[1]
    assert "248 votes of 24 visitors who count. Left out: 8 of visitors who favour one side." in lines
    assert "Emoji Tiny would be before Emoji Base." in lines[-1]


def test_votes_as_json(run: Run, folder: Path) -> None:
    report = json.loads(run("votes", "--json", "--data-dir", str(folder)).stdout)
    assert [model["model"] for model in report["models"]] == ["emoji-base", "emoji-tiny"]
    assert report["left_out"] == {"one side only": 8}
    nobody = json.loads(run("votes", "--json", "--signed-in", "--data-dir", str(folder)).stdout)
    assert nobody["models"] == []
    assert nobody["left_out"] == {"not signed in": 248}


def test_export_writes_every_vote(run: Run, folder: Path) -> None:
    for name in ("votes.csv", "votes.json"):
        result = run("votes", "export", name, "--data-dir", str(folder))
        assert (result.exit_code, result.stdout) == (exit_codes.OK, f"{name}\n")
    assert len(json.loads(Path("votes.json").read_text())["votes"]) == 248
    assert len(list(csv.reader(io.StringIO(Path("votes.csv").read_text("utf-8-sig"))))) == 249


def test_what_cannot_be_written_or_read_is_a_sentence(run: Run, folder: Path) -> None:
    wrong = run("votes", "export", "votes.txt", "--data-dir", str(folder))
    assert wrong.exit_code == exit_codes.USAGE
    assert "ends in .csv or .json" in wrong.stderr
    Path("there.csv").write_text("mine")
    assert "there.csv exists" in run("votes", "export", "there.csv", "--data-dir", str(folder)).stderr
    assert Path("there.csv").read_text() == "mine"
    for arguments in (("votes",), ("votes", "export", "new.csv")):
        nowhere = run(*arguments, "--data-dir", "nowhere")
        assert nowhere.exit_code == exit_codes.USAGE
        assert "No votes are stored in nowhere" in nowhere.stderr
    assert not Path("new.csv").exists()
