"""Tables and lists in a pipe and on terminals of several widths: nothing is lost, lines stay inside the width."""

from __future__ import annotations

import io

import pytest
from rich.console import RenderableType

from bksdm_demo.cli.console import LINE, Listing, Rows, console_on, plain_text
from tests.cli.terminal import Terminal

HEADS = ("Key", "Name", "Size", "Empty", "Prompt")
ROWS = [
    ("emoji-base", "Emoji Base", "1.50 MB", "", "a red apple on a plate, drawn as an emoji, with a leaf"),
    ("bk-sdm-tiny-2m", "BK-SDM Tiny", "1.43 GB", "", "[bold]:apple:[/bold] 苹果"),
]
TABLE = Rows(HEADS, ROWS, {"Name", "Prompt"})


def piped(*blocks: RenderableType) -> str:
    return plain_text(*blocks, console=console_on(io.StringIO()))


def on_terminal(monkeypatch: pytest.MonkeyPatch, width: int, *blocks: object) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    stream = Terminal()
    console_on(stream).print(*blocks)
    return stream.screen(width)


def test_a_pipe_gets_plain_text_of_full_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    head, first, second = piped(TABLE).splitlines()
    assert head == "Key             Name         Size     Prompt"
    assert first == f"emoji-base      Emoji Base   1.50 MB  {ROWS[0][-1]}"
    assert second == f"bk-sdm-tiny-2m  BK-SDM Tiny  1.43 GB  {ROWS[1][-1]}"


def test_columns_line_up_and_empty_ones_are_left_out() -> None:
    assert piped(Rows(("A", "B", "C"), [("1", "", "x"), ("234", "", "y")])) == "A    C\n1    x\n234  y"
    assert piped(Rows(("A",), [])) == ""


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_terminal_shows_every_word_inside_its_width(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    lines = on_terminal(monkeypatch, width, TABLE)
    assert all(len(line) <= width for line in lines)
    words = " ".join(lines).split()
    assert {word for row in ROWS for text in row for word in text.split()} <= set(words)


def test_columns_fold_between_words_before_the_table_becomes_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    folded, listed = on_terminal(monkeypatch, 60, TABLE), on_terminal(monkeypatch, 40, TABLE)
    assert folded[0].split() == ["Key", "Name", "Size", "Prompt"]
    assert listed[:3] == ["emoji-base", "  Name    Emoji Base", "  Size    1.50 MB"]


def test_lists_break_between_items_only(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = Listing("Head: ", [f"item {number}" for number in range(60)])
    for width, lines in ((LINE, piped(listing).splitlines()), (40, on_terminal(monkeypatch, 40, listing))):
        assert len(lines) > 1
        assert all(len(line) <= width for line in lines)
        assert not any(line.endswith("item") for line in lines)
