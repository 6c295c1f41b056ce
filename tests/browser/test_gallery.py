"""Saved comparisons in a real browser: filter, star, delete, open, share by link, read back from a PNG."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bksdm_demo.records import Request
from bksdm_demo.runs.comparisons import Comparisons
from tests.browser.test_comparison import DONE, MILLISECONDS, NARROW, WIDE, type_and_submit, visit
from tests.fakes import BLOCKED_WORD, FAMILY
from tests.ui.test_page import served

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Comparisons]]:
    with served(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture
def site(server: tuple[str, Comparisons]) -> tuple[str, Comparisons]:
    """The server, with nothing kept on it."""
    for job in server[1].gallery(limit=100).jobs:
        server[1].delete(job.id)
    return server


def keep(comparisons: Comparisons, prompt: str, models: tuple[str, ...] = FAMILY[:2], **settings: Any) -> str:
    """A finished comparison; its id."""
    job = comparisons.submit(Request(prompt, steps=2, **settings), models)
    *_, job = comparisons.watch(job.id)
    return job.id


def open_gallery(page: Any) -> None:
    page.click("#bk-tabs [role=tab]:has-text('Gallery')")
    page.wait_for_selector(".bk-gallery, .bk-nothing")


def prompts(page: Any) -> list[str]:
    return page.locator(".bk-kept-prompt").all_inner_texts()


def wait_for_prompts(page: Any, *wanted: str) -> None:
    page.wait_for_function(
        "wanted => JSON.stringify([...document.querySelectorAll('.bk-kept-prompt')].map(e => e.innerText)) == wanted",
        arg=json.dumps(wanted, separators=(",", ":")),
    )


def test_filter_star_and_delete(chromium: Any, site: tuple[str, Comparisons]) -> None:
    address, comparisons = site
    whale, apple = keep(comparisons, "blue whale"), keep(comparisons, "red <b>apple</b>", FAMILY[1:3])
    page = visit(chromium, address)
    open_gallery(page)
    wait_for_prompts(page, "red <b>apple</b>", "blue whale")
    page.wait_for_function("[...document.querySelectorAll('.bk-cell img')].filter(i => i.naturalWidth).length == 4")

    page.fill("#bk-find input", "WHALE")
    wait_for_prompts(page, "blue whale")
    page.fill("#bk-find input", "nothing like it")
    page.wait_for_selector(".bk-nothing:has-text('No comparison matches this filter')")
    page.fill("#bk-find input", "")
    wait_for_prompts(page, "red <b>apple</b>", "blue whale")
    page.fill(".bk-day input >> nth=0", "2999-01-01")
    page.wait_for_selector(".bk-nothing")
    page.fill(".bk-day input >> nth=0", "2001-01-01")
    wait_for_prompts(page, "red <b>apple</b>", "blue whale")
    page.click("#bk-find-model input")
    page.click("[role=option]:has-text('Emoji Small')")
    wait_for_prompts(page, "red <b>apple</b>")
    page.click("#bk-find-model input")
    page.click("[role=option]:has-text('All models')")
    wait_for_prompts(page, "red <b>apple</b>", "blue whale")

    page.click(f"[data-act=star][data-job='{whale}']")
    page.wait_for_selector(f"[data-act=unstar][data-job='{whale}'][aria-pressed=true]")
    assert comparisons.get(whale).starred
    page.check("#bk-find-starred input")
    wait_for_prompts(page, "blue whale")
    page.uncheck("#bk-find-starred input")
    wait_for_prompts(page, "red <b>apple</b>", "blue whale")

    first = page.locator(".bk-kept").first
    first.locator("summary:has-text('Delete')").click()
    assert comparisons.get(apple).finished  # nothing is deleted before the confirmation
    first.locator("[data-act=delete]").click()
    wait_for_prompts(page, "blue whale")
    assert page.locator("details[open]").count() == 0
    assert comparisons.gallery().total == 1
    assert httpx.get(f"{address}pictures/{apple}/01-emoji-base.png").status_code == 404
    page.close()


def test_open_a_card_and_save_its_report(chromium: Any, site: tuple[str, Comparisons]) -> None:
    address, comparisons = site
    job = keep(comparisons, "blue whale", seed=11)
    page = visit(chromium, address)
    open_gallery(page)
    page.click(f"[data-open='{job}']")
    page.wait_for_selector(DONE)
    assert page.inner_text(".bk-board .bk-prompt") == "blue whale"
    assert page.input_value("#bk-seed input") == "11"
    assert f"job={job}" in page.url
    page.click(".bk-board .bk-menu summary:has-text('Save')")
    with page.expect_download() as waiting:
        page.click(".bk-board .bk-menu[open] a:has-text('Report')")
    assert re.fullmatch(r"comparison-\d{8}-\d{6}\.html", waiting.value.suggested_filename)
    assert "blue whale" in Path(waiting.value.path()).read_text(encoding="utf-8")
    page.close()


def test_opening_a_card_during_a_run_leaves_the_run_alone(chromium: Any, tmp_path: Path) -> None:
    gate = threading.Event()
    gate.set()
    with served(tmp_path, {"unet": {"run_gate": gate}}) as (address, comparisons):
        kept = keep(comparisons, "blue whale")
        gate.clear()
        page = visit(chromium, address)
        type_and_submit(page, "red apple")
        page.wait_for_selector(".bk-board[aria-busy=true]")
        (running,) = (job.id for job in comparisons.gallery().jobs if job.id != kept)
        for wanted, words in ((kept, "blue whale"), (running, "red apple"), (kept, "blue whale")):
            open_gallery(page)
            page.click(f"[data-open='{wanted}']")
            page.wait_for_selector(f".bk-board .bk-prompt:has-text('{words}')")
            page.wait_for_function("id => new URL(location).searchParams.get('job') === id", arg=wanted)
        page.wait_for_timeout(2500)  # two heartbeats of the watcher that was left
        assert page.inner_text(".bk-board .bk-prompt") == "blue whale"
        page.click("[data-again='0']")
        page.wait_for_selector(".bk-board[aria-busy=true]")
        assert not comparisons.get(kept).finished  # what is on the board runs again, in the queue behind the other
        gate.set()
        page.wait_for_selector(DONE)
        assert page.inner_text(".bk-board .bk-prompt") == "blue whale"
        page.close()


def test_the_keys_that_start_a_comparison_mean_nothing_elsewhere(chromium: Any, site: tuple[str, Comparisons]) -> None:
    address, comparisons = site
    keep(comparisons, "blue whale")
    page = visit(chromium, address)
    page.fill("#bk-prompt textarea", "red apple")
    open_gallery(page)
    presses = "compare => { window.presses = 0; compare.addEventListener('click', () => window.presses++); }"
    page.locator("#bk-compare").evaluate(presses)
    page.fill("#bk-find input", "whale")
    page.keyboard.press("Control+Enter")
    assert page.evaluate("window.presses") == 0
    page.click("#bk-tabs [role=tab]:has-text('Compare')")
    page.focus("#bk-prompt textarea")
    page.keyboard.press("Control+Enter")
    assert page.evaluate("window.presses") == 1
    page.wait_for_selector(DONE)
    assert comparisons.gallery().total == 2
    page.close()


INSIDE = """menu => { const box = menu.getBoundingClientRect();
  return box.width > 0 && box.left >= 0 && box.right <= window.innerWidth; }"""


def test_every_menu_opens_inside_a_narrow_page(chromium: Any, site: tuple[str, Comparisons]) -> None:
    address, comparisons = site
    job = keep(comparisons, "blue whale", FAMILY)
    page = visit(chromium, f"{address}?job={job}", NARROW)
    page.wait_for_selector(DONE)
    for place in range(2):  # share, save
        page.locator(".bk-board .bk-menu summary").nth(place).click()
        assert page.locator(".bk-board .bk-menu-body").nth(place).evaluate(INSIDE)
    open_gallery(page)
    for place in range(2):  # save, delete
        page.locator(".bk-kept .bk-menu summary").nth(place).click()
        assert page.locator(".bk-kept .bk-menu-body").nth(place).evaluate(INSIDE)
    assert page.locator("details.bk-menu[open]").count() == 1
    page.close()


def test_a_blocked_picture_is_drawn_as_such(chromium: Any, site: tuple[str, Comparisons]) -> None:
    address, comparisons = site
    keep(comparisons, BLOCKED_WORD)
    page = visit(chromium, address)
    pictures: list[str] = []
    page.on("response", lambda answer: pictures.append(answer.headers.get("content-type", "")))
    open_gallery(page)
    page.wait_for_selector(".bk-cell[data-tone=blocked]")
    assert page.locator(".bk-cell[data-tone=blocked]").count() == 2
    assert page.locator(".bk-cell img").count() == 0
    assert not any(kind.startswith("image/png") for kind in pictures)
    page.close()


def test_pages(chromium: Any, site: tuple[str, Comparisons]) -> None:
    address, comparisons = site
    for number in range(14):
        keep(comparisons, f"picture {number}", FAMILY[:1])
    page = visit(chromium, address, NARROW)
    open_gallery(page)
    page.wait_for_selector("#bk-range:has-text('1–12 of 14')")
    page.click("#bk-pages button:has-text('Older')")
    wait_for_prompts(page, "picture 1", "picture 0")
    assert page.is_disabled("#bk-pages button:has-text('Older')")
    page.click("#bk-pages button:has-text('Newer')")
    page.wait_for_selector("#bk-range:has-text('1–12 of 14')")
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
    page.close()


def test_on_a_public_page_visitors_have_their_own(chromium: Any, tmp_path: Path) -> None:
    with served(tmp_path, own_gallery=True) as (address, comparisons):
        mine = visit(chromium, address)
        type_and_submit(mine, "red apple")
        mine.wait_for_selector(DONE)
        open_gallery(mine)
        wait_for_prompts(mine, "red apple")
        job = re.search(r"job=([\w-]+)", mine.url)
        assert job is not None

        other = visit(chromium, address)
        open_gallery(other)
        other.wait_for_selector(".bk-nothing:has-text('You have no comparisons yet')")
        assert job[1] not in other.content()
        other.goto(f"{address}?job={job[1]}")
        other.wait_for_selector(DONE)  # a link opens for anybody

        mine.reload()
        mine.wait_for_selector(DONE)
        open_gallery(mine)
        wait_for_prompts(mine, "red apple")
        assert comparisons.get(job[1]).owner
        mine.close()
        other.close()


def test_copy_link_and_open_it_on_a_server_that_keeps_nothing(
    chromium: Any, site: tuple[str, Comparisons], tmp_path: Path
) -> None:
    address, _ = site
    context = chromium.new_context(viewport=WIDE)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(MILLISECONDS)
    page.goto(address)
    page.wait_for_selector("#bk-compare")
    page.fill("#bk-seed input", "41")
    type_and_submit(page, "red & blue apple?")
    page.wait_for_selector(DONE)
    page.click("[data-link]")
    page.wait_for_selector("[data-link]:has-text('Copied')")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{address}?job=")
    assert "prompt=red+%26+blue+apple%3F" in link

    with served(tmp_path / "elsewhere") as (other_address, other_service):
        other = visit(chromium, link.replace(address, other_address))
        other.wait_for_selector("#bk-said:has-text('This server does not have that comparison')")
        assert other.input_value("#bk-prompt textarea") == "red & blue apple?"
        assert other.input_value("#bk-seed input") == "41"
        assert other_service.gallery().total == 0  # nothing ran by itself
        other.click("#bk-compare")
        other.wait_for_selector(DONE)
        assert "prompt=" not in other.url
        (job,) = other_service.gallery().jobs
        assert (job.request.prompt, job.request.seed, job.models) == ("red & blue apple?", 41, FAMILY)
        assert f"job={job.id}" in other.url
        other.close()


def test_a_link_is_shown_where_it_cannot_be_copied(chromium: Any, site: tuple[str, Comparisons]) -> None:
    address, comparisons = site
    job = keep(comparisons, "red apple")
    page = visit(chromium, f"{address}?job={job}")
    page.wait_for_selector(DONE)
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not here')); }")
    page.click("[data-link]")
    assert page.input_value(".bk-by-hand input").startswith(f"{address}?job={job}&prompt=red+apple")
    page.close()


def test_a_plain_link_fills_the_form_and_runs_nothing(chromium: Any, site: tuple[str, Comparisons]) -> None:
    address, comparisons = site
    page = visit(chromium, f"{address}?prompt=blue+whale&models=emoji-tiny,unheard-of&seeds=5&steps=999")
    page.wait_for_selector("#bk-said:has-text('Not available here and left out: unheard-of.')")
    assert "steps is 999" in page.inner_text("#bk-said")
    assert page.input_value("#bk-prompt textarea") == "blue whale"
    page.wait_for_selector(".bk-prompt:has-text('Ready to run Emoji Tiny')")
    assert comparisons.gallery().total == 0
    page.close()


DROP = """([bytes, name]) => {
  const files = new DataTransfer();
  files.items.add(new File([new Uint8Array(bytes)], name));
  document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }));
}"""


def test_a_dropped_png_fills_the_form_and_its_pixels_stay_here(
    chromium: Any, site: tuple[str, Comparisons], tmp_path: Path
) -> None:
    address, comparisons = site
    job = keep(comparisons, "blue whale", FAMILY[2:3], seed=23, scheduler="euler")
    picture = comparisons.picture(job, 0)
    page = visit(chromium, address)
    sent: list[int] = []
    page.on("request", lambda request: sent.append(len(request.post_data_buffer or b"")))
    page.evaluate(DROP, [list(picture), "whale.png"])
    page.wait_for_selector("#bk-said:has-text('Press Compare to draw with them')")
    assert page.input_value("#bk-prompt textarea") == "blue whale"
    assert page.input_value("#bk-seed input") == "23"
    assert page.is_checked("#bk-lock input")
    assert page.locator("#bk-models input:checked").count() == 1
    assert max(sent) < len(picture) * 4 / 3  # base64 of the whole would be longer

    page.evaluate(DROP, [list(b"GIF89a, no PNG at all"), "whale.png"])
    page.wait_for_selector("#bk-said:has-text('is no PNG, JPEG or WebP picture')")
    chosen = tmp_path / "whale.png"
    chosen.write_bytes(picture)
    page.set_input_files("#bk-upload input", chosen)
    page.wait_for_selector("#bk-said:has-text('Press Compare to draw with them')")
    page.close()
