"""A headless Chromium for the browser tests; they are skipped where Playwright or a Chromium is missing."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.ui.conftest import close_loops  # noqa: F401  (the same fixture serves here)
from tests.ui.test_page import served

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome") or ""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A running browser; pages come from `chromium.new_page(...)`."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not CHROMIUM:
        pytest.skip("no Chromium here; install one or name it in CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def door() -> threading.Event:
    """What the third model waits for, at `address`."""
    return threading.Event()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, door: threading.Event) -> Iterator[str]:
    """A served page over fakes. A file with a page of its own overrides it."""
    with served(tmp_path_factory.mktemp("site"), {"small_unet": {"run_gate": door}}) as (found, _):
        yield found
        door.set()


@pytest.fixture(autouse=True)
def left(chromium: Any) -> Iterator[None]:
    """Close every page at the end of a test: an open page keeps sending requests to its server."""
    yield
    for context in chromium.contexts:
        context.close()
