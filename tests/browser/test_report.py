"""The HTML report opened from disk without a network: on a screen, a phone and paper."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bksdm_demo.records import Request
from bksdm_demo.reports.formats import write_report
from tests.reports.report_jobs import material, mixed_job

pytestmark = pytest.mark.browser

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
PROMPT = "red apple <script>document.title = 'run'</script> " + "w" * 300
LOADED = "[...document.images].every(image => image.complete && image.naturalWidth === 16)"


@dataclass
class Opened:
    """A report in its own browser context, with every address it requested and every message it logged."""

    page: Any
    requested: list[str]
    logged: list[str]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    with path.open("wb") as stream:
        write_report(material(mixed_job(Request(PROMPT, steps=3)), base_url="https://example.org/"), "html", stream)
    return path


@pytest.fixture
def open_report(chromium: Any, report: Path) -> Iterator[Any]:
    contexts = []

    def open_it(size: dict[str, int] = WIDE, scheme: str = "light", scripts: bool = True) -> Opened:
        context = chromium.new_context(viewport=size, color_scheme=scheme, offline=True, java_script_enabled=scripts)
        contexts.append(context)
        opened = Opened(context.new_page(), [], [])
        opened.page.on("request", lambda request: opened.requested.append(request.url))
        opened.page.on("console", lambda message: opened.logged.append(message.text))
        opened.page.on("pageerror", lambda error: opened.logged.append(str(error)))
        opened.page.goto(report.as_uri())
        return opened

    yield open_it
    for context in contexts:
        context.close()


def tab_to(page: Any, words: str) -> None:
    """Press Tab until the link of these words has the focus."""
    for _ in range(4):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == words:
            return
    raise AssertionError(f"{words} is not within four presses of Tab")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "phone"])
def test_it_opens_from_disk_with_the_network_off(
    open_report: Any, report: Path, size: dict[str, int], scheme: str
) -> None:
    opened = open_report(size, scheme)
    assert opened.page.evaluate(LOADED)
    assert opened.page.locator("img").count() == 6
    assert [url for url in opened.requested if not url.startswith("data:")] == [report.as_uri()]
    assert opened.logged == []
    assert opened.page.inner_text("h1") == PROMPT
    assert opened.page.title() != "run"
    assert opened.page.evaluate("document.documentElement.scrollWidth") == size["width"]
    paper = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(245, 246, 244)") == (scheme == "light")


def test_bars_are_as_long_as_their_time(open_report: Any) -> None:
    page = open_report().page
    lengths = page.eval_on_selector_all(
        ".track svg.with",
        "bars => bars.map(bar => [...bar.querySelectorAll('rect')].reduce((sum, r) => sum + r.getBBox().width, 0))",
    )
    totals = [
        float(text.removesuffix("\N{NO-BREAK SPACE}s")) for text in page.locator(".row b .with").all_inner_texts()
    ]
    assert len(lengths) == len(totals) == 7
    longest = max(totals)
    track = page.eval_on_selector(".track", "track => track.clientWidth")
    assert lengths == pytest.approx([track * total / longest for total in totals], rel=0.01)


def test_loading_is_taken_out_without_any_script(open_report: Any) -> None:
    page = open_report(scripts=False).page
    first = page.locator(".row b").first
    assert first.inner_text() == "1.96\N{NO-BREAK SPACE}s"
    page.locator(".toggle input").uncheck()
    assert first.inner_text() == "0.46\N{NO-BREAK SPACE}s"
    assert page.locator(".track svg.with >> visible=true").count() == 0


def test_pictures_are_enlarged_and_turned_by_keyboard(open_report: Any) -> None:
    page = open_report(scripts=True).page
    page.locator(".enlarge").nth(3).focus()
    page.keyboard.press("Enter")
    assert page.url.endswith("#picture-4")
    assert page.locator("#picture-4 img").bounding_box()["height"] > 700
    assert page.locator(".turn >> visible=true").inner_text().startswith("Emoji Tiny, seed 7")
    tab_to(page, "Next")
    page.keyboard.press("Enter")
    assert page.url.endswith("#picture-5")
    page.click(".turn >> visible=true >> text=Next")
    assert page.url.endswith("#picture-8")  # those between have no picture
    page.click(".turn >> visible=true >> text=Close")
    assert page.locator(".turn >> visible=true").count() == 0


def test_it_prints_in_light_colours_without_what_cannot_be_pressed(open_report: Any) -> None:
    page = open_report(WIDE, "dark").page
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(22, 25, 28)"
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".toggle").is_visible()
    assert page.locator("img").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_report: Any, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    page = open_report(WIDE, scheme).page
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    found = axe.run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]][:2]) for one in found] == []
