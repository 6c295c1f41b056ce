"""Which processes that share a data folder are alive: each holds a lock on a file of its own until it ends.

The system releases a lock when its holder dies, however it dies. So whoever gets a process's lock knows that this
process is dead.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold a lock on the file for a `with` block; False if another holds it. A disk without locks grants it always."""
    lock = FileLock(path, thread_local=False, fallback_to_soft=False)  # a soft lock would outlive a kill
    granted = True
    try:
        lock.acquire(timeout=0)
    except Timeout:
        granted = False
    except (OSError, NotImplementedError):
        pass
    try:
        yield granted
    finally:
        lock.release(force=True)


class ProcessLocks:
    """This process's lock in `folder` and a look at those of others. Without a folder there are no others."""

    def __init__(self, folder: Path | None) -> None:
        self.own = secrets.token_hex(16)
        self._folder = folder
        self._lock: FileLock | None = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = self._lock_of(self.own)
            with suppress(OSError, NotImplementedError):  # a disk without locks: others take this process for dead
                self._lock.acquire(timeout=0)

    def alive(self, token: str) -> bool:
        """Whether the process of that token still runs."""
        if token == self.own:
            return True
        if self._folder is None or not token.isalnum() or not self._path(token).exists():
            return False
        lock = self._lock_of(token)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        except (OSError, NotImplementedError):
            return False
        self._drop(lock, token)
        return False

    def alone(self) -> bool:
        """Whether no other process that shares the folder is alive."""
        others = [] if self._folder is None else [path.stem for path in self._folder.glob("*.lock")]
        return not any(self.alive(token) for token in others if token != self.own)

    def close(self) -> None:
        if self._lock is not None:
            self._drop(self._lock, self.own)

    def _lock_of(self, token: str) -> FileLock:
        """Not bound to a thread: the store may be closed in another one. Never a soft lock, which outlives a kill."""
        return FileLock(self._path(token), thread_local=False, fallback_to_soft=False)

    def _drop(self, lock: FileLock, token: str) -> None:
        lock.release(force=True)
        with suppress(OSError):
            self._path(token).unlink(missing_ok=True)

    def _path(self, token: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{token}.lock"
