"""The command line as a script sees it: exit codes, stdout, stderr and files, over the fake family.

`services` stands for start.py's assembly. The interrupt is a real SIGINT to a real process. The end-to-end test runs
the embedded packages through the real engine.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from bksdm_demo.cli import run as commands
from bksdm_demo.cli.app import app
from bksdm_demo.errors import EngineError
from bksdm_demo.settings import ASSETS, Settings
from bksdm_demo.start import Services, start
from tests.fakes import BLOCKED_WORD, FAMILY, TRUNCATED_WORD, fake_background, fake_comparisons, write_family

ROOT = Path(__file__).parents[2]
SIDE = 64  # pixels of a fake picture
INTERRUPT_SECONDS = 120.0  # machines that are busy with other work take their time
EMOJI = ASSETS / "emoji" / "emoji-tiny"

Run = Callable[..., Result]


def fake_start(folder: Path, options: Mapping[str, Mapping[str, Any]] | None = None) -> Callable[[Settings], Services]:
    """A start function over the fakes that remembers the settings it was given."""

    def assemble(settings: Settings) -> Services:
        assemble.settings = settings  # type: ignore[attr-defined]
        service = fake_comparisons(folder, options)
        return Services(service.catalog, service.cache, service, fake_background(service), {"engine": settings.engine})

    return assemble


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run the command line in an empty folder; `options` are FakeParts', `start` replaces the whole start."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def invoke(*arguments: str, options: Mapping[str, Mapping[str, Any]] | None = None, start: Any = None) -> Result:
        return CliRunner().invoke(app, list(arguments), obj=start or fake_start(tmp_path, options))

    return invoke


def compare(*more: str) -> tuple[str, ...]:
    return (
        "compare",
        "red apple",
        "--models",
        "emoji-base,emoji-tiny",
        "--seed",
        "7",
        "--steps",
        "2",
        "--out",
        "o",
        *more,
    )


def written() -> list[str]:
    return sorted(path.relative_to(".").as_posix() for path in Path(".").rglob("*") if path.is_file())


# --- compare ---------------------------------------------------------------------------------------------------------


def test_compare_writes_pictures_sheet_and_result(run: Run):
    result = run(*compare())
    assert result.exit_code == commands.OK, result.output
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
        assert json.loads(image.text["bksdm-demo"])["model"] == "emoji-tiny"


def test_compare_answers_in_json_alone_on_stdout(run: Run):
    result = run(*compare("--json"))
    assert json.loads(result.stdout) == json.loads(Path("o/result.json").read_text())


def test_compare_takes_the_embedded_family_and_the_models_recommendation_by_default(run: Run):
    result = run("compare", "red apple", "--out", "o", "--json")
    made = json.loads(result.stdout)
    assert [model["model"] for model in made["models"]] == list(FAMILY)
    assert made["request"]["steps"] == len(made["models"][0]["step_seconds"]) > 1
    assert f"Seed {made['request']['seed']}" in result.stderr


def test_a_model_named_twice_is_drawn_once(run: Run):
    result = run("compare", "x", "--models", " emoji-tiny,,emoji-tiny ", "--steps", "1", "--out", "o")
    assert result.exit_code == commands.OK
    assert written() == ["o/01-emoji-tiny.png", "o/contact-sheet.png", "o/result.json"]


def test_every_setting_reaches_the_request_and_the_settings(run: Run, tmp_path: Path):
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


def test_cut_off_words_are_told(run: Run):
    result = run("compare", f"apple {TRUNCATED_WORD}", "--steps", "1", "--out", "o")
    assert f"“{TRUNCATED_WORD}”" in result.stderr
    assert json.loads(Path("o/result.json").read_text())["models"][0]["cut_off"] == [TRUNCATED_WORD]


def test_pictures_can_be_written_without_metadata(run: Run):
    run(*compare("--no-metadata"))
    with Image.open("o/01-emoji-base.png") as image:
        assert image.text == {}


# --- Exit codes ------------------------------------------------------------------------------------------------------


def test_a_failed_model_is_told_and_the_others_are_there(run: Run):
    result = run(*compare(), options={"emoji-base_unet": {"failure": EngineError("The U-Net broke.")}})
    assert result.exit_code == commands.FAILED
    assert written() == ["o/02-emoji-tiny.png", "o/contact-sheet.png", "o/result.json"]
    assert "The U-Net broke." in result.stderr
    assert "Traceback" not in result.output


def test_an_unforeseen_error_is_a_sentence_and_with_debug_a_traceback(run: Run):
    options = {"emoji-base_unet": {"failure": ZeroDivisionError("oh")}}
    quiet, loud = run(*compare(), options=options), run("--debug", *compare("--overwrite"), options=options)
    assert quiet.exit_code == loud.exit_code == commands.FAILED
    assert "Traceback" not in quiet.output


def test_a_blocked_picture_has_its_own_code_and_no_file(run: Run):
    result = run("compare", f"a {BLOCKED_WORD}", "--models", "emoji-tiny", "--steps", "1", "--out", "o")
    assert result.exit_code == commands.BLOCKED
    assert written() == ["o/contact-sheet.png", "o/result.json"]
    model = json.loads(Path("o/result.json").read_text())["models"][0]
    assert (model["status"], model["file"], model["verdict"]["blocked"]) == ("blocked", None, True)


def test_a_failure_outweighs_a_blocked_picture(run: Run):
    options = {"emoji-base_unet": {"failure": EngineError("broke")}}
    result = run("compare", BLOCKED_WORD, "--models", "emoji-base,emoji-tiny", "--out", "o", options=options)
    assert result.exit_code == commands.FAILED


@pytest.mark.parametrize("command", [["compare", "x", "--models", "nobody"], ["generate", "x", "--model", "nobody"]])
def test_an_unknown_model_lists_what_there_is(run: Run, command: list[str]):
    result = run(*command, "--out", "o.png")
    assert result.exit_code == commands.UNAVAILABLE
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
def test_wrong_usage_is_refused_before_anything_is_drawn(run: Run, flags: list[str]):
    result = run(*compare(*flags))
    assert result.exit_code == commands.USAGE
    assert result.stderr
    assert "Traceback" not in result.output
    assert written() == []


@pytest.mark.parametrize("prompt", ["", "  ", "x" * 20_001])
def test_an_empty_or_endless_prompt_is_wrong_usage(run: Run, prompt: str):
    result = run("compare", prompt, "--out", "o")
    assert result.exit_code == commands.USAGE
    assert "prompt" in result.stderr


def test_an_earlier_result_is_refused_before_drawing_unless_overwritten(run: Run):
    assert run(*compare()).exit_code == commands.OK
    refused = run(*compare())
    assert refused.exit_code == commands.USAGE
    assert "--overwrite" in refused.stderr
    assert run(*compare("--overwrite")).exit_code == commands.OK


def test_other_peoples_files_survive(run: Run):
    Path("o").mkdir()
    Path("o/thesis.tex").write_text("mine")
    assert run(*compare("--overwrite")).exit_code == commands.USAGE
    assert written() == ["o/thesis.tex"]


def test_a_damaged_family_is_unavailable(run: Run, tmp_path: Path):
    write_family(tmp_path / "assets")
    for file in (tmp_path / "assets" / "emoji" / "shared").glob("*safety*/**/*"):
        if file.is_file():
            file.unlink()
    (checker,) = (tmp_path / "assets" / "emoji" / "shared").glob("*safety*")
    for folder in sorted(checker.rglob("*"), reverse=True):
        folder.rmdir()
    checker.rmdir()
    result = run(*compare())
    assert result.exit_code == commands.UNAVAILABLE
    assert "safety checker" in result.stderr


@pytest.mark.skipif(sys.platform == "darwin", reason="Core ML runs there")
def test_core_ml_off_a_mac_is_wrong_usage(run: Run):
    result = run(*compare("--engine", "coreml"), start=start)
    assert result.exit_code == commands.USAGE
    assert "macOS" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_start_that_breaks_is_a_sentence(run: Run):
    def broken(settings: Settings) -> Services:
        raise ValueError("two\nlines")

    result = run("models", start=broken)
    assert result.exit_code == commands.FAILED
    assert result.stderr == "Unexpected ValueError: two lines (run again with --debug to see where).\n"
    assert "Traceback" in run("--debug", "models", start=broken).stderr


# --- generate, models, help ------------------------------------------------------------------------------------------


def test_generate_writes_one_picture(run: Run):
    result = run("generate", "cat", "--model", "emoji-tiny", "--steps", "2", "--seed", "1", "--out", "new/cat.png")
    assert result.exit_code == commands.OK, result.output
    assert result.stdout == f"new{os.sep}cat.png\n"
    assert written() == ["new/cat.png"]


def test_generate_answers_in_json(run: Run):
    result = run("generate", "cat", "--model", "emoji-tiny", "--steps", "2", "--out", "cat.png", "--json")
    made = json.loads(result.stdout)
    assert made["models"][0]["file"] == "cat.png"
    assert made["contact_sheet"] is None


def test_generate_writes_no_blocked_picture(run: Run):
    result = run("generate", BLOCKED_WORD, "--model", "emoji-tiny", "--out", "p.png", "--json")
    assert result.exit_code == commands.BLOCKED
    assert json.loads(result.stdout)["models"][0]["file"] is None
    assert written() == []


def test_generate_refuses_a_place_before_drawing(run: Run):
    Path("p.png").write_text("mine")
    for out, flag in (("p.png", []), ("p.jpg", ["--overwrite"]), ("p.png/below.png", [])):
        assert run("generate", "x", "--model", "emoji-tiny", "--out", out, *flag).exit_code == commands.USAGE
    assert Path("p.png").read_text() == "mine"


def test_models_as_a_table_and_as_json(run: Run):
    text, data = run("models"), run("models", "--json")
    assert text.exit_code == data.exit_code == commands.OK
    systems = json.loads(data.stdout)["models"]
    assert [system["key"] for system in systems] == list(FAMILY)
    assert all(system["size_bytes"] > 0 and system["availability"] == "embedded" for system in systems)
    table, notes = text.stdout.split("\n\n")
    assert [line.split()[0] for line in table.splitlines()] == ["Key", *FAMILY]
    assert "text encoder, image decoder, safety checker" in notes
    words = " ".join(notes.split())
    assert "stored and loaded once) shared by emoji-original, emoji-base, emoji-small, emoji-tiny" in words
    assert re.search(r"All parts take .* of disk, .* less than apart\.", notes)
    sharing = json.loads(data.stdout)["sharing"]
    assert [part["role"] for part in sharing["parts"]] == ["text encoder", "image decoder", "safety checker"]
    assert all(part["systems"] == list(FAMILY) and part["copies"] == 1 for part in sharing["parts"])
    saved = sum(part["saved_bytes"] for part in sharing["parts"])
    assert sharing["separate_bytes"] - sharing["disk_bytes"] == saved > 0


def test_models_says_why_one_cannot_be_used(run: Run, tmp_path: Path):
    write_family(tmp_path / "assets", FAMILY[:1])
    result = run("models")
    assert result.exit_code == commands.OK
    assert "emoji-tiny: " in result.stdout


def test_without_arguments_the_help_is_shown(run: Run):
    assert "compare" in run().output
    assert run("--help").exit_code == commands.OK


@pytest.mark.parametrize("command", ["compare", "generate", "models", "inspect"])
def test_every_command_documents_itself_and_its_exit_codes(run: Run, command: str):
    result = run(command, "--help")
    assert result.exit_code == commands.OK
    for code in (0, 1, 2, 3, 4, 130):
        assert f"  {code} " in result.stdout


# --- Interrupt -------------------------------------------------------------------------------------------------------

INTERRUPTED_RUN = """
import signal
from pathlib import Path
from bksdm_demo.cli.app import app
from tests.cli.test_app import fake_start
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
app(["compare", "x", "--steps", "100", "--out", "out"], obj=fake_start(Path("."), {"emoji-base_unet": {"delay": 0.1}}))
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to one process there")
def test_ctrl_c_stops_between_steps_and_writes_nothing(tmp_path: Path):
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
    assert process.returncode == commands.INTERRUPTED, rest
    assert "Emoji Base: stopped" in rest
    assert rest.endswith("Interrupted; nothing was written.\n")
    assert "Traceback" not in rest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["assets"]


# --- End to end ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "darwin", reason="states OpenVINO's precision")
@pytest.mark.skipif(not EMOJI.is_dir(), reason="the embedded family is not built yet")
def test_the_embedded_family_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, [*compare("--precision", "f32")])
    made = json.loads(Path("o/result.json").read_text())
    assert result.exit_code == commands.OK, result.output
    parts = made["environment"]["parts"]
    assert len(parts) == 2 + 3  # two U-Nets, and three parts that both models share
    assert {part["precision"] for part in parts.values()} == {"f32"}
    for model in made["models"]:
        assert model["width"] == model["height"] == 128
        assert len(model["step_seconds"]) == 2
        with Image.open(Path("o") / model["file"]) as image:
            assert len(np.unique(np.asarray(image))) > 1
