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
    "--process-per-site",  # of one context; a page that finds the scripts compiled loads in half the time
]


class Visitors:
    """A browser that lends a context for each visitor: without cookies, storage or permissions, but with a warm cache.

    A context comes back at the end of a test. Its last page stays open, empty, and keeps its process for the next.
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._idle: dict[str, list[Any]] = {}
        self._lent: list[tuple[str, Any]] = []

    def new_context(self, **options: Any) -> Any:
        """Lend a context with these options of Playwright's `new_context`."""
        kind = repr(sorted(options.items()))
        idle = self._idle.setdefault(kind, [])
        context = idle.pop() if idle else self._browser.new_context(**options)
        self._lent.append((kind, context))
        return context

    def new_page(self, **options: Any) -> Any:
        """Open a page of a context of its own."""
        return self.new_context(**options).new_page()

    def take_back(self) -> None:
        """Take back what was lent. A context that shows no served page, or none at all, is closed."""
        for kind, context in self._lent:
            *others, last = context.pages or [None]
            for page in others:
                page.close()
            if last is None or not last.url.startswith("http://127.0.0.1"):
                context.close()
                continue
            last.evaluate("localStorage.clear(); sessionStorage.clear()")
            last.goto("about:blank")  # an open page keeps sending requests to its server
            context.clear_cookies()
            context.clear_permissions()
            self._idle[kind].append(context)
        self._lent.clear()

    def close(self) -> None:
        """Close all contexts."""
        for context in self._browser.contexts:
            context.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A running Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not CHROMIUM:
        pytest.skip("no Chromium here; install one or name it in CHROMIUM")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def chromium(browser: Any) -> Iterator[Visitors]:
    """A browser; pages come from `chromium.new_context(...).new_page()`, each context being another visitor's."""
    visitors = Visitors(browser)
    yield visitors
    visitors.close()


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
def left(chromium: Visitors) -> Iterator[None]:
    """Close every page at the end of a test."""
    yield
    chromium.take_back()
