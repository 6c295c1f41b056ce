"""Downloads of published systems in the background: one worker, a queue, progress that anyone may watch, cancel.

library/fetch.py downloads a system. Here it is downloaded once, however many visitors press the button. Progress goes to
the status board as frozen notices, and the catalogue is reread at the end, so no restart is needed. Only the bytes of
an unfinished file survive a restart; the next download resumes from them.
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

NOT_ALLOWED = "Downloads from this page are switched off by whoever runs it."
CLOSING = "The demo is shutting down and downloads nothing more."
UNEXPECTED = "An unexpected error stopped the download; the server's log says more."
STOPPED = "Stopped. What has come is kept: downloading again goes on from there."


class DownloadState(StrEnum):
    """Where a download stands; the last three are final. WAITING means that another process is at it."""

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


STATES = {
    Stage.WAITING: DownloadState.WAITING,
    Stage.DOWNLOADING: DownloadState.DOWNLOADING,
    Stage.VERIFYING: DownloadState.VERIFYING,
    Stage.UNPACKING: DownloadState.UNPACKING,
}


@dataclass(frozen=True)
class Download:
    """A snapshot of one download: bytes, speed and seconds left are those of the present state.

    `message` is a sentence for the visitor once it failed or was stopped; `stopping` says that somebody cancelled it.
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
    """About the bytes of memory that a system takes once loaded, and the budget for loaded models."""

    memory_bytes: int
    budget_bytes: int

    @property
    def short_bytes(self) -> int:
        """By how much it does not fit; 0 when it does."""
        return max(self.memory_bytes - self.budget_bytes, 0)


class FetchSystem(Protocol):
    """library.fetch.fetch, or what a test puts in its place."""

    def __call__(
        self, system: PublishedSystem, models_dir: Path, *, report: Report, cancelled: threading.Event
    ) -> Path: ...


class DownloadQueue:
    """The service; safe to use from several threads. `close()` it to stop its worker.

    `offers` are the systems there are to download into `models_dir`, which is made when the first one comes. With
    `allowed` false nobody but the operator may start or stop one. `needs` says what each system will take of memory.
    """

    def __init__(
        self,
        catalog: Catalog,
        models_dir: Path,
        offers: Sequence[PublishedSystem],
        status_board: StatusBoard,
        *,
        needs: Mapping[str, MemoryEstimate] | None = None,
        allowed: bool = True,
        bring: FetchSystem = fetch,
    ) -> None:
        self.catalog, self.models_dir, self.status_board, self.allowed = catalog, models_dir, status_board, allowed
        self._offers = {offer.key: offer for offer in offers}
        self.needs = dict(needs or {})
        self._bring = bring
        self._queue: deque[str] = deque()
        self._stops: dict[str, threading.Event] = {}  # of downloads that have begun or wait
        self._closed = False
        self._changed = threading.Condition(threading.RLock())
        self._worker: threading.Thread | None = None

    def start(self, key: str, *, operator: bool = False) -> Download:
        """Queue a download, or join the one that is on its way.

        Raises ModelUnavailableError for a system that is not published or when downloads are switched off, BusyError
        while shutting down.
        """
        offer = self._offers.get(key)
        if offer is None:
            raise ModelUnavailableError(f"No published model is called {key!r}; there are {', '.join(self._offers)}.")
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
        """The present snapshot. Raises RequestError for a system whose download was never asked for."""
        notice = self.status_board.posted().notices.get((Download, key))
        if not isinstance(notice, Download):
            raise RequestError(f"No download of {key!r} was asked for.")
        return notice

    def cancel(self, key: str, *, operator: bool = False) -> Download:
        """Stop a download: at once while it waits, within moments while it runs. What has come is kept.

        Raises RequestError for one that was never asked for, ModelUnavailableError when downloads are switched off.
        """
        if not (self.allowed or operator):
            raise ModelUnavailableError(NOT_ALLOWED)
        with self._changed:
            present = self.get(key)
            if key in self._queue:
                self._queue.remove(key)
                self._end(replace(present, state=DownloadState.CANCELLED, message=STOPPED))
            elif key in self._stops:
                self._stops[key].set()
                self._post(replace(present, stopping=True))
            return self.get(key)

    def watch(self, key: str, heartbeat: float | None = None) -> Iterator[Download]:
        """Snapshots from now to the final one; may be left and taken up again. Raises RequestError at once.

        With `heartbeat` (seconds) the present snapshot comes again when nothing changed for so long.
        """
        self.get(key)
        return self._watch(key, heartbeat)

    def _watch(self, key: str, heartbeat: float | None) -> Iterator[Download]:
        posted = self.status_board.posted()
        while True:
            seen = self.get(key)
            yield seen
            if seen.state.final:
                return
            posted = self.status_board.newer(posted.version, heartbeat)

    def close(self, timeout: float = 5.0) -> None:
        """Take no more, stop what runs and wait for it; what has come is kept."""
        with self._changed:
            self._closed = True
            for key in list(self._stops):
                self.cancel(key, operator=True)
            self._changed.notify_all()
        if self._worker is not None and threading.current_thread() is not self._worker:
            self._worker.join(timeout)

    def _ensure_worker(self) -> None:
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name="fetches", daemon=True)
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
                        state=STATES[progress.stage],
                        done_bytes=progress.done_bytes,
                        total_bytes=progress.total_bytes,
                        bytes_per_second=progress.bytes_per_second,
                        seconds_left=progress.seconds_left,
                    )
                )

        state, message = DownloadState.DONE, ""
        try:
            self._bring(offer, self.models_dir, report=report, cancelled=stop)
            self._look_again(offer)
        except CancelledError:
            state, message = DownloadState.CANCELLED, STOPPED
        except DemoError as error:
            state, message = DownloadState.FAILED, self._told(error)
        except Exception:
            logger.exception("The download of %s failed unexpectedly", offer.name)
            state, message = DownloadState.FAILED, UNEXPECTED
        with self._changed:
            self._end(replace(self.get(offer.key), state=state, message=message))

    def _look_again(self, offer: PublishedSystem) -> None:
        """Make the system that has come selectable; ModelUnavailableError says why it is not."""
        self.catalog.refresh()
        system = next((system for system in self.catalog.systems() if system.key == offer.key), None)
        if system is not None and system.availability is Availability.UNAVAILABLE:
            raise ModelUnavailableError(f"{offer.name} has come, but it cannot be used: {system.reason}")

    def _told(self, error: DemoError) -> str:
        """The error's text for a visitor, who need not know where on this machine the models lie."""
        text = str(error)
        for folder in (self.models_dir, self.models_dir.resolve()):
            text = text.replace(f"{folder}{os.sep}", "").replace(str(folder), "the models directory")
        return text

    def _end(self, notice: Download) -> None:
        self._stops.pop(notice.key, None)
        self._post(replace(notice, bytes_per_second=None, seconds_left=None, stopping=False))

    def _post(self, notice: Download) -> None:
        self.status_board.post(notice)
