"""A comparison outlives its tab, its browser and its server: taken up, cancelled and re-opened elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.browser.test_comparison import DONE, type_and_submit, visit
from tests.ui.test_page import free_port, served

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]


def test_cancelled_from_a_second_browser(chromium: Any, tmp_path: Path) -> None:
    gate = threading.Event()
    with served(tmp_path, {"base_unet": {"run_gate": gate}}, own_gallery=True) as (address, _):
        page = visit(chromium, address)
        type_and_submit(page, "red apple")
        page.wait_for_selector(".bk-column:nth-child(2)[data-tone=working]")
        phone = visit(chromium, page.url)
        phone.wait_for_selector(".bk-column:nth-child(2)[data-tone=working]")
        phone.click("#bk-cancel")
        phone.wait_for_function("document.querySelector('#bk-cancel').innerText.includes('Stopping')")
        gate.set()
        page.wait_for_selector(DONE)
        assert page.inner_text(".bk-status") == "1 picture, 3 stopped"
        page.close()
        phone.close()


def start_app(data: Path, port: int) -> subprocess.Popen[str]:
    command = [sys.executable, "app.py", "--port", str(port), "--data-dir", str(data)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert process.stdout is not None
    assert "The page is at" in process.stdout.readline()
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_killed_server_keeps_what_was_finished_and_runs_the_rest(chromium: Any, tmp_path: Path) -> None:
    port = free_port()
    process = start_app(tmp_path, port)
    try:
        page = visit(chromium, f"http://127.0.0.1:{port}/")
        page.click("#bk-settings button")
        page.fill("#bk-settings input[type=number] >> nth=0", "150")
        page.keyboard.press("Tab")
        type_and_submit(page, "red apple")
        page.wait_for_selector(".bk-column:nth-child(2)[data-tone=working]")
        address = page.url
        assert re.search(r"job=[\w-]{16,}", address)
        page.close()
    finally:
        end(process)  # as kill -9 does
    process = start_app(tmp_path, port)
    try:
        page = visit(chromium, address)
        page.wait_for_selector(DONE)
        assert page.locator(".bk-column img").count() >= 1
        page.wait_for_selector(".bk-column:has-text('Interrupted')")
        page.click("[data-rest]")
        page.wait_for_function("document.querySelectorAll('.bk-board[aria-busy=false] .bk-picture img').length == 4")
        page.close()
    finally:
        end(process)
