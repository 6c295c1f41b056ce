"""The viewer in a real browser, over fake parts: zoom, slider, difference, seeds, and running again."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.test_comparison import DONE, NARROW, WIDE, type_and_submit, visit
from tests.ui.test_page import served

pytestmark = pytest.mark.browser

TRANSFORMS = "[...document.querySelectorAll('.bk-viewer .bk-zoomed')].map(image => image.style.transform)"
LOADED = "[...document.querySelectorAll('{}')].every(image => image.complete && image.naturalWidth)"
PICTURES = ".bk-board .bk-picture"


@pytest.fixture(scope="module")
def gate() -> threading.Event:
    """What the U-Net of Emoji Small waits for; open unless a test closes it."""
    event = threading.Event()
    event.set()
    return event


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, gate: threading.Event) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("site"), {"small_unet": {"run_gate": gate}}) as (found, _):
        yield found


@pytest.fixture(scope="module")
def link(chromium: Any, address: str) -> str:
    """The address of a finished comparison of four models with two seeds."""
    page = visit(chromium, address)
    page.fill("#bk-seeds input", "7, 20")
    page.keyboard.press("Enter")
    type_and_submit(page, "red apple")
    page.wait_for_selector(DONE)
    page.wait_for_function("location.search.includes('job=')")
    return str(page.url)


def opened(chromium: Any, link: str, index: int = 0, size: dict[str, int] = WIDE) -> Any:
    """A page of its own on that comparison, with the viewer opened on one picture."""
    page = visit(chromium, link, size)
    page.wait_for_selector(DONE)
    page.wait_for_function(LOADED.format(".bk-picture img"))
    page.focus(f".bk-column[data-index='{index}'] .bk-picture")
    page.keyboard.press("Enter")
    page.wait_for_selector(".bk-viewer[open] .bk-view")
    page.wait_for_function(LOADED.format(".bk-viewer img"))
    return page


def transforms(page: Any) -> set[str]:
    return set(page.evaluate(TRANSFORMS))


def choose(page: Any, mode: str) -> None:
    page.locator(f".bk-viewer input[value={mode}]").check(force=True)  # the radio lies under its label
    page.wait_for_selector(f".bk-stage[data-mode={mode}]")
    page.wait_for_function(LOADED.format(".bk-viewer img"))


def pixels(page: Any, selector: str) -> np.ndarray:
    """What the browser shows of one element, [H, W, 3], without its rounded rim."""
    shot = np.asarray(Image.open(io.BytesIO(page.locator(selector).screenshot(animations="disabled"))).convert("RGB"))
    return shot[12:-12, 12:-12].astype(int)


def test_several_seeds_are_rows_of_the_board(chromium: Any, link: str) -> None:
    page = visit(chromium, link)
    page.wait_for_selector(DONE)
    assert page.locator(".bk-seed").count() == 2
    assert page.locator(PICTURES).count() == 8
    assert "7, 20" in page.inner_text(".bk-facts")
    assert page.input_value("#bk-seeds input") == "7, 20"


def test_zoom_and_pan_are_linked(chromium: Any, link: str) -> None:
    page = opened(chromium, link)
    assert page.locator(".bk-view").count() == 4
    assert transforms(page) == {"translate(0px, 0px) scale(1)"}
    page.locator(".bk-view").nth(1).hover(position={"x": 40, "y": 40})
    page.mouse.wheel(0, -800)
    page.wait_for_function("document.querySelector('.bk-stage').dataset.zoomed === 'true'")
    (zoomed,) = transforms(page)
    assert page.locator(".bk-zoomed.bk-pixels").count() == 4

    page.mouse.down()
    page.mouse.move(600, 500, steps=4)
    page.mouse.up()
    (moved,) = transforms(page)
    assert moved != zoomed
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("+")
    (pressed,) = transforms(page)
    assert pressed != moved
    page.keyboard.press("0")
    assert transforms(page) == {"translate(0px, 0px) scale(1)"}
    page.locator(".bk-view").first.dblclick()
    (close,) = transforms(page)
    assert close.endswith("scale(4)")


def test_pictures_and_divider_move_without_dragging(chromium: Any, link: str) -> None:
    page = opened(chromium, link)
    assert page.locator(".bk-viewer-pan").is_hidden()
    page.click("[data-zoom='+']")
    (zoomed,) = transforms(page)
    page.click("[data-pan=ArrowRight]")
    (moved,) = transforms(page)
    assert moved != zoomed
    page.click("[data-pan=ArrowLeft]")
    assert transforms(page) == {zoomed}
    choose(page, "slider")
    page.click("[data-divide='10']")
    assert page.locator(".bk-viewer [role=slider]").get_attribute("aria-valuenow") == "60"


def test_what_is_under_the_pointer_stays_there(chromium: Any, link: str) -> None:
    page = opened(chromium, link)
    box = page.locator(".bk-view").first.bounding_box()
    x, y = box["width"] * 0.25, box["height"] * 0.75
    point = f"""() => {{
      const view = document.querySelector('.bk-view').getBoundingClientRect();
      const image = document.querySelector('.bk-zoomed').getBoundingClientRect();
      return [(view.left + {x} - image.left) / image.width, (view.top + {y} - image.top) / image.height];
    }}"""
    before = page.evaluate(point)
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.wheel(0, -600)
    page.wait_for_function("document.querySelector('.bk-stage').dataset.zoomed === 'true'")
    assert page.evaluate(point) == pytest.approx(before, abs=0.005)


def test_the_slider_moves_by_keyboard_and_by_mouse(chromium: Any, link: str) -> None:
    page = opened(chromium, link)
    choose(page, "slider")
    split = page.locator(".bk-viewer [role=slider]")
    assert split.get_attribute("aria-valuenow") == "50"
    split.focus()
    page.keyboard.press("ArrowRight")
    assert split.get_attribute("aria-valuenow") == "52"
    page.keyboard.press("End")
    assert split.get_attribute("aria-valuetext") == "100 % Emoji Original, 0 % Emoji Base"
    first = pixels(page, ".bk-view")
    page.keyboard.press("Home")
    second = pixels(page, ".bk-view")
    assert np.abs(first - second).mean() > 1
    box = page.locator(".bk-view").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + 20)
    assert split.get_attribute("aria-valuenow") == "25"


def test_the_difference_of_two_and_of_the_same(chromium: Any, link: str) -> None:
    page = opened(chromium, link)
    choose(page, "difference")
    assert pixels(page, ".bk-view").max() > 20
    page.locator(".bk-viewer input[value='1']").check(force=True)
    faint = pixels(page, ".bk-view").mean()
    page.locator(".bk-viewer input[value='16']").check(force=True)
    assert pixels(page, ".bk-view").mean() > faint
    page.wait_for_function("document.querySelector('.bk-pane-words').textContent.includes('PSNR')")
    assert page.inner_text(".bk-pane-words").startswith("Emoji Base against Emoji Original: PSNR")

    first = page.locator(".bk-view img").first.get_attribute("src")
    page.eval_on_selector(".bk-over img", "(image, source) => { image.src = source }", first)
    page.wait_for_function(LOADED.format(".bk-viewer img"))
    assert pixels(page, ".bk-view").max() == 0


def test_arrows_change_the_seed_and_escape_returns(chromium: Any, link: str) -> None:
    page = opened(chromium, link, index=1)
    assert page.inner_text(".bk-viewer-seeds span") == "Seed 7 (1 of 2)"
    before = page.locator(".bk-view img").first.get_attribute("src")
    page.keyboard.press("Tab")  # from the radio buttons, which have their own use for arrows
    page.keyboard.press("PageDown")
    assert page.inner_text(".bk-viewer-seeds span") == "Seed 20 (2 of 2)"
    assert page.locator(".bk-view img").first.get_attribute("src") != before
    page.keyboard.press("PageUp")
    page.locator("[data-zoom='+']").focus()
    page.keyboard.press("ArrowRight")
    assert page.inner_text(".bk-viewer-seeds span") == "Seed 20 (2 of 2)"
    page.keyboard.press("Escape")
    page.wait_for_selector(".bk-viewer", state="hidden")
    assert page.evaluate("document.activeElement.closest('.bk-column')?.dataset.index") == "1"


def test_focus_stays_inside(chromium: Any, link: str) -> None:
    page = opened(chromium, link)
    seen = set()
    for key in ["Tab"] * 16 + ["Shift+Tab"] * 16:
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.closest('.bk-viewer') !== null")
        seen.add(page.evaluate("document.activeElement.textContent + document.activeElement.ariaLabel"))
    assert len(seen) > 6


def test_every_picture_against_a_reference(chromium: Any, link: str) -> None:
    page = visit(chromium, link)
    page.wait_for_selector(DONE)
    page.select_option("[data-reference]", label="Emoji Base")
    page.wait_for_function("document.querySelectorAll('.bk-similarity:not(:empty)').length === 8")
    words = page.locator(".bk-similarity").all_inner_texts()
    assert [place for place, text in enumerate(words) if text == "reference"] == [1, 5]
    assert all(text.startswith("PSNR ") for place, text in enumerate(words) if place not in (1, 5))
    page.click("[data-look]")
    page.wait_for_selector(".bk-viewer[open] .bk-pane-words")
    assert page.locator(".bk-viewer select:visible").input_value() == "1"
    page.select_option(".bk-viewer [data-viewer=reference]", "")
    page.keyboard.press("Escape")
    page.wait_for_function("document.querySelectorAll('.bk-similarity:not(:empty)').length === 0")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_grave(chromium: Any, link: str, theme: str) -> None:
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    page = opened(chromium, f"{link}&__theme={theme}")
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    for mode in ("side", "slider", "difference"):
        choose(page, mode)
        results = page.evaluate("axe.run('.bk-viewer')")
        grave = [found for found in results["violations"] if found["impact"] in ("serious", "critical")]
        assert grave == [], [(found["id"], [node["html"] for node in found["nodes"]]) for found in grave]


def test_a_phone_shows_everything(chromium: Any, link: str) -> None:
    page = opened(chromium, link, size=NARROW)
    for mode in ("side", "slider", "difference"):
        choose(page, mode)
        for element in page.locator(".bk-viewer :is(button, label, select, .bk-view):visible").all():
            box = element.bounding_box()
            assert box["x"] >= 0, mode
            assert box["x"] + box["width"] <= NARROW["width"], mode
        assert page.locator(".bk-view").first.bounding_box()["width"] > 150, mode


def test_two_fingers_zoom_and_one_swipes(chromium: Any, link: str) -> None:
    context = chromium.new_context(viewport=NARROW, has_touch=True)
    page = context.new_page()
    page.goto(link)
    page.wait_for_selector(DONE)
    page.locator(".bk-picture").first.tap()
    page.wait_for_selector(".bk-viewer[open] .bk-view")
    touch = context.new_cdp_session(page)
    box = page.locator(".bk-view").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def send(kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": px, "y": py, "id": number} for number, (px, py) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    send("touchStart", (x + 60, y))
    send("touchMove", (x - 40, y))
    send("touchEnd")
    page.wait_for_function("document.querySelector('.bk-viewer-seeds span').textContent === 'Seed 20 (2 of 2)'")
    send("touchStart", (x - 20, y), (x + 20, y))
    send("touchMove", (x - 60, y), (x + 60, y))
    send("touchEnd")
    page.wait_for_function("document.querySelector('.bk-stage').dataset.zoomed === 'true'")
    assert len(transforms(page)) == 1


def test_a_cell_that_runs_again_is_replaced(chromium: Any, address: str) -> None:
    page = visit(chromium, address)
    type_and_submit(page, "blue whale")
    page.wait_for_selector(DONE)
    sources = [image.get_attribute("src") for image in page.locator(".bk-picture img").all()]
    page.click("[data-again='1']")
    page.wait_for_function(
        "before => document.querySelectorAll('.bk-picture img')[1]?.getAttribute('src') !== before"
        " && document.querySelector('.bk-board[aria-busy=false]') !== null"
        " && document.querySelectorAll('.bk-picture img').length === 4",
        arg=sources[1],
    )
    after = [image.get_attribute("src") for image in page.locator(".bk-picture img").all()]
    assert [place for place in range(4) if sources[place] != after[place]] == [1]


def test_the_rest_is_run_after_stopping(chromium: Any, address: str, gate: threading.Event) -> None:
    gate.clear()
    page = visit(chromium, address)
    type_and_submit(page, "red apple")
    page.wait_for_selector(".bk-column:nth-child(3)[data-tone=working]")
    page.click("#bk-cancel")
    page.wait_for_function("document.querySelector('#bk-cancel').innerText.includes('Stopping')")
    gate.set()
    page.wait_for_selector("[data-rest]")
    assert page.inner_text("[data-rest]") == "Run the rest (2)"
    assert page.inner_text(".bk-status") == "2 pictures, 2 stopped"
    assert page.is_enabled("#bk-compare")
    page.click("[data-rest]")
    page.wait_for_function("document.querySelectorAll('.bk-picture').length === 4")
    page.wait_for_selector(DONE)


def test_previews_are_shown_and_kept_for_this_visit(chromium: Any, tmp_path: Path) -> None:
    with served(tmp_path, {"original_unet": {"delay": 0.2}}) as (address, _):
        page = visit(chromium, address)
        page.click("#bk-settings button")
        page.check("#bk-previews input")
        type_and_submit(page, "red apple")
        page.wait_for_selector(".bk-backdrop[data-kind=preview]")
        page.wait_for_selector(DONE)
        page.wait_for_function(LOADED.format(".bk-picture img"))
        scrub = page.locator(".bk-column:first-child .bk-scrub input")
        assert scrub.get_attribute("aria-valuetext") == "The finished picture"
        finished = pixels(page, ".bk-column:first-child .bk-picture")
        scrub.focus()
        page.keyboard.press("Home")
        assert scrub.get_attribute("aria-valuetext").startswith("Estimate 1 of ")
        assert np.abs(finished - pixels(page, ".bk-column:first-child .bk-picture")).mean() > 1
        page.keyboard.press("End")
        assert np.abs(finished - pixels(page, ".bk-column:first-child .bk-picture")).mean() < 1
        page.click("[data-again='0']")
        page.wait_for_selector(".bk-column:first-child[data-tone=working]")
        assert page.locator(".bk-column:first-child .bk-early").count() == 0
        page.click("#bk-cancel")
        page.wait_for_selector(DONE)
        page.close()
