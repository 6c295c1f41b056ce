"""The words of downloads, prewarming and memory estimates, by table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bksdm_demo.downloads import status
from bksdm_demo.downloads.download_queue import Download, DownloadState, MemoryEstimate
from bksdm_demo.downloads.prewarm import Warming, WarmState
from bksdm_demo.library.catalog import Availability, System
from bksdm_demo.library.record import FetchRecord
from bksdm_demo.records import LoadProgress
from bksdm_demo.ui.models import offer_card, warming_list

GB = 10**9
SYSTEM = System(
    "tiny", "Tiny <b>", "Family", "A system.", Path("tiny"), Availability.TO_DOWNLOAD, "it is not here yet.",
    unet_parameters=330_000_000, size_bytes=1_430_000_000, licence="OpenRAIL", licence_url="https://a.invalid/l?a&b",
    card_url="https://a.invalid/card",
)  # fmt: skip
FITS, SHORT = MemoryEstimate(7 * GB, 9 * GB), MemoryEstimate(10 * GB, 9 * GB)
WORKING = Download("tiny", "Tiny", DownloadState.DOWNLOADING, 512_000_000, 1_430_000_000, 12_300_000.0, 74.6)


def test_an_offered_system() -> None:
    view = status.offer_view(SYSTEM, None, FITS, allowed=True)
    assert (view.tone, view.download, view.cancel, view.line) == ("offered", "Download", "", "")
    assert view.facts == ("1.43 GB", "U-Net 330 M weights", "about 7.00 GB of memory")
    assert view.warning == ""


def test_a_system_that_does_not_fit_has_a_warning_and_can_be_downloaded() -> None:
    view = status.offer_view(SYSTEM, None, SHORT, allowed=True)
    assert "about 1.00 GB more than the 9.00 GB" in view.warning
    assert view.download == "Download"


def test_a_running_download() -> None:
    view = status.offer_view(SYSTEM, WORKING, FITS, allowed=True)
    assert (view.tone, view.download, view.cancel) == ("working", "", "Cancel")
    assert view.line == "downloading, 512 MB of 1.43 GB, 12.3 MB a second, 1 min 15 s left"
    assert view.progress == pytest.approx(0.358, abs=1e-3)
    stopping = status.offer_view(SYSTEM, replace(WORKING, stopping=True), FITS, allowed=True)
    assert stopping.cancel == "Stopping…"


@pytest.mark.parametrize(
    ("state", "tone", "download"),
    [(DownloadState.FAILED, "failed", "Try again"), (DownloadState.CANCELLED, "offered", "Continue")],
)
def test_a_download_that_ended_without_a_system(state: DownloadState, tone: str, download: str) -> None:
    ended = Download("tiny", "Tiny", state, message="Why not.")
    view = status.offer_view(SYSTEM, ended, FITS, allowed=True)
    assert (view.tone, view.download, view.line) == (tone, download, "Why not.")
    assert status.offer_view(SYSTEM, ended, FITS, allowed=False).download == ""


def test_a_downloaded_system() -> None:
    here = replace(SYSTEM, availability=Availability.ON_DISK)
    view = status.offer_view(here, Download("tiny", "Tiny", DownloadState.DONE), SHORT, allowed=True)
    assert (view.tone, view.download, view.cancel, view.warning) == ("done", "", "", "")
    assert "choose it" in view.line


def test_a_broken_system() -> None:
    broken = replace(SYSTEM, availability=Availability.UNAVAILABLE, reason="its U-Net is missing.")
    view = status.offer_view(broken, None, FITS, allowed=True)
    assert (view.tone, view.download, view.line) == ("failed", "", "It cannot be used: its U-Net is missing.")


def test_there_is_no_button_if_downloads_are_switched_off() -> None:
    assert status.offer_view(SYSTEM, None, FITS, allowed=False).download == ""
    going = Download(SYSTEM.key, SYSTEM.name, DownloadState.DOWNLOADING, 500, 1000)
    assert status.offer_view(SYSTEM, going, FITS, allowed=True).cancel == "Cancel"
    assert status.offer_view(SYSTEM, going, FITS, allowed=False).cancel == ""


def test_the_card_links_the_licence_beside_the_button_and_escapes() -> None:
    card = offer_card(status.offer_view(SYSTEM, None, FITS, allowed=True))
    assert "Tiny &lt;b&gt;" in card
    assert 'By downloading you accept <a href="https://a.invalid/l?a&amp;b"' in card
    assert "use restrictions" in card
    assert 'href="https://a.invalid/card"' in card


@pytest.mark.parametrize(
    ("views", "title"),
    [
        (["offered", "failed", "done"], "Published models: 2 to download"),
        (["offered", "working"], "Published models: 1 on the way"),
        (["done"], "Published models: all are here"),
    ],
)
def test_titles(views: list[str], title: str) -> None:
    view = status.offer_view(SYSTEM, None, FITS, allowed=True)
    assert status.panel_title([replace(view, tone=tone) for tone in views]) == title


def test_prewarming_has_a_line_until_the_system_is_ready() -> None:
    lines = status.warming_lines(
        [
            Warming("a", "A", WarmState.READY, seconds=3.0),
            Warming("b", "B", WarmState.LOADING, LoadProgress("U-Net", 2, 4, 100.0)),
            Warming("c", "C", WarmState.FETCHING),
            Warming("d", "D"),
            Warming("e", "E", WarmState.FAILED, message="It is torn."),
            Warming("f", "F", WarmState.FAILED),  # the demo was closed
            Warming("g", "G", quiet=True),
            Warming("h", "H", WarmState.LOADING, LoadProgress("U-Net", 2, 4, 100.0), quiet=True),
            Warming("i", "I", WarmState.FAILED, message="It does not fit.", quiet=True),
        ],
        now=145.0,
    )
    assert lines == (
        ("working", "Loading B: U-Net, 2 of 4, 45 s"),
        ("working", "Downloading C; it loads after that"),
        ("waiting", "D is waiting to load"),
        ("failed", "E was not loaded at the start: It is torn."),
        ("quiet", "Loading H in the background; you can start now"),
    )
    assert 'data-active="true"' in warming_list((), active=True)
    assert warming_list((), active=False) == ""


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (FITS, "about 7.00 GB of memory once loaded; the budget for models is 9.00 GB"),
        (SHORT, "about 10.0 GB of memory once loaded, 1.00 GB more than the budget for models (9.00 GB): "
                "it may be refused here"),
    ],
)  # fmt: skip
def test_memory_estimates(estimate: MemoryEstimate, words: str) -> None:
    assert status.memory_words(estimate) == words


def test_origins() -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    record = FetchRecord("a/b", "c.zip", commit, commit, "d", 1)
    assert status.origin_words(record) == "from a/b at commit 0123456789ab"
    assert status.origin_words(replace(record, asked="main")).endswith(", to which its branch main is pinned here")
