"""The published models, as plain functions and over HTTP: download, watch, cancel, refuse, choose."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gradio_client import Client

from bksdm_demo.downloads.background import Background
from bksdm_demo.downloads.download_queue import NOT_ALLOWED
from bksdm_demo.errors import CancelledError
from bksdm_demo.library.progress import Progress, Report, Stage
from bksdm_demo.library.published import PUBLISHED, PublishedSystem
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.background import BackgroundHandlers
from bksdm_demo.ui.page import build_page, launch_options
from tests.fakes import FAMILY, fake_background, fake_comparisons, write_fetched
from tests.ui.test_page import compared, free_port, values

KEYS = tuple(offer.key for offer in PUBLISHED)
TINY = KEYS.index("bk-sdm-tiny-2m")
PATIENCE = 20  # seconds until a test that hangs fails


class Line:
    """A download that waits halfway for the test."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def __call__(
        self, system: PublishedSystem, models_dir: Path, *, report: Report, cancelled: threading.Event
    ) -> Path:
        report(Progress(Stage.DOWNLOADING, 700, 1400, 10.0, 70.0))
        while not self.released.wait(0.01):
            if cancelled.is_set():
                raise CancelledError("Stopped.")
        return write_fetched(models_dir, system.key)


@contextmanager
def shelf(folder: Path, line: Line, **options: Any) -> Iterator[tuple[BackgroundHandlers, Comparisons, Background]]:
    comparisons = fake_comparisons(folder, models_dir=folder / "models", published=PUBLISHED)
    background = fake_background(comparisons, PUBLISHED, line, **options)
    try:
        yield BackgroundHandlers(background, comparisons.catalog, KEYS), comparisons, background
    finally:
        line.released.set()
        background.close()
        comparisons.close()


def card(values: tuple[Any, ...]) -> str:
    """The card of BK-SDM-Tiny; the first three outputs are not cards."""
    return str(values[3 + TINY])


def ended(handlers: BackgroundHandlers, until: str = "") -> list[tuple[Any, ...]]:
    """What a page shows from now until nothing is active, or until a card says `until`."""
    seen = [handlers.refresh()]
    while "data-news" in seen[-1][0] and not (until and until in card(seen[-1])):
        handlers.status_board.newer(handlers.status_board.snapshot().version, 0.01)
        seen.append(handlers.refresh())
    return seen


def test_a_page_does_not_ask_when_nothing_is_active(tmp_path: Path) -> None:
    with shelf(tmp_path, Line()) as (handlers, _, _):
        only = handlers.current()
        assert len(only) == 3 + 3 * len(KEYS)
        assert only[0] == ""
        assert only[1]["label"] == "Published models: 5 to download"
        assert [key for _, key in only[2]["choices"]] == list(FAMILY)
        assert "BK-SDM-Tiny-2M" in card(only)


def test_a_download_is_watched_to_its_end_and_can_then_be_chosen(tmp_path: Path) -> None:
    line = Line()
    with shelf(tmp_path, line) as (handlers, _, _):
        begun = handlers.starter("bk-sdm-tiny-2m")()
        assert 'data-news="news/models"' in begun[0]
        halfway = ended(handlers, until="700\N{NO-BREAK SPACE}B of 1.40\N{NO-BREAK SPACE}kB")
        line.released.set()
        assert "10\N{NO-BREAK SPACE}B a second" in card(halfway[-1])
        last = ended(handlers)[-1]
        assert "choose it in the list" in card(last)
        assert "bk-sdm-tiny-2m" in [key for _, key in last[2]["choices"]]


def test_news_leave_the_panel_as_the_visitor_folded_it(tmp_path: Path) -> None:
    with shelf(tmp_path, Line()) as (handlers, _, _):
        assert handlers.starter("bk-sdm-tiny-2m")()[1]["open"] is True
        assert "open" not in handlers.refresh()[1]


def test_another_tab_watches_the_same_download(tmp_path: Path) -> None:
    line = Line()
    with shelf(tmp_path, line) as (handlers, _, _):
        handlers.starter("bk-sdm-tiny-2m")()
        assert 'data-tone="working"' in card(handlers.current())
        line.released.set()
        assert "choose it in the list" in card(ended(handlers)[-1])


def test_cancelling(tmp_path: Path) -> None:
    line = Line()
    with shelf(tmp_path, line) as (handlers, _, background):
        handlers.starter("bk-sdm-tiny-2m")()
        assert handlers.stopper("bk-sdm-tiny-2m")()["value"] == "Stopping…"
        assert "The downloaded part stays on disk" in card(ended(handlers)[-1])
        assert handlers.stopper("bk-sdm-small-2m")() == {"__type__": "update", "visible": False}  # never begun
        assert not background.status_board.snapshot().active


def test_without_a_hub_there_is_a_sentence_and_the_rest_goes_on(tmp_path: Path) -> None:
    comparisons = fake_comparisons(tmp_path, models_dir=tmp_path / "models", published=PUBLISHED)
    background = fake_background(comparisons, PUBLISHED)  # its download fails
    try:
        handlers = BackgroundHandlers(background, comparisons.catalog, KEYS)
        handlers.starter("bk-sdm-tiny-2m")()
        last = ended(handlers)[-1]
        assert "The hub of this test cannot be reached." in card(last)
        assert 'role="alert"' in card(last)
        assert comparisons.catalog.get("emoji-tiny").available
    finally:
        background.close()
        comparisons.close()


def test_switched_off_the_event_is_refused_as_well(tmp_path: Path) -> None:
    with shelf(tmp_path, Line(), allowed=False) as (handlers, _, _):
        only = handlers.starter("bk-sdm-tiny-2m")()
        assert NOT_ALLOWED in only[0]
        assert only[3 + len(KEYS) + TINY]["visible"] is False


def test_a_model_downloaded_after_the_start_can_be_compared(tmp_path: Path) -> None:
    line = Line()
    line.released.set()
    with shelf(tmp_path, line) as (_, comparisons, background):
        page = build_page(comparisons, background)
        _, address, _ = page.launch(
            prevent_thread_lock=True, quiet=True, server_port=free_port(), **launch_options(comparisons)
        )
        try:
            background.downloads.start("bk-sdm-tiny-2m")
            for _ in background.downloads.watch("bk-sdm-tiny-2m", PATIENCE):
                pass
            wanted = values("red apple", models=["emoji-tiny", "bk-sdm-tiny-2m"])
            answer = compared(Client(address, verbose=False), *wanted)[-1]
            assert "2 pictures from the same noise" in answer.board
        finally:
            page.close(verbose=False)
