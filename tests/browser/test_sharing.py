"""Sharing from the page: the menu with the QR code and the code to embed, and a reload inside the hub's frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bksdm_demo.ui.page import HERE
from tests.browser.test_comparison import DONE, NARROW, visit
from tests.ui.test_page import served

pytestmark = pytest.mark.browser

OUTER, INNER = "https://huggingface.co/spaces/someone/demo", "https://someone-demo.hf.space/"
MESSAGES = """<script>said = [];
addEventListener('message', ({data}) => data.queryString && said.push(data.queryString))</script>"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("site"), shares=True) as (found, _):
        yield found


def done(page: Any, prompt: str) -> str:
    """The id of a comparison drawn on this page or frame."""
    page.fill("#bk-prompt textarea", prompt)
    page.click("#bk-compare")
    page.wait_for_selector(DONE)
    page.wait_for_function("bksdm.addressed()")
    return str(page.evaluate("bksdm.addressed()"))


def test_the_menu_offers_code_to_embed_and_fits_a_phone(chromium: Any, address: str) -> None:
    page = visit(chromium, address, NARROW)
    job = done(page, 'an <apple> & "pear"')
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
    page.click("[data-share] summary")
    page.wait_for_function("document.querySelector('.bk-qr img')?.naturalWidth > 0")
    box = page.locator("[data-share] .bk-menu-body").bounding_box()
    assert 0 <= box["x"] <= box["x"] + box["width"] <= NARROW["width"]
    assert page.is_visible(".bk-scan-not")  # at 127.0.0.1
    page.click("[data-embed]")
    code = page.input_value("[data-share] .bk-by-hand input")
    frame = page.evaluate(
        "(code) => { const found = new DOMParser().parseFromString(code, 'text/html').body.firstChild;"
        " return [found.tagName, found.src, found.title]; }",
        code,
    )
    assert frame == ["IFRAME", f"{address}embed/{job}", 'an <apple> & "pear"']


def framed(page: Any, outer: str, inner: str) -> Any:
    """Open a page at `outer` that frames `inner` and notes the queries it is sent. Returns the frame."""
    body = f'{MESSAGES}<iframe src="{inner}" width="1200" height="900"></iframe>'
    page.route(outer, lambda route: route.fulfill(body=body, content_type="text/html"))
    page.goto(outer)
    return page.wait_for_selector("iframe").content_frame()


def test_the_hub_is_told_what_is_shown(chromium: Any) -> None:
    """With the script alone: no served page can have the hub around it here. This frame may store nothing."""
    page = chromium.new_page()
    script = f"<script>{(HERE / 'page.js').read_text(encoding='utf-8')}</script>"
    page.route(f"{INNER}**", lambda route: route.fulfill(body=script, content_type="text/html"))
    inner = framed(page, OUTER, INNER)
    assert inner.evaluate("bksdm.addressed()") == ""
    inner.evaluate("bksdm.follow('first'); bksdm.follow('second')")
    page.wait_for_function("said.length == 2")
    assert page.evaluate("said") == ["job=first", "job=second"]


def test_a_reload_around_a_served_page_shows_the_comparison_again(chromium: Any, address: str) -> None:
    page = chromium.new_page()
    job = done(framed(page, f"{address}outer", address), "red apple")
    assert page.evaluate("said") == []  # this is not the hub
    page.reload()
    inner = page.wait_for_selector("iframe").content_frame()
    inner.wait_for_selector(DONE)
    assert inner.evaluate("bksdm.addressed()") == job
    link = framed(page, f"{address}other", f"{address}?prompt=cat+face")  # a link goes before
    link.wait_for_function("document.querySelector('#bk-prompt textarea')?.value == 'cat face'")
    assert link.evaluate("bksdm.addressed()") == ""
