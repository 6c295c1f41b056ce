"""Loads chosen systems in the background at the start of the demo, so that the first visitor need not wait.

Systems load one after the other through the pipeline cache, so a visitor who asks for the same system waits for the
same load. A system that is not on this machine is downloaded first. Progress goes to the status board. All systems
stay leased until the last one is loaded. A set that does not fit into memory together is therefore reported.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import StrEnum

from bksdm_demo.downloads.download_queue import DownloadQueue, DownloadState
from bksdm_demo.downloads.status_board import StatusBoard
from bksdm_demo.errors import CancelledError, DemoError, ModelUnavailableError
from bksdm_demo.library.catalog import Availability
from bksdm_demo.records import LoadProgress
from bksdm_demo.runs.pipeline_cache import PipelineCache

logger = logging.getLogger(__name__)

POLL = 0.2  # seconds between two checks for `close()` during a download
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
    """A snapshot of one system's prewarming. `seconds` is the time it took, `message` why it failed."""

    key: str
    name: str
    state: WarmState = WarmState.QUEUED
    loading: LoadProgress | None = None
    seconds: float = 0.0
    message: str = ""

    @property
    def active(self) -> bool:
        return self.state not in (WarmState.READY, WarmState.FAILED)


class Prewarm:
    """Loads the systems `keys` after `start()`. `close()` stops it between two parts."""

    def __init__(
        self, cache: PipelineCache, downloads: DownloadQueue, status_board: StatusBoard, keys: Sequence[str]
    ) -> None:
        self._cache, self._downloads, self._status_board = cache, downloads, status_board
        self.keys = tuple(dict.fromkeys(keys))
        self._stop = threading.Event()
        self._worker: threading.Thread | None = None

    def start(self) -> None:
        """Start the worker, unless it is running or there is nothing to load."""
        if self.keys and self._worker is None:
            for key in self.keys:
                self._status_board.post(self._first_notice(key))
            self._worker = threading.Thread(target=self._work, name="prewarm", daemon=True)
            self._worker.start()

    def close(self, timeout: float = 5.0) -> None:
        """Stop between two parts and wait for the worker, at most `timeout` seconds."""
        self._stop.set()
        if self._worker is not None:
            self._worker.join(timeout)

    def _first_notice(self, key: str) -> Warming:
        system = self._cache.catalog.by_key().get(key)
        return Warming(key, key if system is None else system.name)

    def _work(self) -> None:
        with ExitStack() as leases:
            for key in self.keys:
                self._warm(self._first_notice(key), leases)

    def _warm(self, notice: Warming, leases: ExitStack) -> None:
        """Load one system and post its progress and its end."""

        def report(progress: LoadProgress) -> None:
            self._status_board.post(replace(notice, state=WarmState.LOADING, loading=progress))

        try:
            self._download(notice)
            lease = leases.enter_context(self._cache.lease(notice.key, report, self._stop.is_set))
        except DemoError as error:
            logger.warning("%s was not loaded at the start: %s", notice.name, error)
            stopped = isinstance(error, CancelledError) and self._stop.is_set()
            message = "" if stopped else self._public_message(notice.key, error)
            self._status_board.post(replace(notice, state=WarmState.FAILED, message=message))
        except Exception:
            logger.exception("%s was not loaded at the start", notice.name)
            self._status_board.post(replace(notice, state=WarmState.FAILED, message=UNEXPECTED))
        else:
            self._status_board.post(replace(notice, state=WarmState.READY, seconds=lease.load_seconds))

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
