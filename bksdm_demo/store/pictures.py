"""The store's PNGs, in files with generated names or in memory.

A file appears whole or not at all. Its name is 32 random hexadecimal digits. Any other name is refused before it
becomes part of a path.
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
ABANDONED = 3600.0  # seconds; an older file that no record names is left from a crash


class Pictures(Protocol):
    def write(self, data: bytes) -> str:
        """Store a picture and return its new name. Raises OSError."""
        ...

    def read(self, name: str) -> bytes:
        """The picture of that name. Raises StoreError when it is missing."""
        ...

    def remove(self, name: str) -> None:
        """Remove a picture, if there is one of that name."""
        ...

    def sweep(self, named: Collection[str]) -> int:
        """Remove pictures that a crash left: those that are not in `named`. Return their number."""
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
                "run this cell again to draw it anew."
            ) from error

    def remove(self, name: str) -> None:
        with suppress(OSError):  # a later sweep removes it
            self._path(name).unlink()

    def sweep(self, named: Collection[str]) -> int:
        limit = time.time() - ABANDONED
        lost = [path for path in self._folder.glob("??/*") if path.name not in named and _written(path) < limit]
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
            raise StoreError("This picture is no longer stored.") from error

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
        raise StoreError("The index of the data folder holds a picture name that this program never makes.")


def _written(path: Path) -> float:
    """When a file was last written; the far future if it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")
