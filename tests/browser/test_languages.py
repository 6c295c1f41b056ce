"""A visitor whose browser prefers Korean, and one who follows a Korean link and then reads English."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.test_comparison import MILLISECONDS
from tests.ui.visible_words import NAMES

pytestmark = pytest.mark.browser

TABS = "#bk-tabs [role=tab]"
UNREAD = ".bk-chip, .bk-languages, [dir=auto], code, pre, script, style"
FOUND = """(unread) => [...document.querySelectorAll('#bk-tabs *, .bk-header *')]
  .filter((one) => one.checkVisibility() && !one.closest(unread))
  .flatMap((one) => [...one.childNodes])
  .filter((node) => node.nodeType === Node.TEXT_NODE)
  .map((node) => node.textContent)
"""
PROMPTS = {"red", "apple", "cat", "rocket", "pizza", "sunflower", "fake", "bit", "split", "einsum"}


def english(page: Any) -> list[str]:
    texts = [" ".join(text.split()) for text in page.evaluate(FOUND, UNREAD)]
    known = NAMES | PROMPTS
    words = re.compile(r"[A-Za-z][A-Za-z’'-]+")
    return [text for text in texts if any(word.strip("-’'") not in known for word in words.findall(text))]


def test_every_tab_speaks_the_browsers_language(chromium: Any, address: str) -> None:
    context = chromium.new_context(locale="ko-KR")
    page = context.new_page()
    page.goto(address)
    page.locator("#bk-compare").wait_for(timeout=MILLISECONDS)
    assert page.evaluate("document.documentElement.lang") == "ko"
    tabs = page.locator(TABS)
    assert tabs.first.inner_text() == "비교"
    for place in range(tabs.count()):
        tabs.nth(place).click()
        page.wait_for_function(
            "(place) => document.querySelectorAll('#bk-tabs [role=tab]')[place].ariaSelected === 'true'", arg=place
        )
        assert english(page) == []


def test_a_link_brings_its_language_and_the_switch_another(chromium: Any, address: str) -> None:
    context = chromium.new_context(locale="en-US")
    page = context.new_page()
    page.goto(f"{address}?lang=ko&steps=7")
    page.locator("#bk-compare").wait_for(timeout=MILLISECONDS)
    assert page.locator("#bk-compare").inner_text() == "비교"
    page.locator("[data-language=en]").click()
    page.wait_for_url("**lang=en**")
    page.locator("#bk-compare").wait_for(timeout=MILLISECONDS)
    assert page.locator("#bk-compare").inner_text() == "Compare"
    assert "steps=7" in page.url, "the address keeps what it names"
    page.goto(address)  # the browser remembers
    page.locator("#bk-compare").wait_for(timeout=MILLISECONDS)
    assert page.locator("#bk-compare").inner_text() == "Compare"
