"""A visitor votes blindly in a real browser: by mouse, by arrow keys, on a phone; nothing tells who drew what."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from bksdm_demo.records import Request
from bksdm_demo.runs.comparisons import Comparisons
from tests.browser.test_accessibility import Inspector
from tests.browser.test_comparison import MILLISECONDS, NARROW, WIDE
from tests.fakes import FAMILY
from tests.ui.test_page import served

pytestmark = pytest.mark.browser

LOADED = "[...document.querySelectorAll('.bk-pair img')].filter(image => image.naturalWidth).length == 2"
DWELL = 2_100  # milliseconds: longer than the server's shortest dwell and cooldown


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Comparisons]]:
    with served(tmp_path_factory.mktemp("site")) as running:
        address, comparisons = running
        submitted = comparisons.submit(Request("a red apple", steps=2), FAMILY[:2], seeds=(1, 2, 3))
        list(comparisons.watch(submitted.id))
        yield address, comparisons


def opened(chromium: Any, address: str, size: dict[str, int]) -> Any:
    page = chromium.new_context(viewport=size, reduced_motion="reduce").new_page()
    page.set_default_timeout(MILLISECONDS)
    page.goto(address)
    page.wait_for_selector("#bk-compare")
    page.click("button[role=tab]:has-text('Blind vote')")
    page.wait_for_function(LOADED)
    return page


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_voting(chromium: Any, site: tuple[str, Comparisons], size: dict[str, int]) -> None:
    address, comparisons = site
    page = opened(chromium, address, size)
    inspector = inspect(page)
    inspector.look("a pair")
    (job,) = comparisons.gallery().jobs
    before = page.inner_html(".bk-ballot")
    names = [comparisons.catalog.get(model).name for model in FAMILY[:2]]
    assert not any(word in before for word in (job.id, *FAMILY, *names))
    assert "3 pairs left" in before

    page.wait_for_timeout(DWELL)
    page.click("[data-act=left]")
    page.wait_for_selector(".bk-verdict")
    assert page.locator(".bk-pair [data-chosen] figcaption").inner_text() in names
    assert sorted(page.locator(".bk-pair figcaption").all_inner_texts()) == sorted(names)
    page.wait_for_function(LOADED)
    inspector.look("the names")

    page.wait_for_function("document.activeElement.dataset.act == 'next'")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-act=tie]")
    page.wait_for_function("document.activeElement.matches('.bk-ballot')")
    page.wait_for_function(LOADED)
    page.wait_for_timeout(DWELL)
    page.keyboard.press("ArrowUp")
    page.wait_for_selector("h2:has-text('You chose neither')")
    assert page.locator(".bk-ranking tbody tr").count() == 2 * len(names)
    assert inspector.found == []


def inspect(page: Any) -> Inspector:
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    return Inspector(page, axe, both_themes=page.viewport_size == WIDE)
