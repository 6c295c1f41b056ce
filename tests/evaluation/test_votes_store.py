"""The file of votes: kept apart from the comparisons, added to and never changed; damage is a sentence."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from benchmarks.vote_simulation import vote
from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation import votes_store
from bksdm_demo.evaluation.votes import ANSWERED, Choice
from bksdm_demo.evaluation.votes_store import VOTES_NAME, VoteStore, open_votes
from bksdm_demo.store.contract import StoreError
from bksdm_demo.store.sqlite import INDEX_NAME


def test_votes_come_back_as_they_were(tmp_path: Path) -> None:
    cast = [vote("v", number, "a", "b", choice) for number, choice in enumerate(Choice)]
    store = open_votes(tmp_path / "new")
    for each in cast:
        store.add(each)
    with pytest.raises(RequestError, match=ANSWERED):
        store.add(cast[0])
    store.close()
    again = open_votes(tmp_path / "new")
    assert again.problem == ""
    assert again.all() == tuple(cast)
    assert again.count() == len(cast)
    assert again.answered("v") == {each.pair for each in cast}
    assert again.answered("w") == frozenset()
    again.close()
    assert [path.name for path in (tmp_path / "new").iterdir()] == [VOTES_NAME]


def test_no_statement_changes_or_deletes_a_vote() -> None:
    text = Path(votes_store.__file__).read_text().upper()
    assert "INSERT INTO VOTES" in text
    assert not any(word in text for word in ("UPDATE ", "DELETE ", "REPLACE INTO", "DROP "))


def test_an_address_is_crowded_by_its_visitors(tmp_path: Path) -> None:
    store = open_votes(None)
    for number in range(2):
        store.add(vote(f"v{number}", 1, "a", "b", Choice.TIE))
    assert store.crowded("v0", 1) == {"pair 1"}
    assert store.crowded("v0", 2) == store.crowded("", 0) == frozenset()


def test_digests_differ_between_files_and_hide_what_they_stand_for(tmp_path: Path) -> None:
    one, other = open_votes(tmp_path / "a"), open_votes(tmp_path / "b")
    assert one.digest("192.0.2.1") == one.digest("192.0.2.1") != other.digest("192.0.2.1")
    assert one.digest("") == ""
    assert len(one.digest("x")) == 32
    for store in (one, other):
        store.close()


def test_a_damaged_file_stays_as_it_is_and_votes_go_on_in_memory(tmp_path: Path) -> None:
    damaged = b"no database" * 200
    (tmp_path / VOTES_NAME).write_bytes(damaged)
    with pytest.raises(StoreError, match=f"votes is damaged .* Move the file {VOTES_NAME}"):
        VoteStore(tmp_path)
    store = open_votes(tmp_path)
    assert "kept in memory only" in store.problem
    store.add(vote("v", 1, "a", "b", Choice.LEFT))
    assert store.count() == 1
    assert (tmp_path / VOTES_NAME).read_bytes() == damaged


def test_another_file_or_a_newer_version_is_refused(tmp_path: Path) -> None:
    VoteStore(tmp_path).close()
    with sqlite3.connect(tmp_path / VOTES_NAME) as file:
        file.execute("PRAGMA user_version = 9")
    file.close()
    with pytest.raises(StoreError, match="A newer version of this demo wrote the votes"):
        VoteStore(tmp_path)
    assert INDEX_NAME != VOTES_NAME
