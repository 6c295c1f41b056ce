"""Loads chosen systems in the background when the demo starts, so that the first visitor need not wait for it.

One after the other, by the cache's ordinary door: a visitor who asks for the same system meanwhile waits for the same
load. A system that is not here yet is downloaded first, as the operator asked for it by name. Progress goes to the
status board. The systems stay leased until all are loaded, so that a set that does not fit together is reported.
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
from bksdm_demo.records import Loading
from bksdm_demo.runs.pipeline_cache import PipelineCache

logger = logging.getLogger(__name__)

POLL = 0.2  # seconds between two looks whether to stop while a download is waited for
UNEXPECTED = "An unexpected error stopped it; the server's log says more."


class WarmState(StrEnum):
    """Where the prewarming of one system stands; the last two are final."""

    QUEUED = "queued"
    FETCHING = "fetching"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Warming:
    """A snapshot: the part that is being loaded, the seconds it took in the end, or why it failed."""

    key: str
    name: str
    state: WarmState = WarmState.QUEUED
    loading: Loading | None = None
    seconds: float = 0.0
    message: str = ""

    @property
    def active(self) -> bool:
        return self.state not in (WarmState.READY, WarmState.FAILED)


class Prewarm:
    """Loads `keys` once `start()` is called; `close()` it to stop between two parts."""

    def __init__(
        self, cache: PipelineCache, fetches: DownloadQueue, status_board: StatusBoard, keys: Sequence[str]
    ) -> None:
        self._cache, self._fetches, self._bulletin = cache, fetches, status_board
        self.keys = tuple(dict.fromkeys(keys))
        self._stop = threading.Event()
        self._worker: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless there is nothing to load or it has begun already."""
        if self.keys and self._worker is None:
            for key in self.keys:
                self._bulletin.post(Warming(key, self._name(key)))
            self._worker = threading.Thread(target=self._work, name="prewarm", daemon=True)
            self._worker.start()

    @property
    def closing(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.is_set()

    def close(self, timeout: float = 5.0) -> None:
        """Stop between two parts, and wait so long for that."""
        self._stop.set()
        if self._worker is not None:
            self._worker.join(timeout)

    def _name(self, key: str) -> str:
        return next((system.name for system in self._cache.catalog.systems() if system.key == key), key)

    def _work(self) -> None:
        with ExitStack() as held:
            for key in self.keys:
                self._warm(Warming(key, self._name(key)), held)

    def _warm(self, notice: Warming, held: ExitStack) -> None:
        """Load one system and post how it went."""

        def report(loading: Loading) -> None:
            self._bulletin.post(replace(notice, state=WarmState.LOADING, loading=loading))

        try:
            self._bring(notice)
            lease = held.enter_context(self._cache.lease(notice.key, report, self._stop.is_set))
        except DemoError as error:
            logger.warning("%s was not loaded at the start: %s", notice.name, error)
            message = "" if isinstance(error, CancelledError) and self._stop.is_set() else self._told(notice.key, error)
            self._bulletin.post(replace(notice, state=WarmState.FAILED, message=message))
        except Exception:
            logger.exception("%s was not loaded at the start", notice.name)
            self._bulletin.post(replace(notice, state=WarmState.FAILED, message=UNEXPECTED))
        else:
            self._bulletin.post(replace(notice, state=WarmState.READY, seconds=lease.load_seconds))

    def _bring(self, notice: Warming) -> None:
        """Download a system that is not here; raises why it did not come."""
        systems = {system.key: system for system in self._cache.catalog.systems()}
        if notice.key not in systems or systems[notice.key].availability is not Availability.TO_DOWNLOAD:
            return
        self._bulletin.post(replace(notice, state=WarmState.FETCHING))
        self._fetches.start(notice.key, operator=True)
        for fetch in self._fetches.watch(notice.key, POLL):
            if self._stop.is_set():
                raise CancelledError("Stopped while the model was coming.")
            if fetch.state in (DownloadState.FAILED, DownloadState.CANCELLED):
                raise ModelUnavailableError(fetch.message)

    def _told(self, key: str, error: DemoError) -> str:
        """The error's text for a visitor, who need not know where on this machine the systems lie."""
        systems = {system.key: system for system in self._cache.catalog.systems()}
        return systems[key].public_error(error) if key in systems else str(error)
