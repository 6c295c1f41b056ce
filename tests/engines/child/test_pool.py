"""Starting processes ahead, ending all of them, and leaving none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from bksdm_demo.engines.child import pool as pool_module
from bksdm_demo.engines.child.isolated_engine import IsolatedEngine
from bksdm_demo.engines.child.pool import PartProcesses, ProcessCounts
from bksdm_demo.errors import EngineError, PartCrashedError
from tests.engines.child import moody_engine
from tests.engines.child.conftest import MakePool
from tests.engines.child.test_process import ended

ROOT = Path(__file__).parents[3]
PARENT = """
import sys, threading
from pathlib import Path
from bksdm_demo.engines import registry
from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.child.isolated_engine import IsolatedEngine
from bksdm_demo.engines.child.pool import PartProcesses
from tests.engines.child import moody_engine

registry.register(moody_engine.KIND, moody_engine.__name__, ())
processes = PartProcesses(EngineOptions(moody_engine.KIND))
engine = IsolatedEngine(Path("moody.mlpackage"), processes)
engine.load()
threading.Thread(target=engine.run, args=(moody_engine.x(int(sys.argv[1])),), daemon=True).start()
print(engine.metadata["pid"], *(process.pid for process in processes._started), flush=True)
sys.stdin.read()
"""


def test_a_process_waits_ahead(pool: MakePool) -> None:
    processes = pool()
    processes.prepare()
    assert processes._spare is not None
    waiting = processes._spare.result()
    processes.prepare()
    assert processes._spare.result() is waiting
    assert processes.take() is waiting
    assert processes._spare is not None
    assert processes._spare.result() is not waiting


def test_a_process_that_died_while_it_waited_is_replaced(pool: MakePool) -> None:
    processes = pool()
    processes.prepare()
    assert processes._spare is not None
    waiting = processes._spare.result()
    os.kill(waiting.pid, signal.SIGKILL)
    assert ended(waiting.pid)
    engine = IsolatedEngine(Path("moody.mlpackage"), processes)
    assert engine.run(moody_engine.x(0))["y"].tolist() == [0, 14]


def counts_with_spare(processes: PartProcesses) -> ProcessCounts:
    assert processes._spare is not None
    processes._spare.result()
    return processes.counts()


def test_starts_and_deaths_are_counted_but_not_ends(pool: MakePool) -> None:
    processes = pool()
    engine = IsolatedEngine(Path("moody.mlpackage"), processes)
    engine.load()
    first = counts_with_spare(processes)
    assert engine._process is not None
    assert engine._process.pid in first.living
    assert first.died == 0
    os.kill(engine._process.pid, signal.SIGKILL)
    with suppress(PartCrashedError):  # unless the death is noticed before the call
        engine.run(moody_engine.x(0))
    engine.load()
    second = counts_with_spare(processes)
    assert (first.started, second.died, second.started) == (2, 1, 3)
    engine.unload()
    processes.close()
    assert (processes.counts().living, processes.counts().died) == ((), 1)


def test_closing_ends_all_and_refuses_more(pool: MakePool) -> None:
    processes = pool()
    engines = [IsolatedEngine(Path("moody.mlpackage"), processes) for _ in range(2)]
    for engine in engines:
        engine.load()
    pids = [process.pid for process in processes._started]
    assert len(pids) >= 2
    processes.close()
    assert all(map(ended, pids))
    assert not any(engine.loaded for engine in engines)
    for refused in (processes.take, processes.prepare, engines[0].load):
        with pytest.raises(EngineError, match="shutting down"):
            refused()


def test_a_system_that_starts_no_process_is_named(pool: MakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(pool_module, "PartProcess", refuse)
    with pytest.raises(EngineError, match=r"No process for a part could be started: .*temporarily unavailable"):
        pool().take()


def test_windows_is_refused(pool: MakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module.os, "name", "nt")
    with pytest.raises(EngineError, match="choose the isolation none"):
        pool()


@pytest.mark.parametrize("deed", [moody_engine.HANG, moody_engine.HOLD], ids=["computing", "holding Python's lock"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None], ids=["killed", "terminated", "finished"])
def test_no_process_outlives_the_demo(deed: int, end: signal.Signals | None) -> None:
    if deed == moody_engine.HOLD and sys.platform != "linux":
        pytest.skip("only Linux ends a process that does not cooperate")
    command = [sys.executable, "-c", PARENT, str(deed)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) >= 2
        if end is None:
            parent.stdin.close()
        else:
            parent.send_signal(end)
        parent.wait()
    assert all(map(ended, pids))


def test_each_engine_kind_has_processes_of_its_own(pool: MakePool) -> None:
    assert pool().kind == moody_engine.KIND
    assert isinstance(pool(), PartProcesses)
