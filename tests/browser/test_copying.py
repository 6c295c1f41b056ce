"""What leaves the page for a document: the table of times, a picture, and a printed page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.test_comparison import DONE, NARROW, WIDE, type_and_submit, visit
from tests.ui.test_page import served

pytestmark = pytest.mark.browser

CLIPBOARD = """async () => {
  const [item] = await navigator.clipboard.read();
  const found = {};
  for (const type of item.types) {
    const blob = await item.getType(type);
    const bytes = new Uint8Array(await blob.arrayBuffer());
    found[type] = type.startsWith('text/') ? await blob.text() : [...bytes].slice(0, 24);
  }
  return found;
}"""
SHOWN_TABLE = (
    "[...document.querySelectorAll('.bk-table tr')].map(row => [...row.cells].map(cell => cell.textContent.trim()))"
)
PRESSED = "button, input, select, textarea, summary, a[download]"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("site")) as (found, _):
        yield found


def compared(chromium: Any, address: str, size: dict[str, int] = WIDE) -> Any:
    page = visit(chromium, address, size)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    type_and_submit(page, "red apple")
    page.wait_for_selector(DONE)
    page.wait_for_selector(".bk-table")
    return page


def test_the_table_is_copied_as_a_table_and_as_tab_separated_text(chromium: Any, address: str) -> None:
    page = compared(chromium, address)
    shown = page.evaluate(SHOWN_TABLE)
    page.click("[data-copy-table]")
    page.wait_for_selector("[data-copy-table]:has-text('Copied')")
    copied = page.evaluate(CLIPBOARD)
    assert [line.split("\t") for line in copied["text/plain"].splitlines()] == shown
    assert shown[0] == ["Seconds", "Emoji Original", "Emoji Base", "Emoji Small", "Emoji Tiny"]
    markup = copied["text/html"]
    assert markup.count("<tr>") == len(shown)
    assert "<th>Emoji Tiny</th>" in markup
    assert "style" not in markup.partition("<table")[2]


def test_a_picture_is_copied_as_png(chromium: Any, address: str) -> None:
    page = compared(chromium, address)
    page.click("[data-copy-picture] >> nth=1")
    page.wait_for_selector("[data-copy-picture]:has-text('Copied')")
    png = bytes(page.evaluate(CLIPBOARD)["image/png"])
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20], "big") == 64  # the fakes draw 64 x 64 pixels


def test_the_browser_s_own_menu_is_that_of_the_picture(chromium: Any, address: str) -> None:
    page = compared(chromium, address)
    page.locator(".bk-picture").first.scroll_into_view_if_needed()
    found = page.locator(".bk-picture").first.evaluate(
        "button => { const box = button.getBoundingClientRect();"
        " return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2).tagName; }"
    )
    assert found == "IMG"


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_paper_shows_the_results_in_black_on_white_and_nothing_to_press(
    chromium: Any, address: str, size: dict[str, int]
) -> None:
    page = compared(chromium, address, size)
    page.evaluate("document.body.classList.add('dark')")
    page.emulate_media(media="print")
    assert page.locator(".bk-picture img").first.is_visible()
    assert page.locator(".bk-table").is_visible()
    assert page.locator(".bk-facts").is_visible()
    pressed = page.locator(PRESSED).filter(visible=True)
    assert {element.get_attribute("class") for element in pressed.all()} <= {"bk-picture", "bk-term"}
    page.wait_for_function(
        "getComputedStyle(document.querySelector('.bk-column h3')).color === 'rgb(0, 0, 0)'"
        " && getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)'"
    )
