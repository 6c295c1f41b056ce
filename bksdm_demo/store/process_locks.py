"""Which processes that share a data folder are alive: each holds a lock on a file of its own until it ends.

The system lets go of a lock when its process dies, however it dies, so a lock that can be had belongs to the dead.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout


class ProcessLocks:
    """This process's lock in `folder` and a look at those of others; without a folder there is nobody else."""

    def __init__(self, folder: Path | None) -> None:
        self.own = secrets.token_hex(16)
        self._folder = folder
        self._lock: FileLock | None = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self._path(self.own))
            with suppress(OSError, NotImplementedError):  # a disk without locks: others take this process for dead
                self._lock.acquire(timeout=0)

    def alive(self, token: str) -> bool:
        """Whether the process of that token still runs."""
        if token == self.own:
            return True
        if self._folder is None or not token.isalnum() or not self._path(token).exists():
            return False
        lock = FileLock(self._path(token))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        except (OSError, NotImplementedError):
            return False
        self._drop(lock, token)
        return False

    def close(self) -> None:
        if self._lock is not None:
            self._drop(self._lock, self.own)

    def _drop(self, lock: FileLock, token: str) -> None:
        lock.release(force=True)
        with suppress(OSError):
            self._path(token).unlink(missing_ok=True)

    def _path(self, token: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{token}.lock"
