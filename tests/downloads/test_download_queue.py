"""The download queue: one download per system, its progress, cancels, failures, and the system afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bksdm_demo.downloads.download_queue import (
    NOT_ALLOWED,
    STOPPED,
    UNEXPECTED,
    DownloadQueue,
    DownloadState,
    FetchSystem,
    MemoryEstimate,
)
from bksdm_demo.downloads.status_board import StatusBoard
from bksdm_demo.errors import BusyError, CancelledError, ModelUnavailableError, RequestError
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.library.fetch import fetch
from bksdm_demo.library.progress import Progress, Report, Stage
from bksdm_demo.library.published import PUBLISHED, PublishedSystem
from tests.fakes import fake_catalog, write_fetched
from tests.library.conftest import REPO, SYSTEM, _client, hub, zip_bytes  # noqa: F401
from tests.library.hub_server import HubServer

TINY, SMALL = "bk-sdm-tiny-2m", "bk-sdm-small-2m"
PATIENCE = 20  # seconds until a test that hangs fails
HALFWAY = Progress(Stage.DOWNLOADING, 700, 1400, 10.0, 70.0)


class Line:
    """A download that reports once and then waits for the test or for a cancel."""

    def __init__(self) -> None:
        self.began, self.released = threading.Event(), threading.Event()
        self.fetched: list[str] = []

    def __call__(
        self, system: PublishedSystem, models_dir: Path, *, report: Report, cancelled: threading.Event
    ) -> Path:
        report(HALFWAY)
        self.began.set()
        while not self.released.wait(0.01):
            if cancelled.is_set():
                raise CancelledError("Stopped on request, in other words.")
        self.fetched.append(system.key)
        return write_fetched(models_dir, system.key)


def refusing(error: Exception) -> FetchSystem:
    def fetch_system(system: PublishedSystem, models_dir: Path, *, report: Report, cancelled: threading.Event) -> Path:
        raise error

    return fetch_system


@contextmanager
def running(
    folder: Path, fetch_system: FetchSystem, *, allowed: bool = True
) -> Iterator[tuple[DownloadQueue, Catalog]]:
    models = folder / "models"
    catalog = fake_catalog(folder, models, PUBLISHED)
    downloads = DownloadQueue(catalog, models, PUBLISHED, StatusBoard(), allowed=allowed, fetch=fetch_system)
    try:
        yield downloads, catalog
    finally:
        downloads.close()


def ended(downloads: DownloadQueue, key: str) -> DownloadState:
    """Wait for the final state of a download."""
    return [snapshot.state for snapshot in downloads.watch(key, heartbeat=PATIENCE)][-1]


def available(catalog: Catalog) -> set[str]:
    return {system.key for system in catalog.systems() if system.available}


def test_a_download_makes_its_system_selectable(tmp_path: Path) -> None:
    line = Line()
    with running(tmp_path, line) as (downloads, catalog):
        assert TINY not in available(catalog)
        assert downloads.start(TINY).state in (DownloadState.QUEUED, DownloadState.ASKING, DownloadState.DOWNLOADING)
        assert line.began.wait(PATIENCE)
        snapshot = downloads.get(TINY)
        assert (snapshot.name, snapshot.state) == ("BK-SDM-Tiny-2M", DownloadState.DOWNLOADING)
        assert (snapshot.done_bytes, snapshot.total_bytes) == (700, 1400)
        assert (snapshot.bytes_per_second, snapshot.seconds_left) == (10.0, 70.0)
        line.released.set()
        assert ended(downloads, TINY) is DownloadState.DONE
        assert TINY in available(catalog)


def test_a_system_is_downloaded_once_for_many_callers(tmp_path: Path) -> None:
    line = Line()
    with running(tmp_path, line) as (downloads, _):
        for _ in range(3):
            downloads.start(TINY)
        line.released.set()
        assert ended(downloads, TINY) is DownloadState.DONE
        assert line.fetched == [TINY]


def test_downloads_run_one_after_the_other(tmp_path: Path) -> None:
    line = Line()
    with running(tmp_path, line) as (downloads, _):
        downloads.start(TINY)
        assert line.began.wait(PATIENCE)
        assert downloads.start(SMALL).state is DownloadState.QUEUED
        line.released.set()
        assert ended(downloads, SMALL) is DownloadState.DONE
        assert line.fetched == [TINY, SMALL]


def test_a_running_download_can_be_cancelled_and_started_again(tmp_path: Path) -> None:
    line = Line()
    with running(tmp_path, line) as (downloads, _):
        downloads.start(TINY)
        assert line.began.wait(PATIENCE)
        assert downloads.cancel(TINY).stopping
        assert ended(downloads, TINY) is DownloadState.CANCELLED
        assert downloads.get(TINY).message == STOPPED
        assert not downloads.get(TINY).stopping
        line.released.set()
        downloads.start(TINY)
        assert ended(downloads, TINY) is DownloadState.DONE


def test_a_waiting_download_is_cancelled_at_once(tmp_path: Path) -> None:
    line = Line()
    with running(tmp_path, line) as (downloads, _):
        downloads.start(TINY)
        assert line.began.wait(PATIENCE)
        downloads.start(SMALL)
        assert downloads.cancel(SMALL).state is DownloadState.CANCELLED
        line.released.set()
        assert ended(downloads, TINY) is DownloadState.DONE
        assert line.fetched == [TINY]
        assert downloads.cancel(TINY).state is DownloadState.DONE  # too late, and harmless


def test_a_watcher_can_leave_and_come_back(tmp_path: Path) -> None:
    line = Line()
    with running(tmp_path, line) as (downloads, _):
        downloads.start(TINY)
        assert line.began.wait(PATIENCE)
        assert next(iter(downloads.watch(TINY))).state is DownloadState.DOWNLOADING
        line.released.set()
        assert ended(downloads, TINY) is DownloadState.DONE


def test_a_failure_has_a_message_without_folders_and_can_be_tried_again(tmp_path: Path) -> None:
    models = tmp_path / "models"
    error = ModelUnavailableError(f"Files cannot be written to {models}: No space left on device.")
    with running(tmp_path, refusing(error)) as (downloads, catalog):
        for _ in range(2):
            downloads.start(TINY)
            assert ended(downloads, TINY) is DownloadState.FAILED
        assert (
            downloads.get(TINY).message == "Files cannot be written to the models directory: No space left on device."
        )
        assert "emoji-tiny" in available(catalog)


def test_an_unexpected_error_hides_its_text_and_the_next_download_runs(tmp_path: Path) -> None:
    with running(tmp_path, refusing(ZeroDivisionError("secret"))) as (downloads, _):
        for key in (TINY, SMALL):
            downloads.start(key)
            assert ended(downloads, key) is DownloadState.FAILED
            assert downloads.get(key).message == UNEXPECTED


def test_a_broken_system_is_a_failed_download(tmp_path: Path) -> None:
    def fetch_system(system: PublishedSystem, models_dir: Path, *, report: Report, cancelled: threading.Event) -> Path:
        (models_dir / system.key).mkdir(parents=True)
        return models_dir / system.key

    with running(tmp_path, fetch_system) as (downloads, _):
        downloads.start(TINY)
        assert ended(downloads, TINY) is DownloadState.FAILED
        assert downloads.get(TINY).message.startswith("BK-SDM-Tiny-2M is downloaded, but it cannot be used: ")


def test_only_the_operator_downloads_if_switched_off(tmp_path: Path) -> None:
    line = Line()
    with running(tmp_path, line, allowed=False) as (downloads, _):
        with pytest.raises(ModelUnavailableError, match=NOT_ALLOWED):
            downloads.start(TINY)
        with pytest.raises(RequestError):
            downloads.get(TINY)
        downloads.start(TINY, operator=True)
        with pytest.raises(ModelUnavailableError, match=NOT_ALLOWED):
            downloads.cancel(TINY)
        line.released.set()
        assert ended(downloads, TINY) is DownloadState.DONE


def test_an_unpublished_system_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, Line()) as (downloads, _), pytest.raises(ModelUnavailableError, match=f"'sdxl'.*{TINY}"):
        downloads.start("sdxl")


def test_closing_stops_everything(tmp_path: Path) -> None:
    line = Line()
    with running(tmp_path, line) as (downloads, _):
        downloads.start(TINY)
        assert line.began.wait(PATIENCE)
        downloads.start(SMALL)
        downloads.close()
        assert [downloads.get(key).state for key in (TINY, SMALL)] == [DownloadState.CANCELLED] * 2
        with pytest.raises(BusyError):
            downloads.start(TINY)


@pytest.mark.parametrize(("memory", "short"), [(9, 0), (10, 0), (13, 3)])
def test_missing_bytes(memory: int, short: int) -> None:
    assert MemoryEstimate(memory, budget_bytes=10).short_bytes == short


# --- Over the real download ------------------------------------------------------------------------------------------


@contextmanager
def from_hub(folder: Path) -> Iterator[DownloadQueue]:
    models = folder / "models"
    downloads = DownloadQueue(fake_catalog(folder, models, (SYSTEM,)), models, (SYSTEM,), StatusBoard(), fetch=fetch)
    try:
        yield downloads
    finally:
        downloads.close()


def through(downloads: DownloadQueue) -> list[DownloadState]:
    """Start a download and return its states in order."""
    downloads.start(SYSTEM.key)
    return list(dict.fromkeys(snapshot.state for snapshot in downloads.watch(SYSTEM.key, heartbeat=PATIENCE)))


def test_a_cancel_leaves_the_downloaded_bytes(hub: HubServer, tmp_path: Path) -> None:  # noqa: F811
    hub.faults.stall_after = 100_000
    with from_hub(tmp_path) as downloads:
        downloads.start(SYSTEM.key)
        assert hub.faults.stalled.wait(PATIENCE)
        downloads.cancel(SYSTEM.key)
        hub.faults.release.set()
        assert ended(downloads, SYSTEM.key) is DownloadState.CANCELLED
        hub.faults.stall_after = None
        downloads.start(SYSTEM.key)
        ended(downloads, SYSTEM.key)
    first, second = hub.bodies()
    assert first == 0
    assert second > 0


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(401, "does not know you"), (403, "does not let you"), (404, "tiny.zip"), (429, "too many"), (503, "failed")],
)
def test_a_refusing_hub_gives_a_message(
    hub: HubServer,  # noqa: F811
    tmp_path: Path,
    status: int,
    sentence: str,
) -> None:
    hub.faults.statuses = [status] * 100
    with from_hub(tmp_path) as downloads:
        assert through(downloads)[-1] is DownloadState.FAILED
        assert sentence in downloads.get(SYSTEM.key).message


def test_an_archive_without_a_system_is_a_failed_download(hub: HubServer, tmp_path: Path) -> None:  # noqa: F811
    hub.repos[REPO]["tiny.zip"] = zip_bytes({"readme.txt": b"x"})
    with from_hub(tmp_path) as downloads:
        states = through(downloads)
        assert states[-1] is DownloadState.FAILED
        message = downloads.get(SYSTEM.key).message
        assert "cannot be used" in message
        assert str(tmp_path) not in message
