"""A visitor's path in a real browser, over fake parts: compare, return, be refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.ui.test_page import served

pytestmark = pytest.mark.browser

MILLISECONDS = 120_000  # a loaded machine is slow; nothing here is timed
DONE = ".bk-board[aria-busy=false] .bk-facts"
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("site")) as (found, _):
        yield found


def visit(chromium: Any, address: str, size: dict[str, int] = WIDE) -> Any:
    """A page of its own browser context, as of another visitor."""
    page = chromium.new_context(viewport=size).new_page()
    page.set_default_timeout(MILLISECONDS)
    page.goto(address)
    page.wait_for_selector("#bk-compare")
    return page


def type_and_submit(page: Any, prompt: str) -> None:
    """By keyboard alone."""
    page.fill("#bk-prompt textarea", prompt)
    page.keyboard.press("Control+Enter")


def test_compare_reload_and_a_second_visitor(chromium: Any, address: str) -> None:
    page = visit(chromium, address)
    foreign: list[str] = []
    page.on("request", lambda request: foreign.append(request.url))
    type_and_submit(page, "red {{apple}} ${1+1} <b>")
    page.wait_for_selector(DONE)
    assert page.inner_text(".bk-prompt") == "red {{apple}} ${1+1} <b>"
    page.wait_for_function("[...document.querySelectorAll('.bk-picture img')].filter(i => i.naturalWidth).length == 4")
    assert page.locator(".bk-picture img").first.get_attribute("alt").endswith("drawn by Emoji Original")
    assert page.locator(".bk-row").count() == 4
    assert "job=" in page.url
    assert [url for url in foreign if not url.startswith((address, "data:", "blob:"))] == []

    page.reload()
    page.wait_for_selector(DONE)
    assert page.input_value("#bk-prompt textarea") == "red {{apple}} ${1+1} <b>"
    assert page.locator(".bk-picture img").count() == 4

    other = visit(chromium, address)
    assert other.locator(".bk-picture").count() == 0
    assert "{{apple}}" not in other.content()


def test_a_narrow_page_never_scrolls_sideways(chromium: Any, address: str) -> None:
    page = visit(chromium, address, NARROW)
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) == NARROW["width"]
    page.click("#bk-settings button")
    page.wait_for_selector("#bk-negative textarea")
    assert page.evaluate(width) == NARROW["width"]
    type_and_submit(page, "a" * 300)
    page.wait_for_selector(DONE)
    page.wait_for_selector(".bk-table")
    assert page.evaluate(width) == NARROW["width"]


def test_a_refused_form_speaks_beside_the_button(chromium: Any, address: str) -> None:
    page = visit(chromium, address)
    type_and_submit(page, " ")
    page.wait_for_selector("#bk-said [role=alert]")
    assert page.inner_text("#bk-said").startswith("The prompt is empty")
    assert page.is_enabled("#bk-compare")


def test_a_late_answer_about_the_models_does_not_replace_the_comparison(chromium: Any, address: str) -> None:
    """On a slow line, the request for the empty board may end after the comparison."""
    page = visit(chromium, address)
    late: list[Any] = []

    def hold(route: Any) -> None:
        values = json.loads(route.request.post_data)["data"]
        if values == [["emoji-base", "emoji-small", "emoji-tiny"], None]:  # the chosen models, and no comparison yet
            late.append(route)
        else:
            route.continue_()

    page.route("**/gradio_api/run/predict", hold)
    page.uncheck("#bk-models label:has-text('Emoji Original') input")
    page.wait_for_function("document.querySelectorAll('#bk-models input:checked').length == 3")
    type_and_submit(page, "red apple")
    page.wait_for_selector(DONE)
    assert len(late) == 1
    with page.expect_response(lambda answer: answer.request == late[0].request):
        late[0].continue_()
    page.wait_for_selector(".bk-board:not([data-job])", state="attached")
    page.wait_for_selector(DONE)
    assert page.locator(".bk-picture").count() == 3
