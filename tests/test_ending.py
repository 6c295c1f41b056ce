"""Signals end a real page over fake parts: in order after the first, at once after the second. Nothing is timed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bksdm_demo.ending import LONGEST, NOTICE
from bksdm_demo.records import Phase
from bksdm_demo.store.sqlite import open_store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")

ROOT = Path(__file__).parents[1]
SECONDS = 120
# Draws a picture whose first step lasts until a line arrives on standard input; "never" leaves it hanging.
PAGE = """
import signal, sys, threading, time
from pathlib import Path
import bksdm_demo.ending as ending
from bksdm_demo.records import Phase, Request
from bksdm_demo.start import Services
from bksdm_demo.store.sqlite import open_store
from tests.fakes import FAMILY, fake_background, fake_comparisons

folder, ending.LONGEST = Path(sys.argv[1]), float(sys.argv[2])
gate = threading.Event()
comparisons = fake_comparisons(folder, {"unet": {"run_gate": gate}}, store=open_store(folder / "data"))
services = Services(comparisons.catalog, comparisons.cache, comparisons, fake_background(comparisons))
signals = ending.Ending()
job = comparisons.submit(Request("red apple", steps=3), FAMILY[:1])
for seen in comparisons.watch(job.id):
    if seen.cells[0].phase is Phase.DENOISING:
        break

def open_the_gate():
    sys.stdin.readline()
    while not comparisons.draining:
        time.sleep(0.01)
    gate.set()

threading.Thread(target=open_the_gate, daemon=True).start()
print("draws", flush=True)
signals.wait()
print("ends", job.id, signals.notice, flush=True)
ending.drain(services, 0.0)
services.close()
print("closed", flush=True)
"""


def _heed_signals() -> None:
    """Tests that run under nohup, or in the background of a script, pass on that they ignore a signal."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def page(folder: Path, longest: float = LONGEST, *before: str) -> Iterator[subprocess.Popen[str]]:
    command = [*before, sys.executable, "-c", PAGE, str(folder), str(longest)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, preexec_fn=_heed_signals, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def release(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def interrupted(folder: Path, job_id: str) -> bool:
    store = open_store(folder / "data")
    try:
        return store.get(job_id).cells[0].phase is Phase.INTERRUPTED
    finally:
        store.close()


@pytest.mark.parametrize(
    ("number", "notice"), [(signal.SIGTERM, NOTICE), (signal.SIGHUP, NOTICE), (signal.SIGINT, 0.0)]
)
def test_the_first_signal_waits_for_the_step_and_marks_the_rest(tmp_path: Path, number: int, notice: float) -> None:
    with page(tmp_path) as process:
        assert line(process) == "draws"
        process.send_signal(number)
        _, job_id, given = line(process).split()
        assert float(given) == notice
        release(process)
        assert line(process) == "closed"
        assert process.wait(SECONDS) == 0
    assert interrupted(tmp_path, job_id)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_ends_at_once(tmp_path: Path, second: int) -> None:
    with page(tmp_path) as process:
        assert line(process) == "draws"
        process.send_signal(signal.SIGTERM)
        job_id = line(process).split()[1]
        process.send_signal(second)
        assert process.wait(SECONDS) == 128 + second
    assert interrupted(tmp_path, job_id)


def test_a_step_that_never_ends_cannot_hold_the_process(tmp_path: Path) -> None:
    with page(tmp_path, 0.01) as process:
        assert line(process) == "draws"
        process.send_signal(signal.SIGTERM)
        job_id = line(process).split()[1]
        assert process.wait(SECONDS) == 1
    assert interrupted(tmp_path, job_id)


def test_nohup_keeps_a_closing_terminal_from_ending_the_page(tmp_path: Path) -> None:
    with page(tmp_path, LONGEST, "nohup") as process:
        assert line(process) == "draws"
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert line(process).startswith("ends")
        release(process)
        assert process.wait(SECONDS) == 0
