"""Seeds on the command line: one, or a row of pictures for each of several; and that commands keep nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bksdm_demo.cli import run as commands
from tests.cli import test_app as test_cli
from tests.cli.test_app import Run, compare, fake_start, written

run = test_cli.run  # the same fixture serves here


def test_several_seeds_make_a_row_of_pictures_each(run: Run):
    shared = ("compare", "red apple", "--models", "emoji-base,emoji-tiny", "--steps", "2")
    result = run(*shared, "--seeds", "7, 9,7", "--out", "o")
    assert result.exit_code == commands.OK, result.output
    files = ["01-emoji-base-seed-7", "02-emoji-tiny-seed-7", "03-emoji-base-seed-9", "04-emoji-tiny-seed-9"]
    assert written() == [*(f"o/{name}.png" for name in files), "o/contact-sheet.png", "o/result.json"]
    made = json.loads(Path("o/result.json").read_text())
    assert (made["seeds"], made["request"]["seed"]) == ([7, 9], 7)
    assert [(entry["model"], entry["seed"]) for entry in made["models"]] == [
        (key, seed) for seed in (7, 9) for key in ("emoji-base", "emoji-tiny")
    ]
    assert [entry["file"] for entry in made["models"]] == [f"{name}.png" for name in files]
    assert "Seeds 7, 9" in result.stderr
    assert "Emoji Tiny, seed 9: done" in result.stderr
    assert result.stdout.splitlines()[0].split()[:3] == ["Model", "Seed", "Outcome"]
    run(*shared, "--seed", "9", "--out", "single")
    for name, alone in (("03-emoji-base-seed-9", "01-emoji-base"), ("04-emoji-tiny-seed-9", "02-emoji-tiny")):
        several, one = Image.open(f"o/{name}.png"), Image.open(f"single/{alone}.png")
        assert np.array_equal(np.asarray(several), np.asarray(one))
        assert "Seed: 9" in several.text["parameters"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--seeds", "1,x"), "whole numbers"),
        (("--seeds", " , "), "no seed"),
        (("--seeds", "-1"), "seed is -1"),
        (("--seeds", ",".join(map(str, range(17)))), "at most 16"),
        (("--seed", "1", "--seeds", "1,2"), "one of them"),
    ],
)
def test_seeds_that_cannot_be_are_wrong_usage(run: Run, flags: tuple[str, ...], words: str):
    result = run("compare", "x", "--models", "emoji-tiny", "--out", "o", *flags)
    assert (result.exit_code, written()) == (commands.USAGE, [])
    assert words in result.stderr


def test_commands_keep_nothing_elsewhere(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BKSDM_DATA_DIR", str(tmp_path / "data"))
    start = fake_start(tmp_path, None)
    run(*compare(), start=start)
    assert start.settings.data_dir is None
    assert not (tmp_path / "data").exists()


def test_the_same_seed_draws_the_same_pictures(run: Run):
    run(*compare())
    first = np.asarray(Image.open("o/01-emoji-base.png"))
    run(*compare("--overwrite"))
    assert np.array_equal(first, np.asarray(Image.open("o/01-emoji-base.png")))


def test_the_largest_seed_and_zero_are_taken(run: Run):
    for seed in ("0", str(2**32 - 1)):
        assert run("generate", "x", "--model", "emoji-tiny", "--seed", seed, "--out", f"{seed}.png").exit_code == 0
