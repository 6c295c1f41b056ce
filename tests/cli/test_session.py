"""What every command goes through: errors become sentences, --debug shows where, and nothing else is stored."""

from __future__ import annotations

import errno
import logging
import os
import sys
from pathlib import Path

import pytest

from bksdm_demo.cli import exit_codes
from bksdm_demo.settings import Settings
from bksdm_demo.start import Services, start
from tests.cli.runner import Run, compare, fake_start


def test_an_unforeseen_error_is_a_sentence_and_with_debug_a_traceback(run: Run) -> None:
    options = {"emoji-base_unet": {"failure": ZeroDivisionError("oh")}}
    quiet, loud = run(*compare(), options=options), run("--debug", *compare("--overwrite"), options=options)
    assert quiet.exit_code == loud.exit_code == exit_codes.FAILED
    assert "Traceback" not in quiet.output


def test_a_failed_start_is_a_sentence(run: Run) -> None:
    def broken(settings: Settings) -> Services:
        raise ValueError("two\nlines")

    result = run("models", start=broken)
    assert result.exit_code == exit_codes.FAILED
    assert result.stderr == "Unexpected ValueError: two lines (run again with --debug to see where).\n"
    assert "Traceback" in run("--debug", "models", start=broken).stderr


def test_nothing_in_the_log_reaches_the_terminal(run: Run) -> None:
    def noisy(settings: Settings) -> Services:
        logging.getLogger("bksdm_demo.noisy").warning("a\x1b[2J\nb\u202e")
        raise ValueError("end")

    assert "WARNING" not in run("models", start=noisy).stderr
    shown = run("--debug", "models", start=noisy).stderr
    assert "WARNING bksdm_demo.noisy: a�[2J\n    b�\n" in shown


def test_what_the_system_refuses_is_a_sentence_about_the_file(run: Run) -> None:
    def broken(settings: Settings) -> Services:
        raise OSError(errno.EIO, "Input/output error", "disk/a\x1b[2J")

    result = run("models", start=broken)
    assert (result.exit_code, result.stderr) == (exit_codes.FAILED, "disk/a�[2J: Input/output error.\n")
    assert "Traceback" in run("--debug", "models", start=broken).stderr


@pytest.mark.parametrize("name", ["~nobody-of-this-name/a", "a" * 300])
def test_a_folder_that_cannot_be_is_wrong_usage(run: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("BKSDM_MODELS_DIR", name)
    result = run("models")
    assert result.exit_code == exit_codes.USAGE
    assert name in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="arguments are characters there, not bytes")
@pytest.mark.parametrize(
    "arguments",
    [
        ("generate", os.fsdecode(b"\xff"), "--model", "emoji-tiny", "--out", "p.png"),
        ("generate", "x", "--negative", os.fsdecode(b"a\xc3"), "--model", "emoji-tiny", "--out", "p.png"),
        ("history", "--text", os.fsdecode(b"\xff")),
        ("report", os.fsdecode(b"\xff"), "--out", "r.html"),
    ],
)
def test_words_that_are_not_utf_8_are_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == exit_codes.USAGE
    assert "bytes that are not UTF-8" in result.stderr


@pytest.mark.skipif(sys.platform == "darwin", reason="Core ML runs there")
def test_core_ml_off_a_mac_is_wrong_usage(run: Run) -> None:
    result = run(*compare("--engine", "coreml"), start=start)
    assert result.exit_code == exit_codes.USAGE
    assert "macOS" in result.stderr
    assert result.stderr.count("\n") == 1


def test_commands_store_nothing_elsewhere(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BKSDM_DATA_DIR", str(tmp_path / "data"))
    start = fake_start(tmp_path, None)
    run(*compare(), start=start)
    assert start.settings.data_dir is None
    assert not (tmp_path / "data").exists()
