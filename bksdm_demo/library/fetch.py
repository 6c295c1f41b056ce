"""Fetches a published system into the models directory: look up, check the disk, download, unpack, under one lock.

Unfinished files are in the hidden folder `.fetch` of the models directory, where the next fetch finds them after a
kill. The system's own folder appears by one rename. Of all processes and threads that ask at once, one fetches and the
others wait for it. An archive damaged on the disk is deleted, so that the next fetch downloads it again. A record in
the folder states the commit. Files that another fetched system has too are stored once. Leaves out updates: an existing
folder stays as it is.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bksdm_demo.errors import CancelledError, DemoError, ModelUnavailableError, PackageError
from bksdm_demo.library.archive import unpack
from bksdm_demo.library.disk import FreeBytes, check_room, disk_error, free_bytes
from bksdm_demo.library.download import PAUSES, RemoteFile, discard_damaged, download, look_up
from bksdm_demo.library.linking import link_same_files
from bksdm_demo.library.progress import Progress, Report, Stage, silent
from bksdm_demo.library.published import PublishedSystem
from bksdm_demo.library.record import NAME, record_of

WORK = ".fetch"  # folder of unfinished downloads in the models directory
POLL = 0.1  # seconds between two checks whether the other process has finished
SWELL = 1.25  # unpacked to packed, assumed if the zip's size is unknown: weights hardly shrink


def fetch(
    system: PublishedSystem,
    models_dir: Path,
    *,
    attention: str | None = None,
    report: Report = silent,
    cancelled: threading.Event | None = None,
    free: FreeBytes = free_bytes,
    pauses: Sequence[float] = PAUSES,
) -> Path:
    """The folder of a published system below `models_dir`, fetched if necessary.

    `attention` chooses among its archives. Raises CancelledError when `cancelled` is set (the downloaded bytes stay),
    PackageError for a refused archive, ModelUnavailableError for every other obstacle.
    """
    archive = system.archive(attention)
    target = models_dir / system.folder_name(archive)
    stop = cancelled or threading.Event()
    if target.exists():
        return target
    with _alone(models_dir, target.name, report, stop):
        if not target.exists():  # another process may have fetched it meanwhile
            remote = look_up(archive.file, cancelled=stop, pauses=pauses)
            work = _workplace(models_dir, target.name, remote)
            _check_disk(remote, work, free)
            download(remote, work, report=report, cancelled=stop, pauses=pauses)
            record = record_of(remote, archive.file.revision)
            try:
                unpack(work, target, report=report, cancelled=stop, free=free, extra={NAME: record.as_bytes()})
            except PackageError as error:
                raise _blame(error, remote, work, report, stop) from error
            shutil.rmtree(work.parent, ignore_errors=True)
            link_same_files(target)
    return target


def _workplace(models_dir: Path, name: str, remote: RemoteFile) -> Path:
    """The path for the archive, named by its content. Removes other archives and the remains of a killed unpacking."""
    work = models_dir / WORK / name / f"{remote.digest}.zip"
    try:
        work.parent.mkdir(parents=True, exist_ok=True)
        for other in work.parent.iterdir():
            if other.is_dir():
                shutil.rmtree(other)
            elif not other.name.startswith(work.name):
                other.unlink()
    except OSError as error:
        raise disk_error(error, work.parent) from error
    return work


def _check_disk(remote: RemoteFile, work: Path, free: FreeBytes) -> None:
    """Check the room for the rest of the download and for the unpacked files, before the first request."""
    here = sum(path.stat().st_size for path in work.parent.iterdir())
    unpacked = remote.unpacked_bytes if remote.unpacked_bytes is not None else int(remote.size_bytes * SWELL)
    needed = max(remote.size_bytes - here, 0) + unpacked
    check_room(work.parent, needed, free, f"{remote.file.name}, packed and unpacked,")


def _blame(error: PackageError, remote: RemoteFile, work: Path, report: Report, stop: threading.Event) -> DemoError:
    """Why an archive cannot be unpacked: the disk damaged it, and it is deleted, or the hub has it like that."""
    if discard_damaged(work, remote, report=report, cancelled=stop):
        return ModelUnavailableError(
            f"{remote.file.name} was downloaded whole but damaged on this disk, so it was deleted. Download it again."
        )
    reason = str(error).replace(work.name, remote.file.name)
    return PackageError(f"{reason} The file in {remote.file.repo} is the same: fetching again will not help.")


@contextmanager
def _alone(models_dir: Path, name: str, report: Report, stop: threading.Event) -> Iterator[None]:
    """Hold the system's lock; wait while another process holds it. The lock of a killed process is free."""
    folder = models_dir / WORK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{name}.lock", fallback_to_soft=False)
        _acquire(lock, report, stop)
    except (OSError, NotImplementedError) as error:  # a disk without locks may raise either
        raise disk_error(error if isinstance(error, OSError) else OSError(str(error)), folder) from error
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, report: Report, stop: threading.Event) -> None:
    while True:
        try:
            lock.acquire(timeout=0)
            return
        except Timeout:
            report(Progress(Stage.WAITING))
        if stop.wait(POLL):
            raise CancelledError("Waiting for another process's download was stopped on request.")
