"""Published models in a real browser over a fake hub: download, cancel, fail, watch from another tab."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bksdm_demo.errors import CancelledError, ModelUnavailableError
from bksdm_demo.library.progress import Progress, Report, Stage
from bksdm_demo.library.published import PUBLISHED, PublishedSystem
from bksdm_demo.ui.page import build_page, launch_options
from tests.browser.test_comparison import NARROW, visit
from tests.fakes import fake_background, fake_comparisons, write_fetched
from tests.ui.test_page import free_port

pytestmark = pytest.mark.browser

TINY, SMALL, ORIGINAL = "bk-sdm-tiny-2m", "bk-sdm-small-2m", "sd-v1-4-palettized"
UNREACHED = "The hub cannot be reached."


class Hub:
    """A download halfway that waits for the test; the original cannot be reached."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def __call__(
        self, system: PublishedSystem, models_dir: Path, *, report: Report, cancelled: threading.Event
    ) -> Path:
        if system.key == ORIGINAL:
            raise ModelUnavailableError(UNREACHED)
        report(Progress(Stage.DOWNLOADING, 512_000_000, 1_430_000_000, 12_300_000.0, 74.6))
        while not self.released.wait(0.01):
            if cancelled.is_set():
                raise CancelledError("Stopped.")
        return write_fetched(models_dir, system.key)


@pytest.fixture
def gate() -> threading.Event:
    """What the model waits for that is loaded at the start."""
    return threading.Event()


@pytest.fixture
def site(tmp_path: Path, gate: threading.Event) -> Iterator[tuple[str, Hub]]:
    hub = Hub()
    comparisons = fake_comparisons(
        tmp_path, {"base_unet": {"load_gate": gate}}, models_dir=tmp_path / "models", published=PUBLISHED
    )
    background = fake_background(comparisons, PUBLISHED, hub, prewarm=["emoji-base"])
    background.prewarm.start()
    page = build_page(comparisons, background)
    _, address, _ = page.launch(
        prevent_thread_lock=True, quiet=True, server_port=free_port(), **launch_options(comparisons, background)
    )
    try:
        yield address, hub
    finally:
        gate.set()
        hub.released.set()
        page.close(verbose=False)
        background.close()
        comparisons.close()


def card(page: Any, key: str, words: str) -> None:
    """Wait until a card says so."""
    page.wait_for_selector(f"#bk-offer-{key} .bk-offer:has-text({words!r})")


def test_a_model_is_downloaded_and_chosen_without_a_restart(
    chromium: Any, site: tuple[str, Hub], gate: threading.Event
) -> None:
    address, hub = site
    page = visit(chromium, address)
    page.wait_for_selector("#bk-warming li:has-text('Loading Emoji Base: U-Net, 1 of 4')")
    page.click("#bk-shelf button >> nth=0")
    card(page, TINY, "1.43 GB")
    assert page.locator(f"#bk-offer-{TINY} a").first.get_attribute("href").startswith("https://huggingface.co/")
    page.click(f"#bk-offer-{ORIGINAL} .bk-download")
    card(page, ORIGINAL, UNREACHED)
    page.wait_for_selector(f"#bk-offer-{ORIGINAL} .bk-download:has-text('Try again')")
    page.click(f"#bk-offer-{TINY} .bk-download")
    card(page, TINY, "512 MB of 1.43 GB, 12.3 MB a second, 1 min 15 s left")
    page.close()

    other = visit(chromium, address, NARROW)  # the download went on without the tab that began it
    card(other, TINY, "512 MB of 1.43 GB")
    other.click(f"#bk-offer-{SMALL} .bk-download")
    card(other, SMALL, "waiting for another download")
    other.click(f"#bk-offer-{SMALL} .bk-stop")
    card(other, SMALL, "The downloaded part stays on disk")
    assert other.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
    hub.released.set()
    gate.set()
    card(other, TINY, "choose it in the list above")
    other.check("#bk-models label:has-text('BK-SDM-Tiny-2M') input")
    for name in ("Original", "Base", "Small"):
        other.uncheck(f"#bk-models label:has-text('Emoji {name}') input")
    other.click("#bk-compare")
    other.wait_for_selector(".bk-board[aria-busy=false] .bk-picture")
    assert other.locator(".bk-picture").count() == 2
    other.close()
