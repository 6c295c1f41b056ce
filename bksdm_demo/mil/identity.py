"""The identity of a part by its content, so that equal networks share one loaded engine and one compiled result.

A part is what its model file and its weights say: a package's `Data` folder, or a compiled model's `model.mil` and
`weights`. Names, manifests, dates and analytics do not count. Digests are remembered by path, size, inode and times of
change, so a file is read once and again only after it changed; `remember_digests` makes large files' survive the
process, because reading gigabytes takes longer than loading them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import threading
import time
from pathlib import Path

from bksdm_demo.errors import PackageError

Stamp = tuple[int, int, int, int]  # size, inode, time of the last write, time of the last change of any kind (ns)

WORTH_REMEMBERING = 1 << 20  # bytes; a smaller file is read as fast as looked up
SETTLED_NS = 2_000_000_000  # a file changed more recently than this could change again within the clock's resolution
MOST_REMEMBERED = 1000  # files

_digests: dict[str, tuple[Stamp, bytes]] = {}
_lock = threading.Lock()
_notebook: Path | None = None
_logger = logging.getLogger(__name__)


def content_identity(part: Path) -> str:
    """A digest over the names and contents of the files that make the part; `part` may also be one file.

    Raises PackageError where there is nothing to read.
    """
    files = content_files(part)
    if not files:
        raise PackageError(f"{part} holds no model: neither a file nor a Core ML package or compiled model.")
    whole = hashlib.blake2b(digest_size=20)
    for file in files:
        whole.update(file.relative_to(part).as_posix().encode() + b"\0" + _digest(file))
    return whole.hexdigest()


def content_files(part: Path) -> list[Path]:
    """The files that decide what a part computes, sorted."""
    if part.is_file():
        return [part]
    places = (part / "Data", part / "weights") if (part / "Data").is_dir() else (part / "weights", part / "model.mil")
    found = [file for place in places for file in ([place] if place.is_file() else place.rglob("*"))]
    return sorted(file for file in found if file.is_file() and file.name != ".DS_Store")


def remember_digests(folder: Path) -> None:
    """Keep the digests of large files in `folder` from now on, and trust those found there whose file is unchanged.

    A notebook that cannot be read or written is ignored: files are then read again.
    """
    global _notebook
    with _lock:
        _notebook = folder / "digests.json"
        _digests.update(_recall(_notebook))


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
        if settled and stamp[0] >= WORTH_REMEMBERING and _notebook is not None:
            _note(_notebook, {key: (stamp, digest)})
    return digest


def _stamp(file: Path) -> Stamp:
    status = file.stat()
    return status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def _recall(notebook: Path) -> dict[str, tuple[Stamp, bytes]]:
    try:
        noted = json.loads(notebook.read_bytes())
        return {str(path): (_four(stamp), bytes.fromhex(digest)) for path, (stamp, digest) in noted.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        _logger.info("The digests in %s cannot be used (%s); files are read again.", notebook, error)
        return {}


def _four(numbers: list[int]) -> Stamp:
    size, inode, written, changed = map(int, numbers)
    return size, inode, written, changed


def _note(notebook: Path, fresh: dict[str, tuple[Stamp, bytes]]) -> None:
    """Adds to the notebook, replaced in one step; of two processes at once, one note is lost and made again."""
    known = _recall(notebook)
    known = {path: value for path, value in known.items() if path not in fresh} | fresh
    latest = list(known.items())[-MOST_REMEMBERED:]
    temporary = None
    try:
        notebook.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".digests-", dir=notebook.parent)
        with os.fdopen(handle, "w") as stream:
            json.dump({path: (stamp, digest.hex()) for path, (stamp, digest) in latest}, stream)
        os.replace(temporary, notebook)
    except OSError as error:
        _logger.info("The digests cannot be kept in %s: %s.", notebook, error)
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
