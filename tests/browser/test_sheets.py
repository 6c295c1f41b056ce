"""A sheet in a real browser: paste rows, see the cost, start, watch it, open the viewer, stop, go on, come back."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bksdm_demo.runs.comparisons import Comparisons
from tests.browser.test_accessibility import SIZES
from tests.browser.test_comparison import MILLISECONDS, NARROW, WIDE, visit
from tests.browser.test_votes import inspect
from tests.fakes import BLOCKED_WORD
from tests.ui.test_page import served

pytestmark = pytest.mark.browser

ROWS = ".bk-sheet-rows > li"
STATUS = ".bk-sheet header p[role=status]"


@pytest.fixture(scope="module")
def gate() -> threading.Event:
    """What Emoji Tiny waits for."""
    return threading.Event()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, gate: threading.Event) -> Iterator[tuple[str, Comparisons]]:
    with served(tmp_path_factory.mktemp("site"), {"tiny_unet": {"run_gate": gate}}) as running:
        yield running
        gate.set()


def open_form(page: Any, rows: str, axes: str = "") -> None:
    page.click("#bk-tabs [role=tab]:has-text('Sheets')")
    page.fill("#bk-sheet-text textarea", rows)
    page.fill("#bk-sheet-axes :is(textarea, input)", axes)


def choose_models(page: Any, *names: str) -> None:
    for label in page.locator("#bk-sheet-models label").all():
        box = label.locator("input")
        if box.is_checked() != any(name in label.inner_text() for name in names):
            box.click()


def status(page: Any, words: str) -> None:
    page.wait_for_selector(f"{STATUS}:has-text({json.dumps(words)})")


def test_a_sheet_from_paste_to_viewer_and_back(
    chromium: Any, site: tuple[str, Comparisons], gate: threading.Event
) -> None:
    address, _ = site
    page = visit(chromium, address, WIDE)
    open_form(page, f"prompt\tlabel\nred apple\tfruit\na {BLOCKED_WORD}\t\n", "seeds 1..2; steps 2")
    choose_models(page, "Emoji Base", "Emoji Tiny")
    page.wait_for_selector("#bk-sheet-price p:has-text('4 rows: 8 pictures, 16 U-Net evaluations')")
    page.fill("#bk-sheet-axes :is(textarea, input)", "seeds 1..2; steps 2000")
    page.wait_for_selector("#bk-sheet-price [role=alert]:has-text('steps is 2000')")
    page.fill("#bk-sheet-axes :is(textarea, input)", "seeds 1..2; steps 2")
    page.click("#bk-sheet-start")

    page.wait_for_selector(f"{ROWS} >> nth=0 >> img[alt='red apple – drawn by Emoji Base']")  # while Tiny waits
    assert page.locator(ROWS).count() == 4
    status(page, "1 of 8 pictures, row 1 of 4")
    assert page.locator(f"{ROWS} >> nth=0 >> [data-tone=working], [data-tone=waiting]").count() == 1
    page.click("#bk-sheet-stop")
    page.wait_for_selector("#bk-sheet-stop:has-text('Stopping…')")
    gate.set()
    status(page, "1 stopped")
    page.click("#bk-sheet-go-on")
    status(page, "4 of 8 pictures, 4 blocked")
    page.wait_for_function("document.querySelectorAll('.bk-sheet-cells img').length == 4")
    assert page.locator(".bk-cell[data-tone=blocked]").count() == 4
    assert "fruit · Seed 1" in page.inner_text(f"{ROWS} >> nth=0")

    sheet_address = page.url
    assert "?sheet=" in sheet_address
    page.click(f"{ROWS} >> nth=1 >> a >> nth=1")
    page.wait_for_selector("dialog.bk-viewer[open] img[alt='red apple – drawn by Emoji Tiny']")
    assert "?job=" in page.url

    phone = chromium.new_context(viewport=NARROW).new_page()
    phone.set_default_timeout(MILLISECONDS)
    phone.goto(sheet_address)
    phone.wait_for_selector(".bk-sheet-cells img")
    assert phone.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    assert phone.locator("#bk-sheet-stop, #bk-sheet-go-on").count() == 0  # another visitor's


def test_a_sheet_is_paged_and_gives_files(chromium: Any, site: tuple[str, Comparisons], gate: threading.Event) -> None:
    address, _ = site
    gate.set()
    page = visit(chromium, address, WIDE)
    open_form(page, "blue whale\n", "seeds 1..21; steps 1")
    choose_models(page, "Emoji Base", "Emoji Tiny")
    page.click("#bk-sheet-start")
    status(page, "42 of 42 pictures")
    assert page.locator(ROWS).count() == 20
    page.click("button:has-text('Rows after')")
    page.wait_for_selector(".bk-sheet-rows[start='21']")
    assert page.locator(ROWS).count() == 1
    page.wait_for_selector("#bk-sheet-list a")

    links = page.locator(".bk-sheet-tools a[download]").evaluate_all("links => links.map(link => link.href)")
    answers = [httpx.get(link, timeout=MILLISECONDS / 1000) for link in links]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert answers[0].text.count("data:image/webp") == 42
    assert answers[2].text.count("blue whale") == 42
    assert len(answers[3].json()["rows"]) == 21
    assert b"<testsuites" in answers[4].content
    with zipfile.ZipFile(io.BytesIO(answers[1].content)) as archive:
        assert sum(name.endswith(".png") for name in archive.namelist()) == 42
    assert all("attachment" in answer.headers["content-disposition"] for answer in answers)
    for wrong in (links[0].replace("emoji-base", "emoji-small"), links[0].replace(".html", ".exe")):
        assert httpx.get(wrong).status_code == 404
    assert httpx.get(f"{address}sheets/unknown-sheet.html").status_code == 404


def choose(page: Any, field: str, label: str) -> None:
    page.click(f"#bk-sheet-{field} input")
    page.click(f"[role=option]:has-text({json.dumps(label)})")


def row_numbers(page: Any) -> list[str]:
    return page.locator(f"{ROWS} > h3 > span").all_inner_texts()


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_a_view_of_a_sheet_is_chosen_kept_in_the_link_and_clean(
    chromium: Any, site: tuple[str, Comparisons], gate: threading.Event, size: str
) -> None:
    address, _ = site
    gate.set()
    page = visit(chromium, address, SIZES[size])
    open_form(page, f"red apple\na {BLOCKED_WORD}\nblue whale\ngreen hat\n", "steps 1")
    choose_models(page, "Emoji Base", "Emoji Small", "Emoji Tiny")
    page.click("#bk-sheet-start")
    status(page, "9 of 12 pictures, 3 blocked")
    choose(page, "filter", "With a blocked picture")
    page.wait_for_selector(".bk-sheet-view:has-text('1 of 4 rows.')")
    assert row_numbers(page) == ["2"]
    choose(page, "filter", "All rows")
    choose(page, "sort", "Largest difference")
    page.wait_for_function("!document.querySelector('.bk-sheet').dataset.news")
    page.wait_for_selector(f"{ROWS} :text('HaarPSI')")
    page.wait_for_selector(f"{ROWS}:last-child > h3 > span:text-is('2')")
    order = row_numbers(page)
    assert sorted(order) == ["1", "2", "3", "4"]
    assert order[-1] == "2"  # it has nothing to compare
    choose(page, "only", "Emoji Tiny")
    page.wait_for_function("document.querySelectorAll('.bk-sheet-cells img').length == 6")
    page.wait_for_function("location.search.includes('sort=difference&only=emoji-tiny')")

    inspector = inspect(page)
    inspector.both_themes = False  # this page fades between them
    inspector.look("a chosen view")
    assert inspector.found == []
    again = chromium.new_context(viewport=SIZES[size]).new_page()
    again.set_default_timeout(MILLISECONDS)
    again.goto(page.url)
    again.wait_for_function("document.querySelectorAll('.bk-sheet-cells img').length == 6")
    assert again.input_value("#bk-sheet-sort input") == "Largest difference"
    again.focus("#bk-sheet-filter input")
    again.keyboard.press("ArrowDown")
    again.keyboard.press("Enter")
    again.wait_for_selector(".bk-sheet-view:has-text('1 of 4 rows.')")
    again.click(".bk-sheet-tools a:has-text('Vote on it blind')")
    again.wait_for_selector(".bk-ballot")
    assert "red apple and 3 more rows" in again.inner_text("#bk-votes-pool")
