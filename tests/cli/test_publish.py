"""`publish`: without --yes it shows everything and asks nobody; with it, the hub on this machine gets the Space."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants
from typer.testing import CliRunner, Result

from bksdm_demo.cli import exit_codes
from bksdm_demo.cli import publish as publish_command
from bksdm_demo.cli.app import app
from bksdm_demo.cli.exit_codes import UsageError
from bksdm_demo.cli.publish import read_variables
from bksdm_demo.errors import DemoError
from bksdm_demo.start import start
from tests.library.conftest import _client, hub  # noqa: F401
from tests.library.hub_server import HubServer
from tests.library.hub_spaces import USER
from tests.library.test_publishing import FILES, clone, token  # noqa: F401

SPACE = f"{USER}/demo"
Publish = Callable[..., Result]


@pytest.fixture
def publish(clone: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:  # noqa: F811
    """`publish` from the small repository."""
    monkeypatch.setattr(publish_command, "ROOT", clone)
    return lambda *arguments: CliRunner().invoke(app, ["publish", *arguments], obj=start)


def test_a_dry_run_shows_everything_and_asks_nobody(publish: Publish, hub: HubServer) -> None:  # noqa: F811
    variables = ("--variable", "BKSDM_PREWARM=bk-sdm-tiny-2m,emoji-tiny", "--variable", "BKSDM_MODELS_DIR=/data/models")
    result = publish(SPACE, *variables, "--hardware", "cpu-upgrade", "--sleep-minutes", "15", "--private", "--files")
    assert result.exit_code == exit_codes.OK, result.output
    assert hub.log == []
    shown = " ".join(result.stdout.split())
    for words in (
        f"Space {SPACE}, is created; gradio 6.31.0, Python 3.11",
        f"Address {hub.hub}/spaces/{SPACE}",
        "Visible to only you",
        "Hardware cpu-upgrade, costs money while it runs; sleeps after 15 idle minutes",
        "Variables BKSDM_PREWARM=bk-sdm-tiny-2m,emoji-tiny; BKSDM_MODELS_DIR=/data/models",
        f"thumbnail: https://huggingface.co/spaces/{SPACE}/resolve/main/assets/contact-sheet.png",
        "preload_from_hub: ['nota-ai/coreml-bk-sdm coreml-bk-sdm-tiny-2m.zip ",
        f"Files {len(FILES)} files, ",
        "assets/: 2 files, 10.2 kB",
        "Unknown to git .env, notes.txt: not sent",
        "Token none: log in",
        "assets/ö name/weight.bin 10.2 kB",
    ):
        assert words in shown, (words, shown)
    assert "SECRET" not in result.output
    assert ".venv" not in result.output
    assert result.stderr == "Nothing was sent. Add --yes to do this.\n"


def test_yes_publishes_and_prints_the_address(publish: Publish, token: HubServer) -> None:  # noqa: F811
    result = publish(SPACE, "--yes")
    assert result.exit_code == exit_codes.OK, result.output
    assert result.stdout.splitlines()[-1] == f"{constants.ENDPOINT}/spaces/{SPACE}"
    assert token.spaces.all[SPACE].files["app.py"] == FILES["app.py"]
    again = publish(SPACE, "--yes")
    assert again.exit_code == exit_codes.FAILED
    assert "exists already: choose another name, or replace its files with --update" in again.stderr
    assert "every file of the Space that is not among these" in publish(SPACE, "--update").stdout


def test_a_wrong_name_is_wrong_usage(publish: Publish) -> None:
    result = publish("demo")
    assert result.exit_code == exit_codes.USAGE
    assert "'demo' names no Space; write USER/NAME" in result.stderr


@pytest.mark.parametrize(("word", "sentence"), [
    ("BKSDM_GALLERY", "has no value: write NAME=VALUE"),
    ("BKSDM_AUTH=a:b", "Everybody can read variables: set BKSDM_AUTH as a secret"),
    ("BKSDM_GALERY=own", "The page reads no variable 'BKSDM_GALERY'"),
    ("BKSDM_GALLERY=mine", "choose one of shared, own"),
    ("BKSDM_MEMORY_GB=lots", "must be a number of GiB"),
])  # fmt: skip
def test_a_wrong_variable_is_named_before_anything_is_sent(word: str, sentence: str) -> None:
    with pytest.raises((UsageError, DemoError), match=sentence):
        read_variables([word])


def test_a_limit_is_a_variable() -> None:
    assert read_variables(["BKSDM_MAX_STEPS=30"]) == {"BKSDM_MAX_STEPS": "30"}
