"""Tabs of one browser. A browser opens at most six connections to one server, for all its tabs together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.test_comparison import DONE, MILLISECONDS, type_and_submit
from tests.ui.test_page import served

pytestmark = pytest.mark.browser

TABS = 8  # more than the connections
READY = "#bk-compare"
WORKING = ".bk-column[data-tone=working]"
RUNNING = "[data-news^='news/board/']"


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    door = threading.Event()
    yield door
    door.set()


@pytest.fixture
def address(tmp_path: Path, gate: threading.Event) -> Iterator[str]:
    with served(tmp_path, {"unet": {"run_gate": gate}}) as (found, _):
        yield found


@pytest.fixture
def context(chromium: Any) -> Any:
    """One browser of one visitor."""
    made = chromium.new_context()
    made.set_default_timeout(MILLISECONDS)
    return made


def opened(context: Any, address: str, selector: str) -> Any:
    page = context.new_page()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(selector)
    return page


def test_any_number_of_idle_tabs(context: Any, address: str) -> None:
    tabs = [opened(context, address, READY) for _ in range(TABS)]
    assert len(tabs) == TABS


def test_any_number_of_tabs_watch_a_comparison_and_the_last_one_stops_it(
    context: Any, address: str, gate: threading.Event
) -> None:
    first = opened(context, address, READY)
    type_and_submit(first, "red apple")
    first.wait_for_selector(WORKING)
    first.wait_for_function("location.search.includes('job=')")
    tabs = [first, *(opened(context, first.url, WORKING) for _ in range(TABS - 1))]
    tabs[-1].click("#bk-cancel")
    first.wait_for_function("document.querySelector('#bk-cancel').innerText.includes('Stopping')")
    gate.set()
    for tab in tabs:
        tab.bring_to_front()  # a tab in the background asks for no news
        tab.wait_for_selector(DONE)
        assert tab.inner_text(".bk-status") == "No picture, 4 stopped"


def test_a_tab_in_the_background_asks_for_no_news(context: Any, address: str) -> None:
    page = opened(context, address, READY)
    asked: list[str] = []
    page.on("request", lambda request: asked.extend([request.url] if "/news/" in request.url else []))
    page.evaluate(
        """() => {
      Object.defineProperty(document, 'hidden', { get: () => window.away ?? false, configurable: true });
      window.away = true;
    }"""
    )
    type_and_submit(page, "red apple")
    page.wait_for_selector(RUNNING)  # perhaps in the queue, and no news says that it left it
    page.wait_for_timeout(1500)
    assert asked == []
    page.evaluate("() => { window.away = false; document.dispatchEvent(new Event('visibilitychange')); }")
    with page.expect_request("**/news/board/*"):
        pass
