"""The exit codes as a script sees them: one per outcome, wrong usage before anything is drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bksdm_demo.cli import exit_codes
from bksdm_demo.diffusion.prompt_gate import PROMPT_BLOCKED
from bksdm_demo.errors import EngineError
from tests.cli.runner import Run, compare, written
from tests.fakes import BLOCKED_WORD, REFUSED_WORD, write_family


def test_a_failed_model_is_reported_and_the_others_are_written(run: Run) -> None:
    result = run(*compare(), options={"emoji-base_unet": {"failure": EngineError("The U-Net broke.")}})
    assert result.exit_code == exit_codes.FAILED
    assert written() == ["o/02-emoji-tiny.png", "o/contact-sheet.png", "o/result.json"]
    assert "The U-Net broke." in result.stderr
    assert "Traceback" not in result.output


def test_a_blocked_picture_has_its_own_code_and_no_file(run: Run) -> None:
    result = run("compare", f"a {BLOCKED_WORD}", "--models", "emoji-tiny", "--steps", "1", "--out", "o")
    assert result.exit_code == exit_codes.BLOCKED
    assert written() == ["o/contact-sheet.png", "o/result.json"]
    model = json.loads(Path("o/result.json").read_text())["models"][0]
    assert (model["status"], model["file"], model["verdict"]["blocked"]) == ("blocked", None, True)


def test_a_prompt_that_is_not_drawn_has_the_code_of_a_blocked_picture(run: Run) -> None:
    result = run("compare", REFUSED_WORD, "--models", "emoji-base,emoji-tiny", "--steps", "1", "--out", "o")
    assert result.exit_code == exit_codes.BLOCKED
    said = " ".join(result.stderr.split())
    assert said.count(f"blocked. {PROMPT_BLOCKED}") == 2
    assert "safety checker" not in result.output
    assert result.stdout.splitlines()[0].split() == ["Model", "Outcome", "Size"]  # no column of seconds
    models = json.loads(Path("o/result.json").read_text())["models"]
    assert {model["message"] for model in models} == {PROMPT_BLOCKED}
    assert {seconds for model in models for seconds in model["seconds"].values()} == {None}


def test_a_failure_outweighs_a_blocked_picture(run: Run) -> None:
    options = {"emoji-base_unet": {"failure": EngineError("broke")}}
    result = run("compare", BLOCKED_WORD, "--models", "emoji-base,emoji-tiny", "--out", "o", options=options)
    assert result.exit_code == exit_codes.FAILED


@pytest.mark.parametrize("command", [["compare", "x", "--models", "nobody"], ["generate", "x", "--model", "nobody"]])
def test_an_unknown_model_lists_what_there_is(run: Run, command: list[str]) -> None:
    result = run(*command, "--out", "o.png")
    assert result.exit_code == exit_codes.UNAVAILABLE
    assert "emoji-tiny" in result.stderr
    assert result.stderr.count("\n") == 1
    assert written() == []


@pytest.mark.parametrize(
    "flags",
    [
        ["--seed", "-1"],
        ["--seed", str(2**32)],
        ["--seed", "seven"],
        ["--steps", "0"],
        ["--steps", "151"],
        ["--guidance", "31"],
        ["--guidance", "nan"],
        ["--scheduler", "magic"],
        ["--rng", "dice"],
        ["--engine", "steam"],
        ["--precision", "f8"],
        ["--models", ","],
        ["--models-dir", "nowhere"],
        ["--unknown"],
    ],
)
def test_wrong_usage_is_refused_before_anything_is_drawn(run: Run, flags: list[str]) -> None:
    result = run(*compare(*flags))
    assert result.exit_code == exit_codes.USAGE
    assert result.stderr
    assert "Traceback" not in result.output
    assert written() == []


@pytest.mark.parametrize("prompt", ["", "  ", "x" * 20_001])
def test_an_empty_or_endless_prompt_is_wrong_usage(run: Run, prompt: str) -> None:
    result = run("compare", prompt, "--out", "o")
    assert result.exit_code == exit_codes.USAGE
    assert "prompt" in result.stderr


def test_an_earlier_result_is_refused_before_drawing_unless_overwritten(run: Run) -> None:
    assert run(*compare()).exit_code == exit_codes.OK
    refused = run(*compare())
    assert refused.exit_code == exit_codes.USAGE
    assert "--overwrite" in refused.stderr
    assert run(*compare("--overwrite")).exit_code == exit_codes.OK


def test_files_of_other_programs_survive(run: Run) -> None:
    Path("o").mkdir()
    Path("o/thesis.tex").write_text("mine")
    assert run(*compare("--overwrite")).exit_code == exit_codes.USAGE
    assert written() == ["o/thesis.tex"]


def test_a_damaged_family_is_unavailable(run: Run, tmp_path: Path) -> None:
    write_family(tmp_path / "assets")
    for file in (tmp_path / "assets" / "emoji" / "shared").glob("*safety_checker*/**/*"):
        if file.is_file():
            file.unlink()
    (checker,) = (tmp_path / "assets" / "emoji" / "shared").glob("*safety_checker*")
    for folder in sorted(checker.rglob("*"), reverse=True):
        folder.rmdir()
    checker.rmdir()
    result = run(*compare())
    assert result.exit_code == exit_codes.UNAVAILABLE
    assert "safety checker" in result.stderr
