"""From one run to a speed with its interval, in a real browser, over fake parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.test_comparison import visit
from tests.ui.test_page import served


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A served page whose models are all fast."""
    with served(tmp_path_factory.mktemp("measuring")) as (found, _):
        yield found


def speeds(page: Any) -> list[str]:
    """The small lines below the speeds, without the reference's."""
    return page.locator(".bk-timing tr:has(:text-is('Speed')) small").all_inner_texts()


def test_one_run_says_so_and_five_seeds_give_an_interval(chromium: Any, address: str) -> None:
    page = visit(chromium, address)
    page.click("#bk-compare")
    page.wait_for_selector("[data-measure]:enabled")
    assert speeds(page) == ["one run"] * 3
    page.click("[data-measure]")
    page.wait_for_function("document.querySelectorAll('.bk-column[data-tone=done]').length === 20")
    page.wait_for_function(
        "(every => every.length > 20 && every.every(small => small.textContent.trim()))"
        "([...document.querySelectorAll('.bk-timing small')])"  # blank while the comparison runs
    )
    assert page.input_value("#bk-seeds input") == "5"
    assert all(re.fullmatch(r"[\d.]+–[\d.]+", words) for words in speeds(page))
    assert "Times are medians of 5 runs, one per seed. The models took turns" in page.inner_text(".bk-timing")
    assert page.locator("[data-measure]").count() == 0
