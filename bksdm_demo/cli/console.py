"""Text on a terminal and in a pipe: a rich console, tables that fit its width, and lists that break between items.

On a terminal, a table that is too wide becomes a list of its rows. In a pipe or a file it is plain text of full width,
without colours and with nothing shortened. The environment's FORCE_COLOR does not change that.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TextIO

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

LINE = 110  # characters; the longest line of a list
UNLIMITED = 100_000  # characters; the width of a pipe
GAP = 2  # characters between two columns
GLUE = "\xa0"  # a space at which a line does not break
INDENT = "  "


def console_on(stream: TextIO) -> Console:
    """A console that prints to the stream as it is: no markup, no emoji codes, no highlighting."""
    terminal = stream.isatty()
    return Console(
        file=stream,
        force_terminal=terminal,
        width=None if terminal else UNLIMITED,
        markup=False,
        emoji=False,
        highlight=False,
    )


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
        widths = self._widths(shown, options.max_width)
        yield self._table(shown, widths) if widths else self._list(shown)

    def _widths(self, shown: Sequence[int], room: int) -> list[int] | None:
        """The width of each column, None where they do not fit; those on the left grow to their full width first."""
        columns = [[self.heads[index], *(row[index] for row in self.rows)] for index in shown]
        full = [max(map(cell_len, texts)) for texts in columns]
        least = [
            max(cell_len(word) for text in texts for word in text.split()) if texts[0] in self.folding else width
            for texts, width in zip(columns, full, strict=True)
        ]
        spare = room - sum(least) - GAP * (len(shown) - 1)
        if spare < 0:
            return None
        widths = []
        for small, large in zip(least, full, strict=True):
            widths.append(min(large, small + spare))
            spare -= widths[-1] - small
        return widths

    def _table(self, shown: Sequence[int], widths: Sequence[int]) -> Table:
        table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
        for index, width in zip(shown, widths, strict=True):
            table.add_column(Text(self.heads[index]), width=width, overflow="fold")
        for row in self.rows:
            table.add_row(*(Text(row[index]) for index in shown))
        return table

    def _list(self, shown: Sequence[int]) -> Group:
        first, *others = shown
        blocks: list[RenderableType] = []
        for number, row in enumerate(self.rows):
            facts = Table.grid(padding=(0, GAP, 0, 0))
            facts.add_column(no_wrap=True)
            facts.add_column(overflow="fold")
            for index in others:
                if row[index]:
                    facts.add_row(Text(INDENT + self.heads[index]), Text(row[index]))
            heading = Text(row[first], style="bold", overflow="fold")
            blocks += [*([""] if number else []), heading, *([facts] if facts.row_count else [])]
        return Group(*blocks)


@dataclass(frozen=True)
class Listing:
    """A head and the items after it, with commas between them. Lines break between items only."""

    head: str
    items: Sequence[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = ", ".join(item.replace(" ", GLUE) for item in self.items)
        lines = textwrap.wrap(
            self.head + text,
            min(LINE, options.max_width),
            subsequent_indent=INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield Text("\n".join(lines).replace(GLUE, " "), overflow="fold")
