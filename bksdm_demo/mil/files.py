"""Opens the files of a model folder safely: nothing outside the folder, no devices, nothing too large.

Names are compared as written. A link may lead elsewhere in the folder or, as in the hub's download cache, from
`snapshots/` to the `blobs/` beside it, and nowhere else. Texts are UTF-8, or UTF-16 with a byte order mark. A clone
without Git LFS holds pointers instead of large files; each is refused with the command that fetches the file.
"""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bksdm_demo.errors import PackageError

MOST_BYTES = 64 * 2**20  # of a file that is read whole; the largest published program has 8 MB
MOST_JSON_BYTES = 8 * 2**20  # of JSON, whose values take up to 30 times as much memory
LONGEST_NAME = 512  # characters
POINTER = b"version https://git-lfs"  # how a Git LFS pointer begins
LONGEST_POINTER = 1024  # bytes; Git LFS takes no larger file for a pointer


def inside(folder: Path, name: str, source: str) -> Path:
    """The path `folder / name`, which may not exist.

    Raises PackageError if `name`, or a link on the way, leads out of the folder; `source` says who names the file.
    """
    joined = os.path.normpath(name)
    if len(name) > LONGEST_NAME:
        raise PackageError(
            f"{source} refers to {name[:40]!r}..., a name of {len(name)} characters; the limit is {LONGEST_NAME}."
        )
    outside = os.path.isabs(name) or "\\" in name or "\0" in name or joined.split(os.sep)[0] == os.pardir
    path = folder if outside else folder / joined
    try:
        outside = outside or not _stays(folder.resolve(), path.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links, or a name that no file system allows
        raise PackageError(f"{source} refers to {name!r}, which cannot be followed ({error}).") from error
    if outside:
        raise PackageError(
            f"{source} refers to {name!r}, outside the package; do not trust this package. If you made a link that"
            " leads there, replace it by the file itself."
        )
    return path


def _stays(folder: Path, file: Path) -> bool:
    caches = (parent.parent / "blobs" for parent in folder.parents if parent.name == "snapshots")
    return file.is_relative_to(folder) or file.parent in caches


def read_file(path: Path, most: int = MOST_BYTES) -> bytes:
    """All bytes of a regular file. Raises PackageError, also for more than `most` bytes and for a Git LFS pointer."""
    try:
        if path.exists() and not path.is_file():
            raise PackageError(f"{path} is not a regular file; the model is incomplete.")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PackageError(f"{path} cannot be read: {reason}.") from error
    if len(data) > most:
        raise PackageError(f"{path} has more than {most} bytes, more than any published model needs.")
    refuse_pointer(data, path)
    return data


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The text of a file, without a byte order mark. Raises PackageError as `read_file` does, and for other bytes."""
    data = read_file(path, most)
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise PackageError(f"{path} cannot be read ({error}); download it again.") from error


def read_json(path: Path, most: int = MOST_JSON_BYTES) -> Any:
    """The value in a JSON file. Raises PackageError as `read_text` does, and for a text that is not JSON."""
    try:
        return json.loads(read_text(path, most))
    except (ValueError, RecursionError) as error:
        raise PackageError(f"{path} cannot be read as JSON ({error}); download it again.") from error


def refuse_pointer(data: bytes, path: Path) -> None:
    """Raises PackageError if `data`, the beginning of the file `path`, is that of a Git LFS pointer."""
    if data.startswith(POINTER):
        raise PackageError(
            f"{path} is a Git LFS pointer, not the file itself: run `git lfs pull` where it was cloned, "
            "or download it again."
        )


def refuse_pointers(paths: Iterable[Path]) -> None:
    """Raises PackageError for the first Git LFS pointer among these files and in these folders; reads small files."""
    for path in paths:
        inner = ((Path(folder), name) for folder, _, names in os.walk(path) for name in sorted(names))
        for file in [path] if path.is_file() else (folder / name for folder, name in inner):
            if file.is_file() and file.stat().st_size <= LONGEST_POINTER:
                refuse_pointer(file.read_bytes(), file)
