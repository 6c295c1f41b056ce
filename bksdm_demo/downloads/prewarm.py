"""Loads systems in the background at the start of the demo, so that the first visitor need not wait.

First those that the operator chose, which are downloaded if they are missing, then quietly a whole family. Visitors
come first: while a comparison waits or runs, nothing new begins to load, and a visitor waits at most for a part that
loads already and that they need themselves. Systems load into free memory only. Progress goes to the status board.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bksdm_demo.downloads.download_queue import DownloadQueue, DownloadState
from bksdm_demo.downloads.status_board import StatusBoard
from bksdm_demo.errors import CancelledError, DemoError, ModelUnavailableError
from bksdm_demo.library.catalog import Availability
from bksdm_demo.records import LoadProgress
from bksdm_demo.runs.pipeline_cache import PipelineCache

logger = logging.getLogger(__name__)

POLL = 0.2  # seconds between two checks for `close()` during a download or a visitor's comparison
UNEXPECTED = "An unexpected error stopped the loading. The server's log has the details."


class WarmState(StrEnum):
    """The state of one system's prewarming; the last two are final."""

    QUEUED = "queued"
    FETCHING = "fetching"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Warming:
    """A snapshot of one system's prewarming. `seconds` is the time it took, `message` why it failed.

    Nobody asked for a `quiet` one, so nobody hears that it waits or has failed.
    """

    key: str
    name: str
    state: WarmState = WarmState.QUEUED
    loading: LoadProgress | None = None
    seconds: float = 0.0
    message: str = ""
    quiet: bool = False

    @property
    def active(self) -> bool:
        return self.state not in (WarmState.READY, WarmState.FAILED)


def _never() -> bool:
    return False


class Prewarm:
    """Loads the systems `keys`, then those of `family`, after `start()`. `close()` stops it between two parts.

    `busy()` says whether a visitor's comparison waits or runs.
    """

    def __init__(
        self,
        cache: PipelineCache,
        downloads: DownloadQueue,
        status_board: StatusBoard,
        keys: Sequence[str],
        family: str = "",
        busy: Callable[[], bool] = _never,
    ) -> None:
        self._cache, self._downloads, self._status_board = cache, downloads, status_board
        self.keys, self.family, self._busy = tuple(dict.fromkeys(keys)), family, busy
        self._stop = threading.Event()
        self._worker: threading.Thread | None = None

    def start(self) -> None:
        """Start the worker, unless it is running or there is nothing to load."""
        if self._worker is not None:
            return
        notices = [self._first_notice(key) for key in self.keys] + self._family_notices()
        for notice in notices:
            self._status_board.post(notice)
        if notices:
            self._worker = threading.Thread(target=self._work, args=(notices,), name="prewarm", daemon=True)
            self._worker.start()

    def close(self, timeout: float = 5.0) -> None:
        """Stop between two parts and wait for the worker, at most `timeout` seconds; a second call does not wait."""
        again = self._stop.is_set()
        self._stop.set()
        if self._worker is not None and not again:
            self._worker.join(timeout)

    def _first_notice(self, key: str) -> Warming:
        system = self._cache.catalog.by_key().get(key)
        return Warming(key, key if system is None else system.name)

    def _family_notices(self) -> list[Warming]:
        systems = [system for system in self._cache.catalog.systems() if system.family == self.family]
        return [
            Warming(system.key, system.name, quiet=True)
            for system in systems
            if system.available and system.key not in self.keys
        ]

    def _work(self, notices: Sequence[Warming]) -> None:
        for notice in notices:
            self._warm(notice)

    def _warm(self, notice: Warming) -> None:
        """Load one system and post its progress and its end."""

        def report(progress: LoadProgress) -> None:
            self._status_board.post(replace(notice, state=WarmState.LOADING, loading=progress))

        try:
            self._download(notice)
            seconds = self._load(notice, report)
        except DemoError as error:
            logger.warning("%s was not loaded at the start: %s", notice.name, error)
            stopped = isinstance(error, CancelledError) and self._stop.is_set()
            message = "" if stopped else self._public_message(notice.key, error)
            self._status_board.post(replace(notice, state=WarmState.FAILED, message=message))
        except Exception:
            logger.exception("%s was not loaded at the start", notice.name)
            self._status_board.post(replace(notice, state=WarmState.FAILED, message=UNEXPECTED))
        else:
            self._status_board.post(replace(notice, state=WarmState.READY, seconds=seconds))

    def _load(self, notice: Warming, report: Callable[[LoadProgress], None]) -> float:
        """Load what is missing of one system, in the breaks between comparisons, and return the seconds."""
        seconds = 0.0
        while True:
            if self._busy():
                self._status_board.post(notice)
            while self._busy() and not self._stop.wait(POLL):
                pass
            start = time.perf_counter()
            try:
                self._cache.warm(notice.key, report, lambda: self._stop.is_set() or self._busy())
            except CancelledError:
                if self._stop.is_set():
                    raise
            else:
                return seconds + time.perf_counter() - start
            seconds += time.perf_counter() - start

    def _download(self, notice: Warming) -> None:
        """Download a system that is not on this machine. Raises ModelUnavailableError if that fails."""
        system = self._cache.catalog.by_key().get(notice.key)
        if system is None or system.availability is not Availability.TO_DOWNLOAD:
            return
        self._status_board.post(replace(notice, state=WarmState.FETCHING))
        self._downloads.start(notice.key, operator=True)
        for download in self._downloads.watch(notice.key, POLL):
            if self._stop.is_set():
                raise CancelledError("Stopped during the download of the model.")
            if download.state in (DownloadState.FAILED, DownloadState.CANCELLED):
                raise ModelUnavailableError(download.message)

    def _public_message(self, key: str, error: DemoError) -> str:
        """Return the error's text without the folders of this machine."""
        system = self._cache.catalog.by_key().get(key)
        return str(error) if system is None else system.public_error(error)
