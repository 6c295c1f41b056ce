"""The identity of a part by its content, so that equal networks share one loaded engine and one compiled result.

The identity covers the model file and the weights, wherever they are in the folder, and the maker's metadata (such as
a decoder's scaling factor). Names, manifests, dates and analytics do not count. Digests are cached by path, size, inode
and times of change, so a file is read again only after it changed. `remember_digests` stores those of large files for
later processes, because reading gigabytes takes longer than loading them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from pathlib import Path

from bksdm_demo.atomic_files import PRIVATE, write_atomically
from bksdm_demo.errors import PackageError
from bksdm_demo.mil.containers import counts, is_compiled, named_model
from bksdm_demo.mil.metadata import Notes, read_notes

Stamp = tuple[int, int, int, int]  # size, inode, time of the last write, time of the last change of any kind (ns)

WORTH_STORING = 1 << 20  # bytes; reading a smaller file is as fast as looking it up
SETTLED_NS = 2_000_000_000  # a more recent change could be followed by one with the same time stamp
MOST_STORED = 1000  # files
TOOLS = "com.github.apple."  # prefix of what the converter notes about itself: versions and dates

_digests: dict[str, tuple[Stamp, bytes]] = {}
_lock = threading.Lock()
_digest_file: Path | None = None
_logger = logging.getLogger(__name__)


def content_identity(part: Path) -> str:
    """A digest over the names and contents of the files that make up the part; `part` may also be one file.

    Raises PackageError if there is nothing to read, or nothing that could be a model.
    """
    files, links = _contents(part)
    if not files:
        raise PackageError(f"{part} holds no model; pass a file, a Core ML package or a compiled model.")
    whole = hashlib.blake2b(digest_size=20)
    for file in files:
        whole.update(os.fsencode(file.relative_to(part).as_posix()) + b"\0" + _digest(file))
    whole.update(repr((links, [] if part.is_file() else _counting_facts(part))).encode())
    return whole.hexdigest()


def content_files(part: Path) -> list[Path]:
    """The files that decide what a part computes, sorted."""
    return _contents(part)[0]


def _contents(part: Path) -> tuple[list[Path], list[tuple[str, str]]]:
    """The files of the part, and the folders that links reach again, each with the name it was reached by first.

    Each folder is entered once, so a circle of links ends.
    """
    if part.is_file():
        return [part], []
    files, links, compiled = [], [], is_compiled(part)
    met: dict[str, str] = {}  # real folder -> the name it was reached by first
    for folder, inner, names in os.walk(part, followlinks=True):
        name = Path(folder).relative_to(part).as_posix()
        first = met.setdefault(os.path.realpath(folder), name)
        if first != name:
            links.append((name, first))
            inner.clear()
            continue
        inner.sort()  # the order decides which of two names is the first
        found = (Path(folder, item) for item in names)
        files += [file for file in found if counts(file.relative_to(part).as_posix(), compiled) and file.is_file()]
    return sorted(files), sorted(links)


def _counting_facts(part: Path) -> list[tuple[str, str]]:
    """What counts besides the files: the package's model, or a compiled model's metadata and default function."""
    if not is_compiled(part):
        return [("model", named_model(part).relative_to(part).as_posix())]
    notes = read_notes(part) if os.path.lexists(part / "metadata.json") else Notes()
    found = sorted((key, text) for key, text in notes.metadata.items() if not key.startswith(TOOLS))
    return [*found, *([("function", notes.default_function)] if notes.default_function else [])]


def remember_digests(folder: Path) -> None:
    """Store the digests of large files in `folder` from now on, and use those stored there for unchanged files.

    If the store cannot be read or written, that is logged, and files are read again.
    """
    global _digest_file
    with _lock:
        _digest_file = folder / "digests.json"
        _digests.update(_load(_digest_file))


def _digest(file: Path) -> bytes:
    try:
        key, stamp = str(file.resolve()), _stamp(file)
        with _lock:
            known = _digests.get(key)
        if known is not None and known[0] == stamp:
            return known[1]
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").digest()
        settled = _stamp(file) == stamp and time.time_ns() - stamp[3] > SETTLED_NS
    except OSError as error:
        raise PackageError(f"{file} cannot be read: {error.strerror}.") from error
    with _lock:
        _digests[key] = (stamp, digest)
        if settled and stamp[0] >= WORTH_STORING and _digest_file is not None:
            _store(_digest_file, {key: (stamp, digest)})
    return digest


def _stamp(file: Path) -> Stamp:
    status = file.stat()
    return status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def _load(digest_file: Path) -> dict[str, tuple[Stamp, bytes]]:
    try:
        found = json.loads(digest_file.read_bytes())
        return {str(path): (_as_stamp(stamp), bytes.fromhex(digest)) for path, (stamp, digest) in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        _logger.info("The digests in %s cannot be used (%s); files will be read again.", digest_file, error)
        return {}


def _as_stamp(numbers: list[int]) -> Stamp:
    size, inode, written, changed = map(int, numbers)
    return size, inode, written, changed


def _store(digest_file: Path, fresh: dict[str, tuple[Stamp, bytes]]) -> None:
    """Add to the digest file in one step; of two processes at once, one loses its digests and makes them again."""
    known = _load(digest_file)
    known = {path: value for path, value in known.items() if path not in fresh} | fresh
    latest = list(known.items())[-MOST_STORED:]
    text = json.dumps({path: (stamp, digest.hex()) for path, (stamp, digest) in latest})
    try:
        digest_file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(digest_file, text.encode(), PRIVATE)
    except OSError as error:
        _logger.info("Digests cannot be stored in %s: %s. Files will be read again.", digest_file, error)
