"""Finds the parts that the systems of this machine have in common, by content, and the bytes that this saves.

A part that several systems share is loaded once. It may be on disk once (one path, or links) or several times. Files of
different sizes differ and links are equal, so contents are read only if neither decides. Unreadable parts are left out
here; the catalogue shows why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bksdm_demo.errors import PackageError
from bksdm_demo.library.system import System
from bksdm_demo.mil.identity import content_files, content_identity

Inodes = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class SharedPart:
    """One part that several systems have: its role, their keys, its bytes, and its number of copies on disk."""

    role: str
    systems: tuple[str, ...]
    size_bytes: int
    copies: int

    @property
    def saved_bytes(self) -> int:
        """The bytes of memory that all systems but the first save by sharing it."""
        return self.size_bytes * (len(self.systems) - 1)


@dataclass(frozen=True)
class Sharing:
    """The shared parts, the bytes of all parts' files on disk, and the bytes if every system had files of its own."""

    parts: tuple[SharedPart, ...] = ()
    disk_bytes: int = 0
    separate_bytes: int = 0

    @property
    def saved_disk_bytes(self) -> int:
        return self.separate_bytes - self.disk_bytes


def find_sharing(systems: Sequence[System]) -> Sharing:
    """The parts that these systems share; systems without parts are left out."""
    found: dict[tuple[str, int], list[tuple[str, Path]]] = defaultdict(list)
    files: dict[tuple[int, int], int] = {}
    separate = 0
    for system in systems:
        if system.parts is None:
            continue
        for part in system.parts.models:
            try:
                sizes = {inode: size for inode, size in _sizes(part)}
            except OSError:
                continue
            files |= sizes
            separate += sum(sizes.values())
            found[system.parts.role(part), sum(sizes.values())].append((system.key, part))
    shared = [
        SharedPart(role, tuple(key for key, _ in group), size, len({_inodes(part) for _, part in group}))
        for (role, size), users in found.items()
        for group in _groups(users)
        if len(group) > 1
    ]
    return Sharing(tuple(shared), sum(files.values()), separate)


def _groups(users: Sequence[tuple[str, Path]]) -> list[list[tuple[str, Path]]]:
    """Group the users of parts of one role and size by content."""
    by_files: dict[Inodes, list[tuple[str, Path]]] = defaultdict(list)
    for key, part in users:
        by_files[_inodes(part)].append((key, part))
    if len(by_files) == 1:
        return list(by_files.values())
    by_content: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for group in by_files.values():
        try:
            by_content[content_identity(group[0][1])] += group
        except PackageError:
            continue
    return list(by_content.values())


def _inodes(part: Path) -> Inodes:
    return tuple(inode for inode, _ in _sizes(part))


def _sizes(part: Path) -> list[tuple[tuple[int, int], int]]:
    """(device and inode, bytes) of the files that decide what a part computes."""
    stats = [file.stat() for file in content_files(part)]
    return [((status.st_dev, status.st_ino), status.st_size) for status in stats]
