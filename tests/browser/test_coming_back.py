"""A comparison outlives its tab: opened on another device, watched by two, and continued after a killed server."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.browser.test_comparison import DONE, NARROW, type_and_submit, visit
from tests.ui.test_page import free_port

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
THIRD_WORKS = ".bk-column:nth-child(3)[data-tone=working]"
READY = "ready"


@pytest.fixture
def gate(door: threading.Event) -> Iterator[threading.Event]:
    """What the third model waits for; closed when a test begins."""
    door.clear()
    yield door
    door.set()


def begun(chromium: Any, address: str) -> Any:
    """A page on which two models are done and the third is at work."""
    page = visit(chromium, address)
    type_and_submit(page, "red apple")
    page.wait_for_selector(THIRD_WORKS)
    page.wait_for_function("location.search.includes('job=')")
    return page


def pictures(page: Any) -> list[str]:
    """The addresses of the pictures on the board."""
    return [str(image.get_attribute("src")) for image in page.locator(".bk-picture img").all()]


def test_a_tab_closed_in_mid_run_is_opened_on_a_phone(chromium: Any, address: str, gate: threading.Event) -> None:
    page = begun(chromium, address)
    link = page.url
    page.close()

    phone = visit(chromium, link, NARROW)
    phone.wait_for_selector(THIRD_WORKS)
    assert phone.inner_text(".bk-prompt") == "red apple"
    assert phone.inner_text(".bk-status") == "Drawing 3 of 4: Emoji Small"
    assert len(pictures(phone)) == 2
    assert phone.is_disabled("#bk-compare")
    gate.set()
    phone.wait_for_selector(DONE)
    assert len(pictures(phone)) == 4
    assert phone.evaluate("document.documentElement.scrollWidth") == NARROW["width"]


def test_two_browsers_watch_one_comparison_and_either_stops_it(
    chromium: Any, address: str, gate: threading.Event
) -> None:
    page = begun(chromium, address)
    other = visit(chromium, page.url, NARROW)
    other.wait_for_selector(THIRD_WORKS)
    other.click("#bk-cancel")
    page.wait_for_function("document.querySelector('#bk-cancel').innerText.includes('Stopping')")
    gate.set()
    for watcher in (page, other):
        watcher.wait_for_selector(DONE)
        assert watcher.inner_text(".bk-status") == "2 pictures, 2 stopped"
        assert watcher.is_enabled("#bk-compare")
    assert pictures(page) == pictures(other)


@contextmanager
def server(folder: Path, port: int, delay: float) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server of its own process over `folder`; each step of Emoji Small takes `delay` seconds."""
    command = [sys.executable, "-m", "tests.browser.serve", str(folder), str(port), str(delay)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == READY
            yield f"http://127.0.0.1:{port}/", process
        finally:
            process.kill()


def test_a_killed_server_keeps_what_was_finished_and_runs_the_rest(chromium: Any, tmp_path: Path) -> None:
    """The page stays open throughout: it reconnects to the server and shows what remains of the comparison."""
    port = free_port()
    with server(tmp_path, port, delay=5) as (address, process):
        page = begun(chromium, address)
        before = [page.request.get(address + picture).body() for picture in pictures(page)]
        process.kill()  # SIGKILL: the server cannot clean up
        process.wait()
        page.wait_for_selector("#bk-lost:has-text('Connection to the server was lost')")

    with server(tmp_path, port, delay=0) as (address, _):
        page.wait_for_selector(DONE)
        assert page.inner_text(".bk-status") == "2 pictures, 2 interrupted"
        assert page.locator(".bk-column:has-text('The server stopped before')").count() == 2
        assert [page.request.get(address + picture).body() for picture in pictures(page)] == before
        page.click("[data-rest]:has-text('Run the rest (2)')")
        page.wait_for_selector(".bk-status:has-text('4 pictures from the same noise')")
        page.wait_for_selector(DONE)
        assert [page.request.get(address + picture).body() for picture in pictures(page)[:2]] == before
