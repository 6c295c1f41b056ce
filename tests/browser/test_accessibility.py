"""Checks with axe-core on every tab and in every state, and checks that axe lacks: keyboard, order, announcements."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from typing import Any

import pytest

from bksdm_demo.errors import EngineError
from tests.browser.test_comparison import DONE, MILLISECONDS, NARROW, WIDE, type_and_submit
from tests.fakes import BLOCKED_WORD
from tests.ui.test_page import served

pytestmark = pytest.mark.browser

SIZES = {"wide": WIDE, "narrow": NARROW}
GRAVE = ("serious", "critical")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"
ZOOMED = {"width": 320, "height": 256}  # 400 % of 1280 x 1024, as WCAG 1.4.10 asks for

# Everything that one can press and that is lower or narrower than 24 pixels, links in sentences excepted (WCAG 2.5.8).
# Of a checkbox, a radio button and a file field, the label counts.
SMALL_TARGETS = """() => {
  const small = [];
  for (const each of document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')) {
    if (each.disabled || each.closest('[aria-hidden=true], .visually-hidden') || !each.checkVisibility()) continue;
    const target = each.matches('[type=checkbox], [type=radio], [type=file]') ? each.closest('label') ?? each : each;
    if (target.matches('p a, li a, p label') && getComputedStyle(target).display === 'inline') continue;
    const { width, height } = target.getBoundingClientRect();
    if (width && Math.min(width, height) < 24) small.push(`${width} x ${height}: ${each.outerHTML.slice(0, 120)}`);
  }
  return small;
}"""

# Every element that Tab should reach; of a group of radio buttons it reaches one.
TABBABLE = """[...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')]
  .filter(element => !element.disabled && element.tabIndex >= 0 && element.checkVisibility({visibilityProperty: true}))
  .filter(element => element.type !== 'radio' || element.checked)"""
# The styles of the focused element and its parents; any of them may draw the focus ring.
LOOKS = """(element) => {
  const looks = [];
  for (let each = element, depth = 0; each && depth < 4; each = each.parentElement, depth += 1) {
    const style = getComputedStyle(each);
    looks.push(style.outlineStyle, style.outlineWidth, style.outlineColor, style.boxShadow, style.borderColor,
      style.transform);
  }
  return looks.join();
}"""


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core's source, to be run in a page."""
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def gate() -> threading.Event:
    """What the U-Net of Emoji Small waits for."""
    return threading.Event()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, gate: threading.Event) -> Iterator[str]:
    broken = {"failure": EngineError("The engine of this test broke.")}
    with served(tmp_path_factory.mktemp("site"), {"small_unet": {"run_gate": gate}, "tiny_unet": broken}) as (found, _):
        yield found
        gate.set()


def opened(chromium: Any, address: str, size: str = "wide", theme: str = "light") -> Any:
    page = chromium.new_context(viewport=SIZES[size], reduced_motion="reduce").new_page()
    page.set_default_timeout(MILLISECONDS)
    page.goto(f"{address}?__theme={theme}")
    page.wait_for_selector("#bk-compare")
    return page


def tab(page: Any, name: str, selector: str) -> None:
    page.click(f"button[role=tab]:has-text('{name}')")
    page.wait_for_selector(selector)


