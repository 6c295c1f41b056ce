"""The identity of a part by its content, so that two systems with the same network share one loaded engine.

A part is what its model file and its weights say: a package's `Data` folder, or a compiled model's `model.mil` and
`weights`. Names, manifests, dates and analytics do not count. Digests are kept in memory by (path, size, time of
change), so a part is read once and again only after it changed.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from bksdm_demo.errors import PackageError

_digests: dict[tuple[Path, int, int], bytes] = {}
_lock = threading.Lock()


def content_identity(part: Path) -> str:
    """A blake2b digest over the names and contents of the files that make the part; `part` may also be one file.

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


def _digest(file: Path) -> bytes:
    try:
        status = file.stat()
        key = (file.resolve(), status.st_size, status.st_mtime_ns)
        with _lock:
            known = _digests.get(key)
        if known is not None:
            return known
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=20)).digest()
    except OSError as error:
        raise PackageError(f"{file} cannot be read: {error.strerror}.") from error
    with _lock:
        _digests[key] = digest
    return digest


def size_bytes(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
