"""The files that take longest come first, so that all workers end at about the same time.

The browser comes last: Playwright leaves an event loop running, beside which no test can run one of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from bksdm_demo.logs import SERVERS

BROWSER = "browser"
REFERENCE = "reference"
LONGEST_IN_A_BROWSER = (
    "test_viewer.py",
    "test_accessibility.py",
    "test_gallery.py",
    "test_coming_back.py",
    "test_sheets.py",
    "test_many_tabs.py",
    "test_copying.py",
    "test_phone.py",
    "test_votes.py",
)
LONGEST = (  # beyond 10 seconds of processor time; in a file's place, its folder's name stands for all in it
    "test_openvino_cache.py",
    "test_published_layouts.py",
    "test_int8.py",
    "test_contract.py",
    "test_unit_fallback.py",
    "test_worst_settings.py",
    "quantization",
    "test_ending.py",
    "test_verify.py",
    "test_app.py",
    "test_compiled_system.py",
    "test_parts.py",
    "test_run.py",
    "test_evaluate.py",
    "test_fuzz.py",
    "test_picture_size.py",
    "test_worker.py",
    "test_printer.py",
    "test_api.py",
    "test_stored_family.py",
)


@pytest.fixture(autouse=True)
def log_of_this_test_only() -> Iterator[None]:
    """A page that a test starts sets up the log of the process; later tests would write to its closed stream."""
    loggers = [logging.getLogger(name) for name in (None, "bksdm_demo", *SERVERS)]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip files without a marked test where only those run: to import the others takes seconds in each worker."""
    if config.option.markexpr != REFERENCE:
        return None
    files = [collection_path] if collection_path.is_file() else collection_path.rglob("test_*.py")
    return None if any(f"mark.{REFERENCE}" in file.read_text(encoding="utf-8") for file in files) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(item.path))


def _place(path: Path) -> tuple[bool, int]:
    in_a_browser = BROWSER in path.parts
    longest = LONGEST_IN_A_BROWSER if in_a_browser else LONGEST
    return in_a_browser, next((place for place, name in enumerate(longest) if name in path.parts), len(longest))