class Inspector:
    """Collects the grave violations of one page, state by state, its horizontal overflow and its small targets."""

    def __init__(self, page: Any, axe: str, both_themes: bool) -> None:
        self.page, self.axe, self.both_themes = page, axe, both_themes
        self.found: list[str] = []

    def look(self, state: str) -> None:
        """Check the page in its current state; with `both_themes`, check the contrast in the other theme too."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(self.axe)
        self._run(state, RULES)
        if self.both_themes:
            self.page.evaluate("document.body.classList.toggle('dark')")
            self._run(f"{state}, other theme", ["color-contrast"])
            self.page.evaluate("document.body.classList.toggle('dark')")
        if over := self.page.evaluate(OVERFLOW):
            self.found.append(f"{state}: overflows by {over} pixels")
        self.found += [f"{state}: {target}" for target in self.page.evaluate(SMALL_TARGETS)]
        self._zoom(state)

    def _zoom(self, state: str) -> None:
        """Check that the page at 400 % scrolls in one direction only."""
        size = self.page.viewport_size
        self.page.set_viewport_size(ZOOMED)
        if over := self.page.evaluate(OVERFLOW):
            self.found.append(f"{state}, 400 %: overflows by {over} pixels")
        self.page.set_viewport_size(size)

    def _run(self, state: str, rules: list[str]) -> None:
        results = self.page.evaluate(
            "(rules) => axe.run(document.body, { runOnly: rules, resultTypes: ['violations'] })", rules
        )
        self.found += [
            f"{state}: {violation['id']}: {node['html'][:160]} ({node['failureSummary'][:240]})"
            for violation in results["violations"]
            if violation["impact"] in GRAVE
            for node in violation["nodes"]
        ]


@pytest.mark.parametrize(("size", "theme"), [("wide", "light"), ("narrow", "dark")])
def test_axe_finds_nothing_grave(
    chromium: Any, address: str, axe: str, gate: threading.Event, size: str, theme: str
) -> None:
    gate.clear()
    page = opened(chromium, address, size, theme)
    inspector = Inspector(page, axe, both_themes=size == "wide")
    page.click("#bk-settings button")
    page.wait_for_selector("#bk-negative textarea")
    inspector.look("empty")
    type_and_submit(page, "red apple")
    page.wait_for_selector(".bk-column:nth-child(3)[data-tone=working]")
    inspector.look("running")
    gate.set()
    page.wait_for_selector(DONE)
    page.wait_for_selector(".bk-column[data-tone=failed]")
    page.wait_for_selector(".bk-table")
    inspector.look("done and failed")
    page.focus(".bk-picture")
    page.keyboard.press("Enter")
    page.wait_for_selector(".bk-viewer[open] .bk-view")
    inspector.look("viewer")
    page.keyboard.press("Escape")
    type_and_submit(page, f"{BLOCKED_WORD} on a table")
    page.wait_for_selector(".bk-board[aria-busy=false] .bk-column[data-tone=blocked]")
    inspector.look("blocked")
    type_and_submit(page, " ")
    page.wait_for_selector("#bk-said [role=alert]")
    inspector.look("refused")
    tab(page, "Gallery", "[data-open]")
    inspector.look("gallery")
    tab(page, "Sheets", "#bk-sheet-text")
    page.fill("#bk-sheet-text textarea", f"red apple\na {BLOCKED_WORD}")
    page.wait_for_selector("#bk-sheet-price p")
    inspector.look("a new sheet")
    page.click("#bk-sheet-start")
    page.wait_for_selector("#bk-sheet-go-on")
    inspector.look("a sheet")
    tab(page, "About", ".bk-unets")
    inspector.look("about")
    assert inspector.found == []


def walk(page: Any) -> tuple[int, list[str], list[str]]:
    """Tab through the whole page: return how many elements were reached, which were missed, which showed no focus."""
    page.evaluate(f"() => {{ window.expected = {TABBABLE}; window.met = new Set(); }}")
    page.focus(".bk-skip")
    page.evaluate("window.met.add(document.activeElement)")
    unseen: list[str] = []
    before = page.query_selector(".bk-skip")
    looked = before.evaluate(LOOKS)
    for _ in range(200):
        page.keyboard.press("Tab")
        if before.evaluate("element => element === document.activeElement"):
            continue  # a date field: day, month and year are stops of their own
        if before.evaluate(LOOKS) == looked:
            unseen.append(before.evaluate("element => element.outerHTML.slice(0, 120)"))
        before = page.evaluate_handle("document.activeElement").as_element()
        if page.evaluate("window.met.has(document.activeElement) || document.activeElement === document.body"):
            break
        page.evaluate("window.met.add(document.activeElement)")
        looked = before.evaluate(LOOKS)
    missed = page.evaluate(
        "window.expected.filter(each => each.isConnected && !window.met.has(each)).map(e => e.outerHTML.slice(0, 120))"
    )
    return page.evaluate("window.met.size"), missed, unseen


def test_the_keyboard_reaches_everything_and_shows_the_focus(
    chromium: Any, address: str, gate: threading.Event
) -> None:
    gate.set()
    page = opened(chromium, address)
    page.click("#bk-settings button")
    page.wait_for_selector("#bk-negative textarea")
    type_and_submit(page, "red apple")
    page.wait_for_selector(DONE)
    page.wait_for_selector(".bk-table")
    for name, selector, least in (
        ("Compare", ".bk-picture", 40),
        ("Gallery", "[data-open]", 10),
        ("Sheets", "#bk-sheet-text", 10),
        ("About", ".bk-unets", 20),
    ):
        tab(page, name, selector)
        met, missed, unseen = walk(page)
        assert met >= least
        assert (missed, unseen) == ([], []), name
        levels = page.evaluate(
            "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')]"
            ".filter(each => each.checkVisibility()).map(each => Number(each.tagName[1]))"
        )
        assert levels[0] == 1
        assert all(after <= level + 1 for level, after in pairwise(levels)), (name, levels)


def test_the_skip_link_leads_past_the_form(chromium: Any, address: str) -> None:
    page = opened(chromium, address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "bk-skip"
    assert page.locator(".bk-skip").bounding_box()["y"] > 0
    ink, ground = page.locator(".bk-skip").evaluate(
        "element => [getComputedStyle(element).color, getComputedStyle(element).backgroundColor]"
    )
    assert ink != ground  # axe is silent on a contrast of 1
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "bk-results"
    tab(page, "About", ".bk-unets")
    page.focus(".bk-skip")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.querySelector('.bk-card') !== null")


def test_words_explain_themselves_by_keyboard_and_by_touch(chromium: Any, address: str, gate: threading.Event) -> None:
    gate.set()
    page = chromium.new_context(viewport=WIDE, has_touch=True).new_page()
    page.set_default_timeout(MILLISECONDS)
    page.goto(address)
    page.click("[data-welcome=draw]")  # a first visit: one press
    assert page.locator(".bk-welcome").is_hidden()
    page.wait_for_selector(DONE)
    page.focus(".bk-tools button")
    page.keyboard.press("Shift+Tab")  # to the last fact
    word = page.locator(".bk-facts .bk-term").last
    assert word.evaluate("element => element === document.activeElement")
    assert page.inner_text("#bk-tip") == word.get_attribute("aria-description")
    page.keyboard.press("Escape")
    assert page.locator("#bk-tip").is_hidden()
    first = page.locator(".bk-facts .bk-term").first
    first.tap()
    assert page.inner_text("#bk-tip") == first.get_attribute("aria-description")
    page.locator(".bk-prompt").tap()
    assert page.locator("#bk-tip").is_hidden()
    page.goto(address)
    page.wait_for_selector("#bk-compare")
    assert page.locator(".bk-welcome").is_hidden()  # greeted once


def test_progress_is_announced_once_per_picture(chromium: Any, address: str, gate: threading.Event) -> None:
    """A screen reader reads each change of a live region, so it must change per picture, not per step."""
    gate.set()
    page = opened(chromium, address)
    page.evaluate(
        """() => {
          window.announced = [];
          new MutationObserver(() => {
            for (const region of document.querySelectorAll('[role=status], [role=alert], [aria-live=polite]')) {
              const words = region.textContent.trim();
              if (words && window.announced.at(-1) !== words) window.announced.push(words);
            }
          }).observe(document.body, { childList: true, characterData: true, subtree: true });
        }"""
    )
    type_and_submit(page, "red apple")
    page.wait_for_selector(DONE)
    announced = page.evaluate("window.announced")
    assert announced[-1] == "3 pictures, 1 failed"
    assert len(announced) <= 6
    assert all(words.startswith(("Drawing ", "Waiting", "3 pictures")) for words in announced)


def test_the_citation_is_copied(chromium: Any, address: str) -> None:
    page = opened(chromium, address)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab(page, "About", ".bk-unets")
    page.click(".bk-card-nav a:has-text('Citation')")
    assert page.evaluate("document.activeElement.textContent") == "Citation"
    assert page.locator(".bk-card-nav").bounding_box()["y"] >= 0  # the list of contents comes along
    page.click("[data-copies]")
    page.wait_for_selector("[data-copies]:has-text('Copied')")
    assert page.evaluate("navigator.clipboard.readText()").startswith("@inproceedings{kim2024bksdm,")
