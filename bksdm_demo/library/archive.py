"""Unpacks a system's zip archive: checks all entries before it writes a byte, and makes the folder visible whole.

Archives come from outside and are not trusted. Names that leave the folder, links, devices, encrypted or doubled
entries, and absurd sizes or ratios make it refuse the whole archive. Files stream to a folder beside the archive;
zipfile checks each against its declared size and checksum. One rename makes them visible. Skips the litter of
archivers. Ignores permissions, owners and dates: the files get this process's defaults.
"""

from __future__ import annotations

import io
import stat
import threading
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from bksdm_demo.atomic_files import atomic_folder, flush, write_flushed
from bksdm_demo.errors import CancelledError, ModelUnavailableError, PackageError
from bksdm_demo.library.disk import FreeBytes, check_room, disk_error, free_bytes
from bksdm_demo.library.progress import Meter, Report, Stage, silent
from bksdm_demo.units import format_bytes

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
MOST_ENTRIES = 10_000
MOST_BYTES = 16 * 2**30  # unpacked; the largest published system has 3.3e9
MOST_RATIO = 200  # unpacked to packed; repetitive model text reaches about 30, weights hardly 2
RATIO_FROM = 2**20  # bytes; smaller entries may have any ratio
CHUNK = 2**20  # bytes


def unpack(
    archive: Path,
    target: Path,
    *,
    report: Report = silent,
    cancelled: threading.Event | None = None,
    free: FreeBytes = free_bytes,
    extra: Mapping[str, bytes] | None = None,
) -> None:
    """Unpack the zip `archive` into the new folder `target`, add the `extra` files, then remove the archive.

    Raises PackageError for a broken or refused archive, which stays; ModelUnavailableError when the disk is full or the
    folder cannot be written; CancelledError when `cancelled` is set. An error leaves no files behind. The caller makes
    sure that no other process unpacks the same archive, that a killed process left no folder, and that both folders
    are on one disk.
    """
    if target.exists():
        raise ModelUnavailableError(f"{target} exists already; remove it to unpack the model there again.")
    staging = archive.with_suffix(".unpacking")
    with _sentences(archive, target), zipfile.ZipFile(archive) as zipped:
        entries = accepted_entries(zipped.infolist(), archive.name)
        check_room(target.parent, sum(entry.file_size for entry in entries), free, f"Unpacking {archive.name}")
        with atomic_folder(target, staging):
            _write_all(zipped, entries, staging, report, cancelled)
            for name, contents in (extra or {}).items():
                write_flushed(staging / name, contents)
    archive.unlink(missing_ok=True)


def unpacked_bytes(tail: bytes) -> int | None:
    """Bytes of all files of a zip, read from its last bytes; None if these do not hold its whole directory."""
    try:
        with zipfile.ZipFile(io.BytesIO(tail)) as zipped:  # offsets count back from the end, so the last bytes suffice
            return sum(entry.file_size for entry in zipped.infolist() if not _is_litter(entry))
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return None


def accepted_entries(entries: Sequence[zipfile.ZipInfo], name: str) -> list[zipfile.ZipInfo]:
    """The files to unpack, without litter and folders. Raises PackageError for anything no honest archive holds."""
    if len(entries) > MOST_ENTRIES:
        raise PackageError(f"{name} is refused: it has {len(entries)} entries; the limit is {MOST_ENTRIES}.")
    for entry in entries:
        if (fault := _fault(entry)) is not None:
            raise PackageError(f"{name} is refused: its entry {entry.filename!r} {fault}.")
    files = [entry for entry in entries if not entry.is_dir() and not _is_litter(entry)]
    if not files:
        raise PackageError(f"{name} is refused: it holds no files.")
    _check_distinct(files, name)
    total = sum(entry.file_size for entry in files)
    if total > MOST_BYTES:
        raise PackageError(
            f"{name} is refused: it unpacks to {format_bytes(total)}; the limit is {format_bytes(MOST_BYTES)}."
        )
    return files


def _fault(entry: zipfile.ZipInfo) -> str | None:
    """What is wrong with one entry by itself, as the end of a sentence."""
    path = PurePosixPath(entry.filename)
    if any(letter in entry.filename for letter in "\\:") or any(ord(letter) < 32 for letter in entry.filename):
        return "has characters in its name that no model file has"
    if path.is_absolute() or ".." in path.parts or not path.parts:
        return "would leave the target folder"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if entry.flag_bits & 1:
        return "is encrypted"
    if entry.compress_type not in METHODS:  # zipfile unpacks other methods without a limit on memory
        return "is neither stored nor deflated"
    if entry.file_size > RATIO_FROM and entry.file_size > MOST_RATIO * entry.compress_size:
        return f"claims to unpack to more than {MOST_RATIO} times its size"
    return None


def _is_litter(entry: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(entry.filename)
    return "__MACOSX" in path.parts or path.name == ".DS_Store" or path.name.startswith("._")


def _check_distinct(files: Sequence[zipfile.ZipInfo], name: str) -> None:
    """Refuse two files with one path, and a file where another needs a folder, also on disks that ignore case."""
    places: dict[str, str] = {}
    for entry in files:
        place = _place(PurePosixPath(entry.filename))
        if place in places:
            raise PackageError(f"{name} is refused: {places[place]!r} and {entry.filename!r} are the same file.")
        places[place] = entry.filename
    for entry in files:
        for folder in PurePosixPath(entry.filename).parents:
            if (file := places.get(_place(folder))) is not None:
                raise PackageError(f"{name} is refused: {file!r} is both a file and the folder of {entry.filename!r}.")


def _place(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", path.as_posix()).casefold()


def _write_all(
    zipped: zipfile.ZipFile,
    entries: Sequence[zipfile.ZipInfo],
    staging: Path,
    report: Report,
    cancelled: threading.Event | None,
) -> None:
    meter = Meter(Stage.UNPACKING, sum(entry.file_size for entry in entries), report)
    for entry in entries:
        path = staging / PurePosixPath(entry.filename)
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipped.open(entry) as source, path.open("xb") as file:
            while chunk := source.read(CHUNK):
                if cancelled is not None and cancelled.is_set():
                    raise CancelledError("Unpacking was stopped on request; nothing was unpacked.")
                file.write(chunk)
                meter.add(len(chunk))
            flush(file)


@contextmanager
def _sentences(archive: Path, target: Path) -> Iterator[None]:
    """Turn errors of zipfile, its decompressors and the disk into sentences."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise PackageError(f"{archive.name} cannot be read as a zip archive ({error}).") from error
    except OSError as error:
        raise disk_error(error, target.parent) from error
