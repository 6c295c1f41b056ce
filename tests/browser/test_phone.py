"""The result stays in view while it comes, and the back button returns to the comparison before, at every width."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.browser.test_comparison import DONE, NARROW, WIDE, type_and_submit, visit

pytestmark = pytest.mark.browser

TOP = "document.querySelector('#bk-results').getBoundingClientRect().top"
IN_VIEW = f"(() => {{ const top = {TOP}; return top >= 0 && top <= 100; }})()"
SMALL_FIELDS = """[...document.querySelectorAll('input, select, textarea')]
  .filter(field => parseFloat(getComputedStyle(field).fontSize) < 16).map(field => field.outerHTML.slice(0, 90))"""


def test_the_result_stays_in_view_for_the_first_and_later_runs(
    chromium: Any, address: str, door: threading.Event
) -> None:
    page = visit(chromium, address, NARROW)
    for prompt in ("red apple", "whale"):
        door.clear()
        type_and_submit(page, prompt)
        page.wait_for_selector(f".bk-prompt:has-text('{prompt}')")
        page.wait_for_function(IN_VIEW)
        page.wait_for_selector(".bk-column:nth-child(3)[data-tone=working]")
        page.wait_for_selector(".bk-timing")  # it comes with the first picture and pushes the notes down
        assert page.evaluate(IN_VIEW), page.evaluate(TOP)
        door.set()
        page.wait_for_selector(DONE)
        assert page.evaluate(IN_VIEW), page.evaluate(TOP)
        page.evaluate("window.scrollTo(0, 0)")
    assert page.evaluate(SMALL_FIELDS) == []


def test_a_visitor_who_scrolls_away_is_left_alone(chromium: Any, address: str, door: threading.Event) -> None:
    door.clear()
    page = visit(chromium, address, NARROW)
    type_and_submit(page, "red apple")
    page.wait_for_selector(".bk-column:nth-child(3)[data-tone=working]")
    page.wait_for_function(IN_VIEW)
    page.evaluate("window.scrollTo(0, 0)")
    door.set()
    page.wait_for_selector(DONE)
    assert page.evaluate("window.scrollY < innerHeight / 10")  # a last frame of the page's own scrolling may come after


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_back_and_forward_show_the_comparison_before_and_after(
    chromium: Any, address: str, door: threading.Event, size: dict[str, int]
) -> None:
    door.set()
    page = visit(chromium, address, size)
    links: list[str] = []
    for prompt in ("red apple", "whale"):
        type_and_submit(page, prompt)
        page.wait_for_selector(f".bk-prompt:has-text('{prompt}')")
        page.wait_for_selector(DONE)
        page.wait_for_function("(known) => !known.includes(location.href)", arg=[address, *links])
        links.append(page.url)
    page.go_back()
    page.wait_for_selector(".bk-prompt:has-text('red apple')")
    assert page.url == links[0]
    page.wait_for_function("document.querySelector('#bk-prompt textarea').value === 'red apple'")
    page.wait_for_function(f"{TOP} >= 0 && {TOP} < innerHeight / 2")
    page.go_forward()
    page.wait_for_selector(".bk-prompt:has-text('whale')")
    assert page.url == links[1]


def test_no_line_breaks_between_a_number_and_its_unit(chromium: Any, address: str, door: threading.Event) -> None:
    door.set()
    page = visit(chromium, address, NARROW)
    type_and_submit(page, "red apple")
    page.wait_for_selector(DONE)
    page.wait_for_selector(".bk-table")
    figures = page.evaluate(
        "[...document.querySelectorAll('.bk-seconds, .bk-row-sum b')].map(element => element.textContent)"
    )
    assert len(figures) == 4 + 2 * 4
    assert all("\N{NO-BREAK SPACE}" in figure and " " not in figure for figure in figures), figures
