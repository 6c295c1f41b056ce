"""Text on a terminal and in a pipe: a rich console, tables that fit its width, and lists that break between items.

All commands print through this file, which passes every text through `printable`: what a prompt, a name or an error
holds never controls a terminal. On a terminal, a table that is too wide becomes a list of its rows. In a pipe or a file
it is plain text of full width, without colours and with nothing shortened. The environment's FORCE_COLOR does not
change that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from bksdm_demo.printable import printable

LINE = 110  # characters; the longest line of a list
UNLIMITED = 100_000  # characters; the width of a pipe
GAP = 2  # characters between two columns
FOLDED = 16  # characters that a column keeps for a word in a script without spaces, which may break anywhere
INDENT = "  "


class PrintableConsole(Console):
    """A console that passes every string through `printable`."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text, self.encoding), **options)


def console_on(stream: TextIO) -> Console:
    """A console that prints to the stream without markup, emoji codes and highlighting."""
    terminal = stream.isatty()
    return PrintableConsole(
        file=stream,
        force_terminal=terminal,
        width=None if terminal else UNLIMITED,
        markup=False,
        emoji=False,
        highlight=False,
    )


def say(line: str, stream: TextIO) -> None:
    """Print a line to the stream."""
    stream.write(printable(line, encoding_of(stream)) + "\n")
    stream.flush()


def answer_path(path: Path) -> None:
    """Print the path of a written file to stdout: in a pipe exactly, for the script that reads it."""
    if sys.stdout.isatty():
        say(str(path), sys.stdout)
    else:
        typer.echo(os.fsencode(path))


def show(*blocks: RenderableType) -> None:
    """Print the blocks to stdout, one below the other."""
    console = console_on(sys.stdout)
    if console.is_terminal:
        console.print(Group(*blocks))
    else:
        typer.echo(plain_text(*blocks, console=console))


def plain_text(*blocks: RenderableType, console: Console) -> str:
    """What the console would print, without the spaces that fill up lines and without the last line break."""
    with console.capture() as capture:
        console.print(Group(*blocks))
    return "\n".join(line.rstrip(" ") for line in capture.get().removesuffix("\n").split("\n"))


def encoding_of(stream: TextIO) -> str:
    return getattr(stream, "encoding", None) or "utf-8"


@dataclass(frozen=True)
class Rows:
    """A table without lines and without empty columns; the columns named in `folding` break between words to fit.

    Where that is still too wide, each row becomes a small list: its first cell as a heading, then a line per column.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    folding: Collection[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = [index for index in range(len(self.heads)) if any(row[index] for row in self.rows)]
        if not shown:
            return
        heads, *rows = (
            [printable(row[index], options.encoding) for index in shown] for row in (self.heads, *self.rows)
        )
        widths = self._widths(heads, rows, options.max_width)
        yield _table(heads, rows, widths) if widths else _list(heads, rows)

    def _widths(self, heads: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> list[int] | None:
        """The width of each column, None where they do not fit; those on the left grow to their full width first."""
        columns = list(zip(heads, *rows, strict=True))
        full = [max(map(cell_len, texts)) for texts in columns]
        least = [
            max(_unbroken(word) for text in texts for word in text.split()) if texts[0] in self.folding else width
            for texts, width in zip(columns, full, strict=True)
        ]
        spare = room - sum(least) - GAP * (len(columns) - 1)
        if spare < 0:
            return None
        widths = []
        for small, large in zip(least, full, strict=True):
            widths.append(min(large, small + spare))
            spare -= widths[-1] - small
        return widths


def _unbroken(word: str) -> int:
    """How many cells a word needs in one piece."""
    cells = cell_len(word)
    return cells if cells <= len(word) else min(cells, FOLDED)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> Table:
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for head, width in zip(heads, widths, strict=True):
        table.add_column(Text(head), width=width, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _list(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Group:
    blocks: list[RenderableType] = []
    for number, (heading, *cells) in enumerate(rows):
        facts = Table.grid(padding=(0, GAP, 0, 0))
        facts.add_column(no_wrap=True)
        facts.add_column(overflow="fold")
        for head, cell in zip(heads[1:], cells, strict=True):
            if cell:
                facts.add_row(Text(INDENT + head), Text(cell))
        title = Text(heading, style="bold", overflow="fold")
        blocks += [*([""] if number else []), title, *([facts] if facts.row_count else [])]
    return Group(*blocks)


@dataclass(frozen=True)
class Listing:
    """A head and the items after it, with commas between them. Lines break between items only."""

    head: str
    items: Sequence[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._lines(min(LINE, options.max_width), options.encoding):
            yield Text(line, overflow="fold")

    def _lines(self, width: int, encoding: str) -> Iterator[str]:
        line, *items = (printable(text, encoding) for text in (self.head, *self.items))
        for number, item in enumerate(items, 1):
            piece = f"{item}, " if number < len(items) else item
            if line != INDENT and cell_len((line + piece).rstrip()) > width:
                yield line.rstrip()
                line = INDENT
            line += piece
        yield line.rstrip()
