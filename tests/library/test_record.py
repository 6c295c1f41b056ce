"""The record of a fetch: written before the system appears, read back, and never trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from bksdm_demo.library.download import look_up
from bksdm_demo.library.fetch import fetch
from bksdm_demo.library.record import NAME, FetchRecord, read_record, record_of
from tests.library.conftest import REPO, SYSTEM, ZIP
from tests.library.hub_server import COMMIT, HubServer


def test_a_fetched_system_says_where_it_came_from(hub: HubServer, tmp_path: Path) -> None:
    record = read_record(fetch(SYSTEM, tmp_path))
    assert record is not None
    assert (record.repo, record.file, record.size_bytes) == (REPO, "tiny.zip", len(ZIP))
    assert (record.revision, record.asked) == (COMMIT, COMMIT)


def test_a_branch_is_pinned_to_its_commit(hub: HubServer, tmp_path: Path) -> None:
    record = read_record(fetch(SYSTEM, tmp_path, attention="original"))
    assert record is not None
    assert (record.revision, record.asked) == (COMMIT, "main")


def test_it_comes_back_as_it_was_written(hub: HubServer, tmp_path: Path) -> None:
    record = record_of(look_up(SYSTEM.archives[0].file), "main")
    (tmp_path / NAME).write_bytes(record.as_bytes())
    assert read_record(tmp_path) == record


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"repo": 1}', "\x00", '{"unknown": "x"}', "[" * 100_000])
def test_a_spoilt_record_is_none(tmp_path: Path, text: str) -> None:
    assert read_record(tmp_path) is None
    (tmp_path / NAME).write_text(text)
    assert read_record(tmp_path) is None


def test_a_record_of_wrong_kinds_is_none(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(FetchRecord("a/b", "c.zip", "1", "1", "2", "3").as_bytes())  # type: ignore[arg-type]
    assert read_record(tmp_path) is None
