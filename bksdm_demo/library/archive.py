"""Unpacks a system's zip archive: all entries are judged before a byte is written, and the folder appears whole.

Archives come from outside, so nothing they say is trusted: names that leave the folder, links and devices, encrypted
or doubled entries, and absurd sizes or ratios refuse the whole archive. Files stream to a folder beside the archive,
each against its declared size and checksum (zipfile's own check), and one rename makes them visible. Litter of
archivers is skipped. Leaves out permissions, owners and dates: files are made as this process makes files.
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
MOST_RATIO = 200  # unpacked to packed; repetitive model text reaches some 30, weights hardly 2
RATIO_FROM = 2**20  # bytes; smaller entries may pack as well as they like
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
    """Unpack the zip `archive` into the new folder `target`, with the `extra` files beside, then remove the archive.

    Raises PackageError for an archive that is broken or refused (the archive stays), ModelUnavailableError when the
    disk is full or the folder cannot be written, CancelledError when `cancelled` is set. Then nothing is left behind.
    The caller sees to it that no other process unpacks the same archive and that no folder is left of one that was
    killed; both folders are on one disk.
    """
    if target.exists():
        raise ModelUnavailableError(f"{target} exists already; remove it to have the model unpacked there again.")
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
    """Bytes of all files of a zip, read from its last bytes alone; None where they do not hold its whole directory."""
    try:
        with zipfile.ZipFile(io.BytesIO(tail)) as zipped:  # offsets count back from the end, so a tail will do
            return sum(entry.file_size for entry in zipped.infolist() if not _is_litter(entry))
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return None


def accepted_entries(entries: Sequence[zipfile.ZipInfo], name: str) -> list[zipfile.ZipInfo]:
    """The files to unpack, litter and folders left out; PackageError for anything that no honest archive holds."""
    if len(entries) > MOST_ENTRIES:
        raise PackageError(f"{name} is refused: {len(entries)} entries, at most {MOST_ENTRIES} are taken.")
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
            f"{name} is refused: {format_bytes(total)} unpacked, at most {format_bytes(MOST_BYTES)} are taken."
        )
    return files


def _fault(entry: zipfile.ZipInfo) -> str | None:
    """What is wrong with one entry by itself, as the end of a sentence."""
    path = PurePosixPath(entry.filename)
    if any(letter in entry.filename for letter in "\\:") or any(ord(letter) < 32 for letter in entry.filename):
        return "has letters in its name that no model file has"
    if path.is_absolute() or ".." in path.parts or not path.parts:
        return "would leave the folder it is unpacked to"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if entry.flag_bits & 1:
        return "is encrypted"
    if entry.compress_type not in METHODS:  # zipfile unpacks the others without a limit on memory
        return "is neither stored nor deflated"
    if entry.file_size > RATIO_FROM and entry.file_size > MOST_RATIO * entry.compress_size:
        return f"claims to unpack to more than {MOST_RATIO} times its size"
    return None


def _is_litter(entry: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(entry.filename)
    return "__MACOSX" in path.parts or path.name == ".DS_Store" or path.name.startswith("._")


def _check_distinct(files: Sequence[zipfile.ZipInfo], name: str) -> None:
    """No two files in one place, nor a file where another needs a folder, also on disks that ignore case."""
    places: dict[str, str] = {}
    for entry in files:
        place = _place(PurePosixPath(entry.filename))
        if place in places:
            raise PackageError(
                f"{name} is refused: {places[place]!r} and {entry.filename!r} are one and the same file."
            )
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
                    raise CancelledError("The model was not unpacked: stopped on request.")
                file.write(chunk)
                meter.add(len(chunk))
            flush(file)


@contextmanager
def _sentences(archive: Path, target: Path) -> Iterator[None]:
    """Turn what zipfile, its decompressors and the disk raise into sentences."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise PackageError(f"{archive.name} is not a sound zip archive ({error}).") from error
    except OSError as error:
        raise disk_error(error, target.parent) from error
