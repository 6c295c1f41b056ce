"""Compiled results on disk: one file per entry, limited in bytes, least recently used removed first.

An entry is a dictionary of facts and named byte sections. It appears whole or not at all. A checksum over every section
finds what was damaged later; such an entry is discarded. Processes take turns at building: the system releases the lock
file when its holder dies. A folder that cannot be read or written, or a full disk, means working without; the log says
so once, and nothing fails. The folder may be deleted at any time. Knows no runtime.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import mmap
import os
import shutil
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from bksdm_demo.atomic_files import PRIVATE, atomic_stream, remove_leftovers

SUFFIX = ".compiled"
LOCK = ".lock"
MAGIC = b"bksdm-compiled-1"
LENGTH = struct.Struct("<Q")
PAGE = 4096  # bytes; sections start at multiples of it, as they do in files of their own
BLOCK = 1 << 16  # bytes that the checksum sums up into one number
CHUNK = 64 * BLOCK  # bytes read at a time
LONGEST_FACTS = 1 << 24  # bytes
ABANDONED = 3600  # seconds since the last byte was written; no entry takes so long
RESERVE = 2 << 30  # bytes of the disk left free for other programs

LARGEST = 10**18  # bytes; as long as a size is written in an index

Bytes = bytes | memoryview
Content = Bytes | Callable[[io.BytesIO], None]  # or what writes it
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """An intact entry; `sections` are uint8 arrays over the mapped file, private to this process."""

    facts: Mapping[str, Any]
    sections: Mapping[str, NDArray[np.uint8]]
    _map: mmap.mmap

    def drop_pages(self) -> None:
        """Free the memory that reading the sections took; reading them again reads the file again."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)


@dataclass(eq=False)
class CompiledStore:
    """The entries in `folder`, `limit_bytes` at most in all; see `open_store`."""

    folder: Path
    limit_bytes: int
    _warned: set[str] = field(default_factory=set)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def find(self, key: str) -> Entry | None:
        """The entry of that key, which becomes the most recently used; None if there is none or it is damaged."""
        place = self._place(key)
        try:
            with place.open("rb") as stream:
                entry = _read(stream)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn(f"Compiled results in {self.folder} cannot be read: {error}.")
            return None
        except ValueError as error:
            _logger.warning("%s is damaged (%s) and will be made again.", place, error)
            self.discard(key)
            return None
        with contextlib.suppress(OSError):  # a folder that is read only keeps its order
            os.utime(place)
        return entry

    def save(self, key: str, facts: Mapping[str, Any], sections: Mapping[str, Content]) -> bool:
        """Write an entry, replacing one with the same key; False if the disk does not take it.

        A section that writes itself is never in memory as a whole, and is written before others make room for it. What
        it raises passes through.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.folder).free
            with atomic_stream(self._place(key), PRIVATE, durable=False) as stream:
                _write(stream, facts, sections)
                stream.flush()
                if not self._make_room(key, stream.seek(0, io.SEEK_END), free):
                    raise _NoRoomError
        except _NoRoomError:
            return False
        except OSError as error:
            self._warn(
                f"Compiled results cannot be stored in {self.folder}: {error}. Each start will compile them again."
            )
            return False
        return True

    def discard(self, key: str) -> None:
        """Remove the entry, if there is one."""
        with contextlib.suppress(OSError):
            self._place(key).unlink(missing_ok=True)

    @contextmanager
    def building(self) -> Iterator[None]:
        """Hold the turn to build, one at a time over all threads and processes; then look for the entry again.

        Also removes what a killed process left half-written long ago. Fresh files stay, because small entries are
        written without taking turns.
        """
        with self._turn, contextlib.ExitStack() as stack:
            if self._locked(stack):
                remove_leftovers(self.folder, ABANDONED)
            yield

    def entries(self) -> list[tuple[Path, int]]:
        """The files of all entries and their bytes, least recently used first."""
        found = []
        for path in self.folder.glob(f"*{SUFFIX}"):
            with contextlib.suppress(OSError):  # another process may remove one meanwhile
                status = path.stat()
                found.append((status.st_mtime_ns, path, status.st_size))
        return [(path, size) for _, path, size in sorted(found)]

    def _place(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"

    def _locked(self, stack: contextlib.ExitStack) -> bool:
        """Wait for the folder's lock, released with `stack`; False where it cannot be had.

        Two processes may then build the same entry at once, and the last one wins.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / LOCK, timeout=ABANDONED, fallback_to_soft=False)
            stack.enter_context(lock)
        except (OSError, NotImplementedError):  # read only, a disk without locks, or no turn in all that time
            return False
        return True

    def _make_room(self, key: str, needed: int, free: int) -> bool:
        """Remove the least recently used entries until `needed` bytes fit; False if they never will.

        `free` are the bytes that were free on the disk before.
        """
        entries = [(path, size) for path, size in self.entries() if path != self._place(key)]
        used = sum(size for _, size in entries)
        room = min(self.limit_bytes, used + free - RESERVE)
        if needed > room:
            self._warn(f"Compiled results of {needed:,} bytes do not fit in {self.folder}; there is room for {room:,}.")
            return False
        for path, size in entries:
            if used + needed <= room:
                break
            with contextlib.suppress(OSError):  # on Windows an entry in use stays
                path.unlink()
            used -= size
        return True

    def _warn(self, message: str) -> None:
        """Log each message once per process."""
        if message not in self._warned:
            self._warned.add(message)
            _logger.warning("%s", message)


