"""Where the store's PNGs are: files under generated names, or memory.

A file is written beside its place, flushed to the disk and renamed, so that nobody ever sees half of one. A name is 32
hexadecimal digits made here from chance; anything else that turns up as a name is refused before it becomes a path.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from bksdm_demo.atomic_files import write_atomically
from bksdm_demo.store.contract import StoreError

NAME = re.compile(r"[0-9a-f]{32}\.png")
SETTLED = 3600.0  # seconds after which a file that no record names is nobody's work in progress


class Pictures(Protocol):
    def write(self, data: bytes) -> str:
        """Keep a picture; the name it got. Raises OSError."""
        ...

    def read(self, name: str) -> bytes:
        """Raises StoreError when it is gone."""
        ...

    def remove(self, name: str) -> None:
        """Removing what is gone is fine."""
        ...

    def sweep(self, named: Collection[str]) -> int:
        """Remove what a crash left behind: pictures that no record names. Returns how many."""
        ...


class PictureFolder:
    """Pictures as files, spread over 256 folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, data: bytes) -> str:
        name = _new_name()
        path = self._path(name)
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, data)
        return name

    def read(self, name: str) -> bytes:
        try:
            return self._path(name).read_bytes()
        except OSError as error:
            raise StoreError(
                "The file of this picture is missing from the data folder or cannot be read; "
                "run this picture again to have it back."
            ) from error

    def remove(self, name: str) -> None:
        with suppress(OSError):  # what stays is swept up later
            self._path(name).unlink()

    def sweep(self, named: Collection[str]) -> int:
        limit = time.time() - SETTLED
        lost = [path for path in self._folder.glob("??/*") if path.name not in named and _made(path) < limit]
        for path in lost:
            with suppress(OSError):
                path.unlink()
        return len(lost)

    def _path(self, name: str) -> Path:
        _check(name)
        return self._folder / name[:2] / name


class PictureMemory:
    """Pictures that last as long as the process."""

    def __init__(self) -> None:
        self._pictures: dict[str, bytes] = {}

    def write(self, data: bytes) -> str:
        name = _new_name()
        self._pictures[name] = data
        return name

    def read(self, name: str) -> bytes:
        try:
            return self._pictures[name]
        except KeyError as error:
            raise StoreError("This picture is no longer there.") from error

    def remove(self, name: str) -> None:
        self._pictures.pop(name, None)

    def sweep(self, named: Collection[str]) -> int:
        lost = [name for name in self._pictures if name not in named]
        for name in lost:
            del self._pictures[name]
        return len(lost)


def _new_name() -> str:
    return f"{secrets.token_hex(16)}.png"


def _check(name: str) -> None:
    if not NAME.fullmatch(name):
        raise StoreError("The index of the data folder names a picture in a way this program never does.")


def _made(path: Path) -> float:
    """When a file was last written; the far future for one that has gone meanwhile."""
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")
