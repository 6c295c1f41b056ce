"""`compare` and `generate` over the fake family: files, stdout and stderr, seeds, an interrupt; and end to end.

The interrupt is a real SIGINT to a real process. The end-to-end test runs the embedded packages in the real engine.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bksdm_demo.cli import exit_codes
from bksdm_demo.cli.app import app
from bksdm_demo.settings import ASSETS
from tests.cli.runner import Run, compare, fake_start, written
from tests.fakes import BLOCKED_WORD, FAMILY, TRUNCATED_WORD

ROOT = Path(__file__).parents[2]
SIDE = 64  # pixels of a fake picture
INTERRUPT_SECONDS = 120.0  # for a busy machine
EMOJI = ASSETS / "emoji" / "emoji-tiny"


# --- compare ----------------------------------------------------------------------------------------------------------


def test_compare_writes_pictures_sheet_and_result(run: Run) -> None:
    result = run(*compare())
    assert result.exit_code == exit_codes.OK, result.output
    assert written() == ["o/01-emoji-base.png", "o/02-emoji-tiny.png", "o/contact-sheet.png", "o/result.json"]
    made = json.loads(Path("o/result.json").read_text())
    assert made["request"]["seed"] == 7
    assert [model["model"] for model in made["models"]] == ["emoji-base", "emoji-tiny"]
    assert [model["name"] for model in made["models"]] == ["Emoji Base", "Emoji Tiny"]
    assert made["environment"]["engine"] == "auto"
    assert "Emoji Tiny: done" in result.stderr
    assert "Emoji Tiny" in result.stdout
    with Image.open("o/02-emoji-tiny.png") as image:
        assert image.size == (SIDE, SIDE)
        assert json.loads(image.info["bksdm-demo"])["model"] == "emoji-tiny"


def test_compare_answers_in_json_alone_on_stdout(run: Run) -> None:
    result = run(*compare("--json"))
    assert json.loads(result.stdout) == json.loads(Path("o/result.json").read_text())


def test_compare_takes_the_embedded_family_and_the_models_recommendation_by_default(run: Run) -> None:
    result = run("compare", "red apple", "--out", "o", "--json")
    made = json.loads(result.stdout)
    assert [model["model"] for model in made["models"]] == list(FAMILY)
    assert made["request"]["steps"] == len(made["models"][0]["step_seconds"]) > 1
    assert f"Seed {made['request']['seed']}" in result.stderr


def test_a_model_named_twice_is_drawn_once(run: Run) -> None:
    result = run("compare", "x", "--models", " emoji-tiny,,emoji-tiny ", "--steps", "1", "--out", "o")
    assert result.exit_code == exit_codes.OK
    assert written() == ["o/01-emoji-tiny.png", "o/contact-sheet.png", "o/result.json"]


def test_every_setting_reaches_the_request_and_the_settings(run: Run, tmp_path: Path) -> None:
    assemble = fake_start(tmp_path)
    flags = "--steps 3 --guidance 2.5 --scheduler euler --rng torch --negative blurry --engine openvino --precision f32"
    run("compare", "cat", "--models", "emoji-tiny", "--out", "o", "--seed", "0", *flags.split(), start=assemble)
    request = json.loads(Path("o/result.json").read_text())["request"]
    assert request == {
        "prompt": "cat",
        "negative_prompt": "blurry",
        "seed": 0,
        "steps": 3,
        "guidance_scale": 2.5,
        "scheduler": "euler",
        "generator": "torch",
    }
    assert (assemble.settings.engine, assemble.settings.precision) == ("openvino", "f32")


def test_truncated_words_are_listed(run: Run) -> None:
    result = run("compare", f"apple {TRUNCATED_WORD}", "--steps", "1", "--out", "o")
    assert f"“{TRUNCATED_WORD}”" in result.stderr
    (model, *_) = json.loads(Path("o/result.json").read_text())["models"]
    assert (model["cut_off"], model["negative_cut_off"]) == ([TRUNCATED_WORD], [])


def test_notes_on_reading_name_the_prompt_and_come_once(run: Run) -> None:
    result = run("compare", "an (apple:1.3)", "--negative", TRUNCATED_WORD, "--steps", "1", "--out", "o")
    lines = [" ".join(block.split()) for block in result.stderr.splitlines()]
    shown = " ".join(lines)
    assert shown.count("The negative prompt is longer than the text encoder reads.") == 1
    assert "The prompt is longer" not in shown
    assert shown.count("Weights and additions such as “(apple:1.3)” are read literally, as words.") == 1
    (model, *_) = json.loads(Path("o/result.json").read_text())["models"]
    assert (model["cut_off"], model["negative_cut_off"]) == ([], [TRUNCATED_WORD])


def test_pictures_can_be_written_without_metadata(run: Run) -> None:
    run(*compare("--no-metadata"))
    with Image.open("o/01-emoji-base.png") as image:
        assert image.info == {}


# --- generate ---------------------------------------------------------------------------------------------------------


def test_generate_writes_one_picture(run: Run) -> None:
    result = run("generate", "cat", "--model", "emoji-tiny", "--steps", "2", "--seed", "1", "--out", "new/cat.png")
    assert result.exit_code == exit_codes.OK, result.output
    assert result.stdout == f"new{os.sep}cat.png\n"
    assert written() == ["new/cat.png"]


def test_generate_answers_in_json(run: Run) -> None:
    result = run("generate", "cat", "--model", "emoji-tiny", "--steps", "2", "--out", "cat.png", "--json")
    made = json.loads(result.stdout)
    assert made["models"][0]["file"] == "cat.png"
    assert made["contact_sheet"] is None


def test_generate_writes_no_blocked_picture(run: Run) -> None:
    result = run("generate", BLOCKED_WORD, "--model", "emoji-tiny", "--out", "p.png", "--json")
    assert result.exit_code == exit_codes.BLOCKED
    assert json.loads(result.stdout)["models"][0]["file"] is None
    assert written() == []


def test_generate_refuses_a_place_before_drawing(run: Run) -> None:
    Path("p.png").write_text("mine")
    for out, flag in (("p.png", []), ("p.jpg", ["--overwrite"]), ("p.png/below.png", [])):
        assert run("generate", "x", "--model", "emoji-tiny", "--out", out, *flag).exit_code == exit_codes.USAGE
    assert Path("p.png").read_text() == "mine"


# --- Seeds ------------------------------------------------------------------------------------------------------------


def test_several_seeds_make_a_row_of_pictures_each(run: Run) -> None:
    shared = ("compare", "red apple", "--models", "emoji-base,emoji-tiny", "--steps", "2")
    result = run(*shared, "--seeds", "7, 9,7", "--out", "o")
    assert result.exit_code == exit_codes.OK, result.output
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
        assert "Seed: 9" in several.info["parameters"]


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
def test_unusable_seeds_are_wrong_usage(run: Run, flags: tuple[str, ...], words: str) -> None:
    result = run("compare", "x", "--models", "emoji-tiny", "--out", "o", *flags)
    assert (result.exit_code, written()) == (exit_codes.USAGE, [])
    assert words in result.stderr


def test_the_same_seed_draws_the_same_pictures(run: Run) -> None:
    run(*compare())
    first = np.asarray(Image.open("o/01-emoji-base.png"))
    run(*compare("--overwrite"))
    assert np.array_equal(first, np.asarray(Image.open("o/01-emoji-base.png")))


def test_the_largest_seed_and_zero_are_taken(run: Run) -> None:
    for seed in ("0", str(2**32 - 1)):
        assert run("generate", "x", "--model", "emoji-tiny", "--seed", seed, "--out", f"{seed}.png").exit_code == 0


# --- Interrupt --------------------------------------------------------------------------------------------------------


INTERRUPTED_RUN = """
import signal
from pathlib import Path
from bksdm_demo.cli.app import app
from tests.cli.runner import fake_start
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
app(["compare", "x", "--steps", "100", "--out", "out"], obj=fake_start(Path("."), {"emoji-base_unet": {"delay": 0.1}}))
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to one process there")
def test_ctrl_c_stops_between_steps_and_writes_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED_RUN],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        seed, first = process.stderr.readline(), process.stderr.readline()
        process.send_signal(signal.SIGINT)  # in the middle of the second, slow model
        _, rest = process.communicate(timeout=INTERRUPT_SECONDS)
    assert seed.startswith("Seed "), seed + first + rest
    assert "Emoji Original: done" in first, first + rest
    assert process.returncode == exit_codes.INTERRUPTED, rest
    assert "Emoji Base: stopped" in rest
    assert rest.endswith("Interrupted; nothing was written.\n")
    assert "Traceback" not in rest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["assets"]


# --- End to end -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "darwin", reason="states OpenVINO's precision")
@pytest.mark.skipif(not EMOJI.is_dir(), reason="the embedded family is not built yet")
def test_the_embedded_family_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, [*compare("--precision", "f32")])
    made = json.loads(Path("o/result.json").read_text())
    assert result.exit_code == exit_codes.OK, result.output
    parts = made["environment"]["parts"]
    assert len(parts) == 2 + 3  # two U-Nets, and three parts that both models share
    assert {part["precision"] for part in parts.values()} == {"f32"}
    for model in made["models"]:
        assert model["width"] == model["height"] == 128
        assert len(model["step_seconds"]) == 2
        with Image.open(Path("o") / model["file"]) as image:
            assert len(np.unique(np.asarray(image))) > 1
