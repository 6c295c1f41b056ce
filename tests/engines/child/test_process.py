"""What becomes of a part's process that dies, hangs, complains or writes to the log."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from bksdm_demo.engines.child.isolated_engine import IsolatedEngine
from bksdm_demo.engines.child.pool import PartProcesses, TimeLimits
from bksdm_demo.engines.child.process import PartProcess
from bksdm_demo.errors import EngineError, PartCrashedError, UnsupportedModelError
from tests.engines.child import moody_engine
from tests.engines.child.conftest import MakePool
from tests.engines.child.moody_engine import x

SOON = TimeLimits(load=120, run=0.2)
WAIT = 60  # seconds at most
NEXT = "The part is loaded again at its next use. Other models are not affected."


def ended(pid: int) -> bool:
    """Whether a process ends soon and is reaped."""
    for _ in range(WAIT * 50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        (moody_engine.KILL, "ended with the signal SIGKILL (the system ends a process in this way when memory runs"),
        (moody_engine.FAULT, "ended with the signal SIGSEGV (a fault in native code)"),
        (moody_engine.EXIT, "ended by itself with the exit status 3"),
    ],
)
def test_a_death_is_a_sentence_and_the_next_run_works(engine: IsolatedEngine, deed: int, words: str) -> None:
    engine.load()
    first = int(engine.metadata["pid"])
    with pytest.raises(PartCrashedError) as crash:
        engine.run(x(deed))
    assert str(crash.value).startswith(f"moody.mlpackage: its process {words}")
    assert str(crash.value).endswith(NEXT)
    assert not engine.loaded
    assert ended(first)
    np.testing.assert_array_equal(engine.run(x(0))["y"], [0, 14])
    assert int(engine.metadata["pid"]) != first


@pytest.mark.parametrize("deed", [moody_engine.HANG, moody_engine.HOLD])
def test_a_part_that_hangs_is_ended_and_says_where(pool: MakePool, deed: int, caplog: pytest.LogCaptureFixture) -> None:
    engine = IsolatedEngine(Path("moody.mlpackage"), pool(SOON))
    engine.load()
    pid = int(engine.metadata["pid"])
    with pytest.raises(
        PartCrashedError, match=r"moody\.mlpackage: it did not finish within 0\.2 seconds and was ended"
    ):
        engine.run(x(deed))
    assert "moody_engine.py" in caplog.text  # faulthandler's lines
    assert ended(pid)


def test_loading_has_a_limit_of_its_own(pool: MakePool) -> None:
    engine = IsolatedEngine(Path("moody.mlpackage"), pool(TimeLimits(load=0.001, run=120)))
    with pytest.raises(PartCrashedError, match=r"did not finish within 0\.001 seconds"):
        engine.load()


def test_a_death_while_loading_is_one_too(pool: MakePool) -> None:
    engine = IsolatedEngine(Path("deadly.mlpackage"), pool())
    with pytest.raises(PartCrashedError, match=r"deadly\.mlpackage: its process ended with the signal SIGKILL"):
        engine.load()
    assert not engine.loaded


def test_a_death_between_two_runs_is_logged_and_repaired(
    engine: IsolatedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.load()
    pid = int(engine.metadata["pid"])
    os.kill(pid, signal.SIGSEGV)
    assert ended(pid)
    assert not engine.loaded
    np.testing.assert_array_equal(engine.run(x(0))["y"], [0, 14])
    assert "moody.mlpackage: its process ended with the signal SIGSEGV" in caplog.text
    assert "Fatal Python error: Segmentation fault" in caplog.text


def test_signals_for_the_whole_group_are_the_pages_business(engine: IsolatedEngine) -> None:
    pid = engine.metadata["pid"]
    engine.run(x(moody_engine.INSTALLED_HANDLERS))
    np.testing.assert_array_equal(engine.run(x(0))["y"], [0, 14])
    assert engine.metadata["pid"] == pid


def test_errors_keep_their_type_and_text(pool: MakePool, engine: IsolatedEngine) -> None:
    with pytest.raises(EngineError, match=r"^Core ML said no\.$"):
        engine.run(x(moody_engine.EXPECTED))
    assert engine.loaded
    with pytest.raises(UnsupportedModelError, match=r"unsupported\.mlpackage: it needs a soul"):
        IsolatedEngine(Path("unsupported.mlpackage"), pool()).load()
    with pytest.raises(EngineError, match=r"refused\.mlpackage: refused"):
        _ = IsolatedEngine(Path("refused.mlpackage"), pool()).inputs


def test_an_unexpected_error_is_named_and_logged_in_full(
    engine: IsolatedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(EngineError, match=r"moody\.mlpackage: an unexpected ZeroDivisionError stopped it"):
        engine.run(x(moody_engine.UNEXPECTED))
    assert engine.run(x(0))["y"].tolist() == [0, 14]
    engine.unload()  # its log is complete then
    assert "ZeroDivisionError: 1 / 0" in caplog.text


def test_its_log_is_ours_with_names_and_levels(engine: IsolatedEngine, caplog: pytest.LogCaptureFixture) -> None:
    engine.run(x(moody_engine.LOG))
    engine.unload()
    assert ("bksdm_demo.engines.moody", logging.WARNING, "two\nlines") in caplog.record_tuples


def test_what_native_code_prints_is_logged_with_the_part(
    engine: IsolatedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(PartCrashedError):
        engine.run(x(moody_engine.EXIT))
    assert "moody.mlpackage: native farewell" in caplog.messages


def test_nobody_needs_to_end_a_forgotten_process(pool: MakePool) -> None:
    processes: PartProcesses = pool()
    process: PartProcess | None = processes.take()
    assert process is not None
    pid = process.pid
    del process
    assert ended(pid)


def test_ending_twice_does_no_harm(pool: MakePool) -> None:
    process = pool().take()
    process.end()
    process.end()
    assert not process.alive
    assert ended(process.pid)
