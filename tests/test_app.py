"""app.py: flags become settings, a wrong flag gives one sentence, and the server starts and stops cleanly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import app
from bksdm_demo.errors import DemoError
from bksdm_demo.units import GIB
from tests.ui.test_page import free_port

ROOT = Path(app.__file__).parent
SECONDS = 120


def test_flags(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BKSDM_THREADS", "4")
    settings = app.read_settings(["--port", "8000", "--memory-gb", "0.5", "--models-dir", str(tmp_path), "--share"])
    assert (settings.port, settings.memory_bytes, settings.models_dir) == (8000, GIB // 2, tmp_path)
    assert (settings.share, settings.threads) == (True, 4)
    assert app.read_settings([]).share is False
    background = app.read_settings(["--prewarm", "emoji-tiny", "--prewarm", "a,b", "--no-downloads"])
    assert (background.prewarm, background.downloads_allowed) == (("emoji-tiny", "a", "b"), False)
    assert app.read_settings(["--share", "--downloads"]).downloads_allowed


def test_the_page_isolates_parts_unless_it_is_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BKSDM_ISOLATION", raising=False)
    assert app.read_settings([]).isolation == ("child" if os.name == "posix" else "none")
    limits = app.read_settings(["--isolation", "none", "--load-limit", "60", "--run-limit", "5"])
    assert (limits.isolation, limits.load_limit, limits.run_limit) == ("none", 60, 5)
    monkeypatch.setenv("BKSDM_ISOLATION", "none")
    assert app.read_settings([]).isolation == "none"
    assert (app.read_settings([]).no_prewarm, app.read_settings(["--no-prewarm"]).no_prewarm) == (False, True)


@pytest.mark.parametrize(
    "flags",
    [
        ["--threads", "0"],
        ["--models-dir", "/no/such/folder"],
        ["--memory-gb", "nan"],
        ["--pool", "nats://192.0.2.7"],
        ["--pool", "nats://127.0.0.1:1"],  # where no server is
    ],
)
def test_a_wrong_value_is_one_sentence(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(flags) == 2
    said = capsys.readouterr().err
    assert said.startswith("app.py: ")
    assert said.count("\n") == 1


def test_a_wrong_choice_names_the_choices(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        app.read_settings(["--engine", "torch"])
    assert "openvino" in capsys.readouterr().err


def test_no_flag_can_contradict_the_settings() -> None:
    with pytest.raises(DemoError, match="port is 70000"):
        app.read_settings(["--port", "70000"])


@pytest.mark.parametrize(
    ("command", "variable", "value"),
    [
        (["app.py"], "GRADIO_NUM_PORTS", "many"),
        (["-m", "bksdm_demo", "models"], "HF_HUB_DOWNLOAD_TIMEOUT", "soon"),
    ],
)
def test_a_librarys_variable_is_named_when_it_cannot_be_read(command: list[str], variable: str, value: str) -> None:
    environ = {**os.environ, variable: value}
    ended = subprocess.run([sys.executable, *command], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert ended.returncode in (1, 2)  # before or after the settings are read
    assert f"{variable} has a value that cannot be used" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_it_starts_prints_its_address_and_stops_cleanly() -> None:
    port = free_port()
    command = [sys.executable, "app.py", "--port", str(port), "--data-dir", "none"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().strip() == f"The page is at http://127.0.0.1:{port}/"
            assert "BK-SDM" in httpx.get(f"http://127.0.0.1:{port}/", timeout=SECONDS).text
            for path in ("healthz", "readyz"):
                assert httpx.get(f"http://127.0.0.1:{port}/{path}", timeout=SECONDS).text == "ok\n"
            figures = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=SECONDS)
            assert "\nbksdm_queue_length 0.0\n" in figures.text
            assert "\nbksdm_part_processes_died_total 0.0\n" in figures.text or os.name != "posix"
            assert figures.headers["x-request-id"]
            process.send_signal(signal.SIGTERM if os.name == "posix" else signal.SIGINT)
            assert process.wait(SECONDS) == 0
            assert process.stdout.read().strip() == "Closing."
        finally:
            process.kill()
