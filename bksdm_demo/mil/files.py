"""Files of a model folder, opened with care: nothing outside the folder, no device, nothing endless.

Names are compared as written; a link may lead elsewhere in the folder or, as in the hub's download cache, from
`snapshots/` to the `blobs/` beside it, and nowhere else.
"""

from __future__ import annotations

import os
from pathlib import Path

from bksdm_demo.errors import PackageError

MOST_BYTES = 64 * 2**20  # of a file that is read whole; the largest published programs have 8 MB

LONGEST_NAME = 512  # characters


def inside(folder: Path, name: str, source: str) -> Path:
    """`folder / name`, refused where `name`, or a link it meets, leads out of the folder; it need not exist.

    `source` says who names it. Raises PackageError.
    """
    joined = os.path.normpath(name)
    if len(name) > LONGEST_NAME:
        raise PackageError(f"{source} refers to a file by a name of {len(name)} characters, {name[:40]!r} and so on.")
    outside = os.path.isabs(name) or "\\" in name or "\0" in name or joined.split(os.sep)[0] == os.pardir
    path = folder if outside else folder / joined
    try:
        outside = outside or not _stays(folder.resolve(), path.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a name no file system takes
        raise PackageError(f"{source} refers to {name!r}, which cannot be followed ({error}).") from error
    if outside:
        raise PackageError(
            f"{source} refers to {name!r}, outside the package; this package is not trustworthy. If a link of"
            " your own leads there, put the file itself in its place."
        )
    return path


def _stays(folder: Path, file: Path) -> bool:
    caches = (parent.parent / "blobs" for parent in folder.parents if parent.name == "snapshots")
    return file.is_relative_to(folder) or file.parent in caches


def read_file(path: Path, most: int = MOST_BYTES) -> bytes:
    """All bytes of a plain file. Raises PackageError, also for one of more than `most` bytes."""
    try:
        if path.exists() and not path.is_file():
            raise PackageError(f"{path} is no plain file; the model is not whole.")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PackageError(f"{path} cannot be read: {reason}.") from error
    if len(data) > most:
        raise PackageError(f"{path} has more than {most} bytes; no published model's file is so large.")
    return data
