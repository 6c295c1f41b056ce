"""Downloads published systems in the background: one queue, one worker, progress that anyone can watch.

library/fetch.py downloads a system. The queue downloads each system once, however many visitors press the button.
Progress goes to the status board as frozen notices. After a download the catalogue is read again, so no restart is
needed. The queue itself does not survive a restart, but the bytes of an unfinished file do; the next download resumes
from them.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from bksdm_demo.downloads.status_board import StatusBoard
from bksdm_demo.errors import BusyError, CancelledError, DemoError, ModelUnavailableError, RequestError
from bksdm_demo.library.catalog import Availability, Catalog
from bksdm_demo.library.fetch import fetch
from bksdm_demo.library.progress import Progress, Report, Stage
from bksdm_demo.library.published import PublishedSystem

logger = logging.getLogger(__name__)

NOT_ALLOWED = "The operator of this page has switched off downloads."
CLOSING = "The demo is shutting down and starts no more downloads."
UNEXPECTED = "An unexpected error stopped the download. The server's log has the details."
STOPPED = "Stopped. The downloaded part stays on disk, and the next download continues from there."


class DownloadState(StrEnum):
    """The state of a download; the last three are final. WAITING: another process downloads the same system."""

    QUEUED = "queued"
    ASKING = "asking"
    WAITING = "waiting"
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    UNPACKING = "unpacking"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in (DownloadState.DONE, DownloadState.FAILED, DownloadState.CANCELLED)


STATE_OF_STAGE = {
    Stage.WAITING: DownloadState.WAITING,
    Stage.DOWNLOADING: DownloadState.DOWNLOADING,
    Stage.VERIFYING: DownloadState.VERIFYING,
    Stage.UNPACKING: DownloadState.UNPACKING,
}


@dataclass(frozen=True)
class Download:
    """A snapshot of one download. Bytes, speed and seconds left refer to the current state.

    `message` is a sentence for the visitor after a failure or a stop. `stopping` is true after a cancel, until the
    worker has stopped.
    """

    key: str
    name: str
    state: DownloadState = DownloadState.QUEUED
    done_bytes: int = 0
    total_bytes: int = 0
    bytes_per_second: float | None = None
    seconds_left: float | None = None
    message: str = ""
    stopping: bool = False

    @property
    def active(self) -> bool:
        return not self.state.final


@dataclass(frozen=True)
class MemoryEstimate:
    """The estimated bytes of memory that a loaded system takes, and the budget for loaded models."""

    memory_bytes: int
    budget_bytes: int

    @property
    def short_bytes(self) -> int:
        """The bytes missing in the budget; 0 if the system fits."""
        return max(self.memory_bytes - self.budget_bytes, 0)


class FetchSystem(Protocol):
    """The type of library.fetch.fetch and of its replacements in tests."""

    def __call__(
        self, system: PublishedSystem, models_dir: Path, *, report: Report, cancelled: threading.Event
    ) -> Path: ...


class DownloadQueue:
    """The service. Safe to use from several threads. `close()` stops its worker.

    `offers` are the systems that can be downloaded into `models_dir`; the first download creates that folder. Unless
    `allowed`, only the operator may start or stop downloads. `memory_estimates` are by system key.
    """

    def __init__(
        self,
        catalog: Catalog,
        models_dir: Path,
        offers: Sequence[PublishedSystem],
        status_board: StatusBoard,
        *,
        memory_estimates: Mapping[str, MemoryEstimate] | None = None,
        allowed: bool = True,
        fetch: FetchSystem = fetch,
    ) -> None:
        self.catalog, self.models_dir, self.status_board, self.allowed = catalog, models_dir, status_board, allowed
        self._offers = {offer.key: offer for offer in offers}
        self.memory_estimates = dict(memory_estimates or {})
        self._fetch = fetch
        self._queue: deque[str] = deque()
        self._stops: dict[str, threading.Event] = {}  # one for each waiting or running download
        self._closed = False
        self._changed = threading.Condition(threading.RLock())
        self._worker: threading.Thread | None = None

    def start(self, key: str, *, operator: bool = False) -> Download:
        """Queue a download, or return the one that is already waiting or running.

        Raises ModelUnavailableError for a system that is not published or if downloads are switched off, BusyError
        during shutdown.
        """
        offer = self._offers.get(key)
        if offer is None:
            raise ModelUnavailableError(
                f"No published model is called {key!r}; choose one of {', '.join(self._offers)}."
            )
        if not (self.allowed or operator):
            raise ModelUnavailableError(NOT_ALLOWED)
        with self._changed:
            if self._closed:
                raise BusyError(CLOSING)
            if key not in self._stops:
                self._stops[key] = threading.Event()
                self._queue.append(key)
                self._post(Download(key, offer.name))
                self._ensure_worker()
                self._changed.notify_all()
            return self.get(key)

    def get(self, key: str) -> Download:
        """Return the current snapshot. Raises RequestError for a system whose download was never started."""
        notice = self.status_board.snapshot().notices.get((Download, key))
        if not isinstance(notice, Download):
            raise RequestError(f"No download of {key!r} was started.")
        return notice

    def cancel(self, key: str, *, operator: bool = False) -> Download:
        """Stop a download: at once while it waits, within moments while it runs. The downloaded part stays on disk.

        Raises RequestError for a download that was never started, ModelUnavailableError if downloads are switched off.
        """
        if not (self.allowed or operator):
            raise ModelUnavailableError(NOT_ALLOWED)
        with self._changed:
            current = self.get(key)
            if key in self._queue:
                self._queue.remove(key)
                self._end(replace(current, state=DownloadState.CANCELLED, message=STOPPED))
            elif key in self._stops:
                self._stops[key].set()
                self._post(replace(current, stopping=True))
            return self.get(key)

    def watch(self, key: str, heartbeat: float | None = None) -> Iterator[Download]:
        """Yield snapshots up to the final one. Raises RequestError at once. A caller may stop and watch again later.

        With `heartbeat` (seconds), the current snapshot is repeated whenever nothing changed for that time.
        """
        self.get(key)
        return self._watch(key, heartbeat)

    def _watch(self, key: str, heartbeat: float | None) -> Iterator[Download]:
        board = self.status_board.snapshot()
        while True:
            download = self.get(key)
            yield download
            if download.state.final:
                return
            board = self.status_board.newer(board.version, heartbeat)

    def close(self, timeout: float = 5.0) -> None:
        """Refuse new downloads, stop all others and wait for the worker, at most `timeout` seconds.

        A second call does not wait again.
        """
        with self._changed:
            again, self._closed = self._closed, True
            for key in list(self._stops):
                self.cancel(key, operator=True)
            self._changed.notify_all()
        if self._worker is not None and not again and threading.current_thread() is not self._worker:
            self._worker.join(timeout)

    def _ensure_worker(self) -> None:
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name="downloads", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        while (key := self._next()) is not None:
            self._run(self._offers[key], self._stops[key])

    def _next(self) -> str | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            if not self._queue:
                return None
            key = self._queue.popleft()
            self._post(replace(self.get(key), state=DownloadState.ASKING))
            return key

    def _run(self, offer: PublishedSystem, stop: threading.Event) -> None:
        def report(progress: Progress) -> None:
            with self._changed:
                self._post(
                    replace(
                        self.get(offer.key),
                        state=STATE_OF_STAGE[progress.stage],
                        done_bytes=progress.done_bytes,
                        total_bytes=progress.total_bytes,
                        bytes_per_second=progress.bytes_per_second,
                        seconds_left=progress.seconds_left,
                    )
                )

        state, message = DownloadState.DONE, ""
        try:
            self._fetch(offer, self.models_dir, report=report, cancelled=stop)
            self._refresh_catalog(offer)
        except CancelledError:
            state, message = DownloadState.CANCELLED, STOPPED
        except DemoError as error:
            state, message = DownloadState.FAILED, self._public_message(error)
        except Exception:
            logger.exception("The download of %s failed unexpectedly", offer.name)
            state, message = DownloadState.FAILED, UNEXPECTED
        with self._changed:
            self._end(replace(self.get(offer.key), state=state, message=message))

    def _refresh_catalog(self, offer: PublishedSystem) -> None:
        """Read the catalogue again. Raises ModelUnavailableError if the downloaded system cannot be used."""
        self.catalog.refresh()
        system = self.catalog.by_key().get(offer.key)
        if system is not None and system.availability is Availability.UNAVAILABLE:
            raise ModelUnavailableError(f"{offer.name} is downloaded, but it cannot be used: {system.reason}")

    def _public_message(self, error: DemoError) -> str:
        """Return the error's text without the folders of this machine."""
        text = str(error)
        for folder in (self.models_dir, self.models_dir.resolve()):
            text = text.replace(f"{folder}{os.sep}", "").replace(str(folder), "the models directory")
        return text

    def _end(self, notice: Download) -> None:
        self._stops.pop(notice.key, None)
        self._post(replace(notice, bytes_per_second=None, seconds_left=None, stopping=False))

    def _post(self, notice: Download) -> None:
        self.status_board.post(notice)
