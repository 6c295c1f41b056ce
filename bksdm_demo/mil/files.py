"""Opens the files of a model folder safely: nothing outside the folder, no devices, nothing too large.

Names are compared as written. A link may lead elsewhere in the folder or, as in the hub's download cache, from
`snapshots/` to the `blobs/` beside it, and nowhere else.
"""

from __future__ import annotations

import os
from pathlib import Path

from bksdm_demo.errors import PackageError

MOST_BYTES = 64 * 2**20  # of a file that is read whole; the largest published program has 8 MB

LONGEST_NAME = 512  # characters


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
    """All bytes of a regular file. Raises PackageError, also for more than `most` bytes."""
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
    return data
