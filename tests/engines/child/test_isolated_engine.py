"""A part in a process of its own, beyond the contract that test_contract.py holds: facts, memory, calibration."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from bksdm_demo.engines.base import Calibrated
from bksdm_demo.engines.child.isolated_engine import PROCESS_BYTES, IsolatedEngine
from bksdm_demo.errors import CancelledError, EngineError, PartCrashedError
from tests.engines.child import moody_engine
from tests.engines.child.conftest import PATIENCE, MakePool
from tests.engines.child.moody_engine import x
from tests.engines.child.test_process import ended


def test_facts_come_from_the_process_and_stay_known(engine: IsolatedEngine) -> None:
    before: str | None = engine.precision
    assert before is None  # nothing is started only to say how a part runs
    assert engine.metadata["threads"] == "5"
    pid = int(engine.metadata["pid"])
    assert pid != os.getpid()
    assert (engine.size_bytes, engine.memory_bytes) == (10, 20 + PROCESS_BYTES)
    run_mode: list[str | None] = [engine.precision, engine.compute_units]
    assert run_mode == ["f32", None]
    engine.unload()
    assert ended(pid)
    assert engine.metadata["pid"] == str(pid)
    assert not engine.loaded


def test_facts_do_not_wait_for_a_run(pool: MakePool) -> None:
    processes = pool()
    engine = IsolatedEngine(Path("moody.mlpackage"), processes)
    engine.load()
    outcome = Future[object]()

    def run() -> None:
        try:
            outcome.set_result(engine.run(x(moody_engine.HANG)))
        except PartCrashedError as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    while engine._lock.acquire(blocking=False):
        engine._lock.release()
        time.sleep(0.001)
    assert engine.loaded
    assert engine.memory_bytes == 20 + PROCESS_BYTES
    assert not outcome.done()
    processes.close()
    with pytest.raises(PartCrashedError):
        outcome.result(PATIENCE.run)


def test_unloading_returns_all_memory(engine: IsolatedEngine) -> None:
    engine.load()
    pid = int(engine.metadata["pid"])
    engine.unload()
    assert ended(pid)


def test_outputs_without_a_declared_shape_come_back(engine: IsolatedEngine) -> None:
    for deed in (0, moody_engine.OPEN_SHAPE, 0):
        made = engine.run(x(deed))
        assert made["n"].tolist() == [7] * max(deed, 1)
        made["n"][:] = 0  # the caller owns it


def test_a_part_that_was_refused_leaves_no_process(pool: MakePool) -> None:
    processes = pool()
    for name in ("refused", "unsupported"):
        with pytest.raises((EngineError, moody_engine.UnsupportedModelError)):
            IsolatedEngine(Path(name), processes).load()
    assert processes._spare is not None
    assert {process for process in processes._started if process.alive} <= {processes._spare.result()}


# --- Calibration -----------------------------------------------------------------------------------------------------


def calibrated(engine: IsolatedEngine) -> None:
    with engine.observing():
        engine.run(x(0))


def test_only_int8_needs_calibration(pool: MakePool, engine: IsolatedEngine) -> None:
    assert isinstance(engine, Calibrated)
    assert not engine.needs_calibration
    assert IsolatedEngine(Path("moody"), pool(precision="int8")).needs_calibration


def test_a_calibration_outlives_unloading_but_not_the_process(pool: MakePool) -> None:
    engine = IsolatedEngine(Path("moody"), pool(precision="int8"))
    with pytest.raises(EngineError, match="not calibrated"):
        engine.load()
    calibrated(engine)
    assert not engine.needs_calibration
    engine.load()
    engine.unload()
    assert not engine.loaded
    assert not engine.needs_calibration
    with pytest.raises(PartCrashedError):
        engine.run(x(moody_engine.KILL))
    assert engine.needs_calibration


@pytest.mark.parametrize("stop", [CancelledError("stopped"), KeyboardInterrupt()], ids=["cancel", "interrupt"])
def test_a_calibration_that_was_stopped_keeps_nothing(pool: MakePool, stop: BaseException) -> None:
    engine = IsolatedEngine(Path("moody"), pool(precision="int8"))

    def stopped() -> None:
        with engine.observing():
            engine.run(x(0))
            raise stop

    with pytest.raises(type(stop)):
        stopped()
    assert engine.needs_calibration
    calibrated(engine)
    assert not engine.needs_calibration


def test_a_calibration_that_fails_says_why(pool: MakePool) -> None:
    engine = IsolatedEngine(Path("moody"), pool(precision="int8"))
    with pytest.raises(EngineError, match="nothing was observed"), engine.observing():
        pass
    assert engine.needs_calibration


def test_a_death_while_observing_is_the_error(pool: MakePool) -> None:
    engine = IsolatedEngine(Path("moody"), pool(precision="int8"))
    with pytest.raises(PartCrashedError, match="SIGSEGV"), engine.observing():
        engine.run(x(moody_engine.FAULT))
    calibrated(engine)
    assert not engine.needs_calibration
