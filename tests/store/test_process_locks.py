"""Locks that say who is alive: of this process, of others, of the dead, and on a disk without locks."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from bksdm_demo.store.process_locks import ProcessLocks

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from pathlib import Path
from bksdm_demo.store.process_locks import ProcessLocks
locks = ProcessLocks(Path(sys.argv[1]))
print(locks.own, flush=True)
sys.stdin.read()
"""


def test_another_process_is_alive_until_it_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        token = process.stdout.readline().strip()
        locks = ProcessLocks(tmp_path)
        assert locks.alive(token)
        process.kill()
        process.wait()
    assert not locks.alive(token)
    assert not (tmp_path / f"{token}.lock").exists()
    locks.close()


def test_a_process_is_alive_until_it_closes_in_whatever_thread(tmp_path: Path) -> None:
    first, second = ProcessLocks(tmp_path), ProcessLocks(tmp_path)
    assert first.alive(first.own)
    assert first.alive(second.own)
    thread = threading.Thread(target=second.close)
    thread.start()
    thread.join()
    assert not first.alive(second.own)
    first.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("token", ["", "unknown", "../runner", "a/b"])
def test_an_unknown_process_is_dead(tmp_path: Path, token: str) -> None:
    locks = ProcessLocks(tmp_path)
    assert not locks.alive(token)
    locks.close()
    assert not ProcessLocks(None).alive(token)


@pytest.mark.parametrize("error", [OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)), NotImplementedError("no locks")])
def test_on_a_disk_without_locks_others_seem_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(FileLock, "acquire", refuse)
    first, second = ProcessLocks(tmp_path), ProcessLocks(tmp_path)
    assert first.alive(first.own)
    assert not first.alive(second.own)
    first.close()
    second.close()
