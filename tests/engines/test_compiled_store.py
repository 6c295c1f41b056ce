"""Compiled results on disk: what is stored comes back; nothing damaged or half-written does, and the limit holds."""

from __future__ import annotations

import errno
import io
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bksdm_demo.atomic_files import LEFTOVERS
from bksdm_demo.engines import compiled_store
from bksdm_demo.engines.compiled_store import ABANDONED, BLOCK, CHUNK, LOCK, PAGE, SUFFIX, CompiledStore
from bksdm_demo.errors import EngineError

FACTS = {"inputs": ["x", "ü"], "count": 3}
LIMIT = 100_000_000
ROOT = Path(__file__).resolve().parents[2]


def content(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(size)


@pytest.fixture
def store(tmp_path: Path) -> CompiledStore:
    return CompiledStore(tmp_path / "kept", LIMIT)


def names(store: CompiledStore) -> list[str]:
    return [path.stem for path, _ in store.entries()]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("size", [0, 1, 7, 8, PAGE, BLOCK - 1, BLOCK, BLOCK + 9, CHUNK, CHUNK + BLOCK + 1])
def test_stored_entries_come_back(store: CompiledStore, size: int) -> None:
    sections: dict[str, bytes | memoryview] = {"main": content(size), "prelude": memoryview(content(13, 1))}
    assert store.save("key", FACTS, sections)
    found = store.find("key")
    assert found is not None
    assert found.facts == FACTS
    assert {name: bytes(array) for name, array in found.sections.items()} == {k: bytes(v) for k, v in sections.items()}
    found.drop_pages()
    assert bytes(found.sections["main"]) == sections["main"]


@pytest.mark.parametrize("piece", [1000, BLOCK, 2 * BLOCK + 1])
def test_a_section_that_writes_itself_makes_the_same_file(store: CompiledStore, piece: int) -> None:
    whole = content(3 * BLOCK + 5)

    def write(stream: io.BytesIO) -> None:
        for start in range(0, len(whole), piece):
            stream.write(whole[start : start + piece])

    assert store.save("at once", FACTS, {"main": whole, "tail": b"1"})
    assert store.save("in pieces", FACTS, {"main": write, "tail": b"1"})
    first, second = (path.read_bytes() for path, _ in store.entries())
    assert first == second


def test_a_section_that_fails_leaves_nothing(store: CompiledStore) -> None:
    def fail(stream: io.BytesIO) -> None:
        stream.write(b"begun")
        raise EngineError("refused")

    with pytest.raises(EngineError, match="refused"):
        store.save("key", FACTS, {"main": fail})
    assert list(store.folder.iterdir()) == []


def test_sections_start_at_pages(store: CompiledStore) -> None:
    store.save("key", FACTS, {"first": content(10), "second": content(10)})
    found = store.find("key")
    assert found is not None
    first, second = (array.__array_interface__["data"][0] for array in found.sections.values())
    assert first % PAGE == 0
    assert second - first == PAGE


def test_an_entry_without_sections(store: CompiledStore) -> None:
    assert store.save("key", FACTS, {})
    found = store.find("key")
    assert found is not None
    assert (found.facts, dict(found.sections)) == (FACTS, {})


def test_nothing_is_found_under_another_key(store: CompiledStore) -> None:
    assert store.find("key") is None
    store.save("key", FACTS, {"main": b"1"})
    assert store.find("other") is None


def test_a_replaced_entry_stays_readable_while_it_is_open(store: CompiledStore) -> None:
    store.save("key", FACTS, {"main": content(PAGE, 1)})
    former = store.find("key")
    store.save("key", FACTS, {"main": content(PAGE, 2)})
    later = store.find("key")
    assert former is not None
    assert later is not None
    former.drop_pages()
    assert bytes(former.sections["main"]) == content(PAGE, 1)
    assert bytes(later.sections["main"]) == content(PAGE, 2)


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(data)


def damages() -> dict[str, Callable[[Path], object]]:
    """Ways an entry of two sections, of 3 * BLOCK + 5 and of 100 bytes, may be damaged."""
    return {
        "empty": lambda path: path.write_bytes(b""),
        "the beginning alone": lambda path: os.truncate(path, 20),
        "one page": lambda path: os.truncate(path, PAGE),
        "the last byte missing": lambda path: os.truncate(path, path.stat().st_size - 1),
        "something behind": lambda path: path.write_bytes(path.read_bytes() + b"x"),
        "another format": lambda path: flip(path, 3),
        "a wild length": lambda path: flip(path, 22),
        "the index": lambda path: flip(path, 80),
        "the first byte": lambda path: flip(path, PAGE),
        "a byte in the middle": lambda path: flip(path, PAGE + BLOCK + 77),
        "a byte of the rest": lambda path: flip(path, PAGE + 3 * BLOCK + 4),
        "the other section": lambda path: flip(path, PAGE + 4 * BLOCK + 50),
        "a page of zeros": lambda path: path.write_bytes(
            path.read_bytes()[:PAGE] + b"\0" * PAGE + path.read_bytes()[2 * PAGE :]
        ),
        "text": lambda path: path.write_text("not an entry at all, " * 10),
    }


@pytest.mark.parametrize("kind", damages())
def test_a_damaged_entry_is_discarded_and_logged(
    store: CompiledStore, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.save("key", FACTS, {"main": content(3 * BLOCK + 5), "tail": content(BLOCK - 5)})
    path = store.folder / f"key{SUFFIX}"
    damages()[kind](path)
    assert store.find("key") is None
    assert not path.exists()
    assert len(warnings(caplog)) == 1
    assert "is damaged" in warnings(caplog)[0]
    assert store.save("key", FACTS, {"main": b"anew"})
    assert store.find("key") is not None


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    store = CompiledStore(tmp_path, 4 * 3 * PAGE)  # four entries of a header and two pages
    for number, key in enumerate("abcd"):
        store.save(key, {}, {"main": content(2 * PAGE)})
        os.utime(tmp_path / f"{key}{SUFFIX}", (number, number))
    assert names(store) == ["a", "b", "c", "d"]
    assert store.find("a") is not None  # used: now the last to go
    store.save("e", {}, {"main": content(2 * PAGE)})
    assert names(store) == ["c", "d", "a", "e"]
    store.save("f", {}, {"main": content(4 * PAGE)})
    assert names(store) == ["a", "e", "f"]


def test_replacing_an_entry_evicts_no_other(tmp_path: Path) -> None:
    store = CompiledStore(tmp_path, 2 * 3 * PAGE)
    store.save("a", {}, {"main": content(2 * PAGE)})
    store.save("b", {}, {"main": content(2 * PAGE)})
    store.save("b", {}, {"main": content(2 * PAGE, 1)})
    assert sorted(names(store)) == ["a", "b"]


def test_an_entry_that_never_fits_evicts_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = CompiledStore(tmp_path, 3 * PAGE)
    store.save("a", {}, {"main": content(2 * PAGE)})
    for _ in range(2):
        assert not store.save("b", {}, {"main": content(3 * PAGE)})
    assert names(store) == ["a"]
    assert len(warnings(caplog)) == 1
    assert "do not fit" in warnings(caplog)[0]


Usage = namedtuple("Usage", "total used free")


def test_some_of_the_disk_stays_free(
    store: CompiledStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    free = compiled_store.RESERVE
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free + PAGE))
    assert not store.save("a", {}, {"main": content(PAGE)})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free + 2 * PAGE))
    assert store.save("a", {}, {"main": content(PAGE)})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free))
    assert store.save("b", {}, {"main": content(PAGE)})  # in the place of a
    assert names(store) == ["b"]
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("step", ["_write", "os.replace"])
def test_a_full_disk_is_logged_once_and_leaves_nothing(
    store: CompiledStore, step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(f"{compiled_store.__name__}.{step}", full)
        assert not store.save("key", FACTS, {"main": content(PAGE)})
        assert not store.save("key", FACTS, {"main": content(PAGE)})
    assert list(store.folder.iterdir()) == []
    assert len(warnings(caplog)) == 1
    assert "No space left" in warnings(caplog)[0]
    assert store.save("key", FACTS, {"main": content(PAGE)})


def test_a_folder_that_cannot_be_made_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder")
    store = CompiledStore(tmp_path / "file" / "kept", LIMIT)
    for _ in range(2):
        with store.building():
            assert not store.save("key", FACTS, {"main": b"1"})
    assert store.entries() == []
    assert any("cannot be stored" in message for message in warnings(caplog))
    assert len(warnings(caplog)) == len(set(warnings(caplog)))


def test_a_read_only_folder_still_serves_what_it_holds(
    store: CompiledStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Refusals are simulated: the tests may run as root, whom no mode bits stop."""
    store.save("old", FACTS, {"main": b"1"})

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(compiled_store.os, "utime", refuse)
    monkeypatch.setattr(compiled_store.os, "open", refuse)
    assert store.find("old") is not None
    assert not store.save("new", FACTS, {"main": b"1"})
    assert not store.save("newer", FACTS, {"main": b"1"})
    assert names(store) == ["old"]
    assert len(warnings(caplog)) == 1


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


BUILD = """
import sys, time
from pathlib import Path
from bksdm_demo.engines.compiled_store import CompiledStore
store = CompiledStore(Path(sys.argv[1]), 10**9)
print("ready", flush=True)
with store.building():
    found = store.find("key")
    if found is None:
        time.sleep(0.3)
        store.save("key", {}, {"main": b"built"})
print("found" if found else "built", flush=True)
"""


def test_one_process_builds_at_a_time(tmp_path: Path) -> None:
    processes = [python(BUILD, tmp_path) for _ in range(2)]
    said = sorted(process.communicate(timeout=60)[0].split()[-1] for process in processes)
    assert said == ["built", "found"]
    assert [path.name for path in tmp_path.iterdir() if path.name != LOCK] == [f"key{SUFFIX}"]


@pytest.mark.skipif(os.name != "posix", reason="the system's locks are replaced")
def test_on_a_disk_without_locks_each_builds(store: CompiledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lock file of its own making takes the place of the system's: it would outlive a killed holder."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", refuse)
    for data in (b"first", b"second"):
        with store.building():
            assert store.save("key", FACTS, {"main": data})
    assert names(store) == ["key"]


def test_one_thread_builds_at_a_time(store: CompiledStore) -> None:
    built = []

    def build() -> None:
        with store.building():
            if store.find("key") is None:
                built.append(threading.get_ident())
                time.sleep(0.02)
                store.save("key", FACTS, {"main": b"1"})

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1


HALF = """
import os, sys, time
from pathlib import Path
from bksdm_demo.engines import compiled_store
def stall(stream, *entry):
    write(stream, *entry)
    stream.flush()
    print("writing", flush=True)
    time.sleep(60)
write, compiled_store._write = compiled_store._write, stall
store = compiled_store.CompiledStore(Path(sys.argv[1]), 10**9)
with store.building():
    store.save("key", {}, {"main": bytes(1_000_000)})
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_kill_while_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    process = python(HALF, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    store = CompiledStore(tmp_path, LIMIT)
    assert store.find("key") is None
    assert store.entries() == []
    (left,) = tmp_path.glob(LEFTOVERS)
    os.utime(left, (time.time(), time.time() - ABANDONED - 1))
    with store.building():  # the lock went with its holder
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]
        assert store.save("key", {}, {"main": b"anew"})
    assert store.find("key") is not None


def test_taking_the_lock_spares_files_being_written(
    store: CompiledStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Facts and tables are stored without the lock, while another thread or process may take it."""
    write = compiled_store._write

    def slow(*arguments: Any) -> None:
        write(*arguments)
        with store.building():
            pass

    monkeypatch.setattr(compiled_store, "_write", slow)
    assert store.save("key", FACTS, {"main": b"1"})
    assert store.find("key") is not None
    assert warnings(caplog) == []
