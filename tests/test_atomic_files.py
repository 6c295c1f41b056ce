"""Files and folders that appear whole: crashes at every step, refusals, permissions, the order of flushes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bksdm_demo.atomic_files import (
    LEFTOVERS,
    PRIVATE,
    atomic_folder,
    atomic_stream,
    atomic_streams,
    remove_leftovers,
    rename_durably,
    write_atomically,
    write_flushed,
)

ROOT = Path(__file__).resolve().parents[1]
CRASHES = [OSError(28, "No space left on device"), KeyboardInterrupt()]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def write_half(*paths: Path) -> None:
    with atomic_streams(paths) as streams:
        streams[paths[0]].write(b"new")
        raise ValueError("half way")


@contextmanager
def umask(bits: int) -> Iterator[None]:
    before = os.umask(bits)
    try:
        yield
    finally:
        os.umask(before)


# --- Files -----------------------------------------------------------------------------------------------------------


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    for data in (b"first", b"", b"second"):
        write_atomically(tmp_path / "file", data)
        assert (tmp_path / "file").read_bytes() == data
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("crash", CRASHES)
@pytest.mark.parametrize("before", [None, b"old"])
def test_a_crash_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, crash: BaseException, before: bytes | None
) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)
    with monkeypatch.context() as patch:
        patch.setattr(os, step, raising(crash))
        with pytest.raises(type(crash)):
            write_atomically(path, b"new")
    assert names(tmp_path) == ([] if before is None else ["file"])
    assert before is None or path.read_bytes() == before


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(ValueError, match="half way"):
        write_half(tmp_path / "file")
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_nothing_is_visible_while_it_is_written(tmp_path: Path) -> None:
    with atomic_stream(tmp_path / "file") as stream:
        stream.write(b"half")
        assert not (tmp_path / "file").exists()
        assert all(name.startswith(".") for name in names(tmp_path))


def test_of_several_files_all_appear_or_none(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(ValueError, match="half way"):
        write_half(*paths)
    assert names(tmp_path) == []
    with atomic_streams(paths) as streams:
        for path in paths:
            streams[path].write(path.name.encode())
    assert [path.read_bytes() for path in paths] == [b"a", b"b"]


def test_the_content_is_flushed_before_the_name_and_the_name_thereafter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, flushed = tmp_path / "file", list[tuple[int, int, bool]]()

    def note(descriptor: int) -> None:
        status = os.fstat(descriptor)
        flushed.append((status.st_ino, status.st_size, path.exists()))

    monkeypatch.setattr(os, "fsync", note)
    write_atomically(path, b"content")
    first, last = flushed
    assert first == (path.stat().st_ino, len(b"content"), False)
    assert (last[0], last[2]) == (tmp_path.stat().st_ino, True)


def test_a_system_that_flushes_no_folders_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: Path, flags: int, *mode: int) -> int:
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied")
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)
    write_atomically(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_permissions_follow_the_umask_or_are_the_owners_alone(tmp_path: Path) -> None:
    with umask(0o027):
        write_atomically(tmp_path / "shared", b"")
        write_atomically(tmp_path / "private", b"", PRIVATE)
        with atomic_folder(tmp_path / "folder") as staging:
            write_flushed(staging / "file", b"")
    found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert found == {"shared": 0o640, "private": 0o600, "folder": 0o750}
    assert (tmp_path / "folder" / "file").stat().st_mode & 0o777 == 0o640


def test_a_folder_that_refuses_raises_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals are simulated: the tests may run as root, whom no mode bits stop."""
    (tmp_path / "file").write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", raising(PermissionError(13, "Permission denied")))
        with pytest.raises(PermissionError):
            write_atomically(tmp_path / "file", b"new")
    with pytest.raises(OSError, match="missing"):
        write_atomically(tmp_path / "missing" / "file", b"new")
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


# --- Folders ---------------------------------------------------------------------------------------------------------


def test_a_folder_appears_by_one_rename(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "deep" / "new") as staging:
        write_flushed(staging / "file", b"content")
        assert not (tmp_path / "deep" / "new").exists()
    assert names(tmp_path / "deep") == ["new"]
    assert (tmp_path / "deep" / "new" / "file").read_bytes() == b"content"


@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_leaves_no_folder(tmp_path: Path, crash: BaseException) -> None:
    def fill(folder: Path) -> None:
        with atomic_folder(folder) as staging:
            write_flushed(staging / "file", b"content")
            raise crash

    with pytest.raises(type(crash)):
        fill(tmp_path / "new")
    assert names(tmp_path) == []


def test_a_folder_is_replaced_only_when_asked(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").write_bytes(b"old")
    with pytest.raises(OSError, match="not empty"), atomic_folder(target):
        pass
    assert names(target) == ["old"]
    with atomic_folder(target, replace=True) as staging:
        write_flushed(staging / "new", b"new")
    assert names(target) == ["new"]
    assert names(tmp_path) == ["folder"]


def test_a_replacement_that_fails_brings_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, real = tmp_path / "folder", os.rename
    target.mkdir()
    (target / "old").write_bytes(b"old")

    def rename(source: Path, place: Path) -> None:
        if Path(place) == target and (Path(source) / "new").exists():
            raise OSError(5, "Input/output error")
        real(source, place)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(OSError, match="Input/output"), atomic_folder(target, replace=True) as staging:
        write_flushed(staging / "new", b"new")
    assert names(target) == ["old"]
    assert names(tmp_path) == ["folder"]


def test_the_staging_folder_can_be_named(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "new", tmp_path / "made-here") as staging:
        assert staging == tmp_path / "made-here"
    assert names(tmp_path) == ["new"]


def test_a_file_written_inside_is_always_new(tmp_path: Path) -> None:
    write_flushed(tmp_path / "file", b"old")
    with pytest.raises(FileExistsError):
        write_flushed(tmp_path / "file", b"new")
    rename_durably(tmp_path / "file", tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == b"old"


# --- What a killed process leaves ------------------------------------------------------------------------------------

KILLED = """
import os, sys, time
from pathlib import Path
from bksdm_demo.atomic_files import write_atomically
def stall(*_):
    print("written", flush=True)
    time.sleep(60)
os.replace = stall
write_atomically(Path(sys.argv[1]), b"new")
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_kill_between_write_and_rename_leaves_a_hidden_file_that_is_removed_later(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    command = [sys.executable, "-c", KILLED, str(tmp_path / "file")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (tmp_path / "file").read_bytes() == b"old"
    (left,) = tmp_path.glob(LEFTOVERS)
    remove_leftovers(tmp_path, 60)
    assert left.exists()  # it could be somebody's work
    os.utime(left, (time.time(), time.time() - 61))
    remove_leftovers(tmp_path, 60)
    assert names(tmp_path) == ["file"]


def test_old_folders_of_a_pattern_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".making-old", ".making-new", "making-old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"")
        if name.endswith("old"):
            os.utime(tmp_path / name, (1, 1))
    remove_leftovers(tmp_path, 60, ".making-*")
    assert names(tmp_path) == [".making-new", "making-old"]
