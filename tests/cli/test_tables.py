"""The tables of the commands: rows, columns and notes."""

from __future__ import annotations

import io

import pytest
from rich.console import RenderableType

from bksdm_demo.cli import tables
from bksdm_demo.cli.console import console_on, plain_text
from bksdm_demo.library.sharing import Sharing
from bksdm_demo.store.contract import Page, Unreadable
from tests.cli.test_progress import snapshots
from tests.ui.records import SYSTEMS, system


def text_of(block: RenderableType) -> str:
    return plain_text(block, console=console_on(io.StringIO()))


def test_comparison_table_has_a_row_for_each_model() -> None:
    head, first, second = text_of(tables.comparison_table(snapshots()[-1], {}, {0: "01-a.png"})).splitlines()
    assert head.split() == ["Model", "Outcome", "Drawing", "Loading", "Size", "File"]
    assert first.split() == ["a", "done", "1.50", "s", "2.00", "s", "1.50", "MB", "01-a.png"]
    assert second.split() == ["b", "failed"]


def test_history_table_says_how_many_more_there_are() -> None:
    text = text_of(tables.history_table(Page(tuple(snapshots()[-1:]), 3)))
    assert text.splitlines()[1].split()[0] == "id"
    assert text.splitlines()[-1] == "2 more; --limit shows more of them."
    assert text_of(tables.history_table(Page((), 0))) == "No stored comparison matches."


def test_history_names_what_cannot_be_read() -> None:
    text = text_of(tables.history_table(Page((), 2, (Unreadable("torn-id", 0.0),))))
    assert text.splitlines() == [
        "torn-id cannot be read: damaged, or of another version.",
        "1 more; --limit shows more of them.",
    ]


def test_systems_table_shows_the_notes_about_usable_models() -> None:
    noted = system("wide", "Wide", note="No file states its prediction_type.")
    text = text_of(tables.systems_table([SYSTEMS["a"], noted], Sharing()))
    assert text.splitlines()[-1] == "wide: No file states its prediction_type."


@pytest.mark.parametrize(("count", "words"), [(None, ""), (4_878_308, "4.9 M"), (0, "0.0 M")])
def test_weights_in_millions(count: int | None, words: str) -> None:
    assert tables.millions(count) == words
