"""Files and folders that appear whole or not at all, and stay after a power cut.

Content is written under a hidden name in the target's folder, flushed to the disk, and given its name by one rename.
A crash leaves at most a hidden file; `remove_leftovers` finds it by its name. OSErrors pass through: callers put them
into sentences. Leaves out locks: where two processes write the same target, the last rename wins.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

LEFTOVERS = ".bksdm-demo-*.part"  # the names of hidden_beside()
SHARED, PRIVATE = 0o666, 0o600  # permissions of a new file, before the umask


def write_atomically(path: Path, data: bytes, mode: int = SHARED) -> None:
    """Write `path` as a whole, in place of what was there."""
    with atomic_stream(path, mode) as stream:
        stream.write(data)


@contextmanager
def atomic_stream(path: Path, mode: int = SHARED, durable: bool = True) -> Iterator[BinaryIO]:
    """A stream to `path`, which appears when the block ends well; else the old content stays.

    Without `durable` nothing waits for the disk, and a power cut may damage the file: for content that is checked when
    it is read and can be made again.
    """
    with atomic_streams([path], mode, durable) as streams:
        yield streams[path]


@contextmanager
def atomic_streams(paths: Sequence[Path], mode: int = SHARED, durable: bool = True) -> Iterator[dict[Path, BinaryIO]]:
    """Streams to several files. All are on the disk before the first one appears, if they are `durable`."""
    hidden = {path: hidden_beside(path) for path in paths}
    try:
        with ExitStack() as stack:
            streams = {path: stack.enter_context(_open_new(name, mode)) for path, name in hidden.items()}
            yield dict(streams)
            for stream in streams.values() if durable else ():
                flush(stream)
        for path, name in hidden.items():
            os.replace(name, path)
        for folder in {path.parent for path in paths} if durable else ():
            flush_folder(folder)
    finally:
        for name in hidden.values():
            with suppress(OSError):
                name.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, staging: Path | None = None, replace: bool = False) -> Iterator[Path]:
    """A hidden folder that becomes `path` when the block ends well, and vanishes otherwise.

    Write the files inside with `write_flushed` or `flush`. `staging` names the hidden folder; it lies on the disk of
    `path`. With `replace` the folder takes the place of an earlier one, which comes back if that fails.
    """
    staging = staging or hidden_beside(path)
    try:
        staging.mkdir(parents=True)
        yield staging
        if replace and path.exists():
            _swap(staging, path)
        else:
            rename_durably(staging, path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_flushed(path: Path, data: bytes) -> None:
    """Write the new file `path` and flush it to the disk, for use inside `atomic_folder`."""
    with path.open("xb") as stream:
        stream.write(data)
        flush(stream)


def rename_durably(source: Path, target: Path) -> None:
    """Give flushed content its final name and flush the name too."""
    os.rename(source, target)
    flush_folder(target.parent)


def flush(stream: IO[Any]) -> None:
    """Bring what was written to the disk itself: a name must not survive a power cut that its content does not."""
    stream.flush()
    os.fsync(stream.fileno())


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder. Not every system can; there a power cut may take back the last renames."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def hidden_beside(path: Path) -> Path:
    """A hidden, random name in the folder of `path`."""
    return path.absolute().parent / LEFTOVERS.replace("*", secrets.token_hex(8))


def remove_leftovers(folder: Path, seconds: float, pattern: str = LEFTOVERS) -> None:
    """Remove hidden files and folders that a killed process left in `folder`, unchanged for that many `seconds`.

    Younger ones may belong to a living process.
    """
    for path in folder.glob(pattern):
        with suppress(OSError):  # another process may be removing it too
            if time.time() - path.stat().st_mtime > seconds:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()


def _open_new(path: Path, mode: int) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode), "w+b")


def _swap(staging: Path, target: Path) -> None:
    """Put `staging` in the place of `target`; what stood there comes back if that fails, and goes once it worked."""
    old = hidden_beside(target)
    os.rename(target, old)
    try:
        rename_durably(staging, target)
    except BaseException:
        os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
