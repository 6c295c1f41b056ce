"""One data folder and several processes: one that is killed, one that lives beside, several that write at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from bksdm_demo.errors import RequestError
from bksdm_demo.records import Phase, Request
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.store.contract import Filter, Retention
from bksdm_demo.store.sqlite import SqliteStore
from tests.fakes import FAMILY, fake_comparisons
from tests.runs import test_stored_comparisons
from tests.runs.test_comparisons import finish, phases
from tests.runs.test_stored_comparisons import pixels, run
from tests.store.store_child import REQUEST

ROOT = Path(__file__).parents[2]
start = test_stored_comparisons.start  # the same fixture serves here
PATIENCE = 60  # seconds until a test that hangs fails


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Another process over the same folder, in the middle of its second model."""
    processes: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.store.store_child", str(tmp_path)]
        processes.append(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.wait(PATIENCE)
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


def said(process: subprocess.Popen[str]) -> str:
    stream: IO[str] | None = process.stdout
    assert stream is not None
    return stream.readline().strip()


def answer(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_killed_server_keeps_what_was_finished(
    start: Callable[..., Comparisons], child: Callable[[], subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = child()
    running, waiting = said(process).split()
    assert said(process) == "first"
    process.kill()  # SIGKILL: nothing can be tidied up
    process.wait(PATIENCE)
    service = start()
    job = service.get(running)
    assert phases(job) == [Phase.DONE, Phase.INTERRUPTED, Phase.INTERRUPTED]
    assert all(cell.message for cell in job.cells[1:])
    assert phases(service.get(waiting)) == [Phase.INTERRUPTED]
    assert [found.id for found in service.gallery().jobs] == [waiting, running]
    kept = service.picture(running, 0)
    again = finish(service, service.resume(running))
    assert phases(again) == [Phase.DONE] * 3
    assert service.picture(running, 0) == kept
    fresh = run(service, REQUEST, FAMILY[:3])
    for index in range(3):
        assert np.array_equal(pixels(service.picture(running, index)), pixels(service.picture(fresh.id, index)))
    assert list((tmp_path / "data").rglob("*.part")) == []


def test_two_processes_share_a_folder(
    start: Callable[..., Comparisons], child: Callable[[], subprocess.Popen[str]]
) -> None:
    process = child()
    running, _ = said(process).split()
    assert said(process) == "first"
    service = start()
    job = service.get(running)
    assert phases(job) == [Phase.DONE, Phase.QUEUED, Phase.QUEUED]  # alive, so not interrupted
    assert pixels(service.picture(running, 0)).shape == (64, 64, 3)
    with pytest.raises(RequestError, match="Another process"):
        service.cancel(running)
    for ask in (service.resume, service.delete):
        with pytest.raises(RequestError, match="still running"):
            ask(running)
    own = run(service)
    watch = service.watch(running, heartbeat=0.05)
    next(watch)
    answer(process)
    assert phases(list(watch)[-1]) == [Phase.DONE] * 3
    assert said(process) == "done"
    assert {found.id for found in service.gallery().jobs} >= {running, own.id}
    service.star(running, True)
    assert phases(finish(service, service.rerun(running, 1))) == [Phase.DONE] * 3


def test_a_process_that_dies_later_is_noticed(
    start: Callable[..., Comparisons], child: Callable[[], subprocess.Popen[str]]
) -> None:
    process = child()
    running, _ = said(process).split()
    assert said(process) == "first"
    service = start()
    watch = service.watch(running, heartbeat=0.05)
    assert not next(watch).finished
    process.kill()
    process.wait(PATIENCE)
    assert phases(list(watch)[-1]) == [Phase.DONE, Phase.INTERRUPTED, Phase.INTERRUPTED]


def test_several_stores_write_at_once(tmp_path: Path) -> None:
    stores = [SqliteStore(tmp_path / "data", Retention()) for _ in range(3)]
    services = [fake_comparisons(tmp_path, store=store) for store in stores]
    jobs = [[service.submit(Request(f"prompt {n}", steps=2), FAMILY) for n in range(4)] for service in services]
    for service, submitted in zip(services, jobs, strict=True):
        for job in submitted:
            last = finish(service, job)
            assert (phases(last), last.note) == ([Phase.DONE] * 4, "")
    assert {service.gallery().total for service in services} == {12}
    for service in services:
        service.close()
    with_all = SqliteStore(tmp_path / "data")
    assert all(job.finished and not job.resumable for job in with_all.list(Filter()).jobs)
    with_all.close()