@cache
def open_store(folder: Path, limit_bytes: int) -> CompiledStore:
    """The one store of this process for a folder."""
    return CompiledStore(folder, limit_bytes)


def _padded(size: int) -> int:
    return -(-size // PAGE) * PAGE


def _index(facts: Mapping[str, Any], described: Mapping[str, tuple[int, str]]) -> bytes:
    return json.dumps({"facts": facts, "sections": described}).encode()


def _write(stream: BinaryIO, facts: Mapping[str, Any], sections: Mapping[str, Content]) -> None:
    """Write whole pages: first magic, the length and digest of the index, and the index; then the sections.

    The index is known last. Its place is kept free, and spaces fill what is left of it.
    """
    described = dict.fromkeys(sections, (LARGEST, "f" * 64))
    length = len(_index(facts, described))
    stream.write(b"\0" * _padded(len(MAGIC) + LENGTH.size + hashlib.sha256().digest_size + length))
    for name, content in sections.items():
        section = _Section(stream)
        if callable(content):
            content(section)
        else:
            section.write(content)
        size = section.seek(0, io.SEEK_END)
        described[name] = size, _last_checksum(stream, size)
        stream.write(b"\0" * (_padded(size) - size))
    index = _index(facts, described).ljust(length)
    stream.seek(0)
    stream.write(MAGIC + LENGTH.pack(length) + hashlib.sha256(index).digest() + index)


def _read(stream: BinaryIO) -> Entry:
    """The entry in an open file. Raises ValueError for anything but a whole entry as it was written."""
    start = stream.read(len(MAGIC) + LENGTH.size + hashlib.sha256().digest_size)
    length = LENGTH.unpack_from(start, len(MAGIC))[0] if start[: len(MAGIC)] == MAGIC and len(start) > 40 else 0
    if not 0 < length <= LONGEST_FACTS:
        raise ValueError("it does not start like an entry")
    text = stream.read(length)
    if hashlib.sha256(text).digest() != start[len(MAGIC) + LENGTH.size :]:
        raise ValueError("its index was changed")
    index = json.loads(text)
    place = _padded(len(start) + length)
    if os.fstat(stream.fileno()).st_size != place + sum(_padded(size) for size, _ in index["sections"].values()):
        raise ValueError("it is truncated")
    mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
    whole, sections = np.frombuffer(mapped, np.uint8), {}
    for name, (size, checksum) in index["sections"].items():
        stream.seek(place)
        if _read_checksum(stream, size) != checksum:
            raise ValueError(f"its section {name} was changed")
        sections[name] = whole[place : place + size]
        place += _padded(size)
    return Entry(index["facts"], sections, mapped)


class _NoRoomError(Exception):
    """An entry that does not fit, however many others go."""


class _Checksum:
    """A digest over the 64-bit sums of blocks: finds torn writes and flipped bits at the speed of memory."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def update(self, data: Bytes) -> None:
        """Add whole blocks; only the last piece may end in the middle of one."""
        words = np.frombuffer(data, "<u8", count=len(data) // 8)
        full = len(words) // (BLOCK // 8) * (BLOCK // 8)
        self._digest.update(words[:full].reshape(-1, BLOCK // 8).sum(axis=1, dtype=np.uint64).tobytes())
        self._digest.update(data[full * 8 :])

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class _Section(io.BytesIO):
    """The rest of a stream as one of its own: OpenVINO exports into a BytesIO only, and goes back to its beginning."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream, self._start = stream, stream.tell()

    def write(self, data: Any) -> int:
        return self._stream.write(data)

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(place + (self._start if whence == io.SEEK_SET else 0), whence) - self._start

    def tell(self) -> int:
        return self._stream.tell() - self._start


def _last_checksum(stream: BinaryIO, size: int) -> str:
    """The checksum of the last bytes of a stream, and the stream at its end."""
    stream.seek(-size, io.SEEK_END)
    return _read_checksum(stream, size)


def _read_checksum(stream: BinaryIO, size: int) -> str:
    """The checksum, read through a small buffer, so that the file's pages do not count as this process's memory."""
    checksum, buffer = _Checksum(), memoryview(bytearray(min(size, CHUNK)))
    while size:
        count = stream.readinto(buffer[: min(size, CHUNK)])  # type: ignore[attr-defined]
        if count != min(size, CHUNK):
            raise ValueError("it is truncated")
        checksum.update(buffer[:count])
        size -= count
    return checksum.hexdigest()
