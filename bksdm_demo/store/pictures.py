"""The store's PNGs, in files with generated names or in memory.

A file appears whole or not at all. Its name is 32 random hexadecimal digits. Any other name is refused before it
becomes part of a path. A picture is removed only by its name: one that no record names is found, and kept.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from bksdm_demo.atomic_files import remove_leftovers, write_atomically
from bksdm_demo.store.contract import StoreError

NAME = re.compile(r"[0-9a-f]{32}\.png")
ABANDONED = 3600.0  # seconds; no process is still writing a file, or its record, that is older


class Unnamed(NamedTuple):
    """A picture that no record names. `written` is in seconds since the epoch."""

    name: str
    written: float


class Pictures(Protocol):
    def write(self, name: str, data: bytes) -> None:
        """Store a picture under a new name, from `new_name`. Raises OSError."""
        ...

    def read(self, name: str) -> bytes:
        """The picture of that name. Raises StoreError when it is missing."""
        ...

    def remove(self, name: str) -> bool:
        """Remove a picture, if there is one of that name. Returns whether there is none any more."""
        ...

    def unnamed(self, named: Collection[str], older: float) -> Sequence[Unnamed]:
        """The pictures that are not in `named` and were written more than `older` seconds ago."""
        ...

    def quarantine(self, name: str) -> None:
        """Put a picture where nothing serves or removes it. Raises OSError."""
        ...

    def quarantined(self) -> int:
        """How many pictures lie there."""
        ...


class PictureFolder:
    """Pictures as files, spread over 256 folders; `aside` takes those in quarantine."""

    def __init__(self, folder: Path, aside: Path) -> None:
        self._folder, self._aside = folder, aside
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, data: bytes) -> None:
        path = self._path(name)
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, data)

    def read(self, name: str) -> bytes:
        try:
            return self._path(name).read_bytes()
        except OSError as error:
            raise StoreError(
                "The file of this picture is missing from the data folder or cannot be read; "
                "run this cell again to draw it anew."
            ) from error

    def remove(self, name: str) -> bool:
        if not NAME.fullmatch(name):
            return True  # a damaged index; nothing has that name
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError:
            return False  # a later start tries again
        return True

    def unnamed(self, named: Collection[str], older: float) -> Sequence[Unnamed]:
        for folder in self._folder.glob("??"):
            remove_leftovers(folder, ABANDONED)
        limit = time.time() - older
        found = [Unnamed(path.name, _written(path)) for path in self._folder.glob("??/*.png")]
        return [lost for lost in found if NAME.fullmatch(lost.name) and lost.name not in named and lost.written < limit]

    def quarantine(self, name: str) -> None:
        self._aside.mkdir(mode=0o700, exist_ok=True)
        os.replace(self._path(name), self._aside / name)

    def quarantined(self) -> int:
        return sum(1 for _ in self._aside.glob("*.png"))

    def _path(self, name: str) -> Path:
        _check(name)
        return self._folder / name[:2] / name


class PictureMemory:
    """Pictures that last as long as the process, and no longer than their records."""

    def __init__(self) -> None:
        self._pictures: dict[str, bytes] = {}

    def write(self, name: str, data: bytes) -> None:
        self._pictures[name] = data

    def read(self, name: str) -> bytes:
        try:
            return self._pictures[name]
        except KeyError as error:
            raise StoreError("This picture is no longer stored.") from error

    def remove(self, name: str) -> bool:
        self._pictures.pop(name, None)
        return True

    def unnamed(self, named: Collection[str], older: float) -> Sequence[Unnamed]:
        return ()

    def quarantine(self, name: str) -> None:
        raise OSError("Memory has no quarantine.")

    def quarantined(self) -> int:
        return 0


def new_name() -> str:
    return f"{secrets.token_hex(16)}.png"


def _check(name: str) -> None:
    if not NAME.fullmatch(name):
        raise StoreError("The index of the data folder holds a picture name that this program never makes.")


def _written(path: Path) -> float:
    """When a file was last written; the far future if it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")
