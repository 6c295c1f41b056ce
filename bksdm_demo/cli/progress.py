"""Progress of the commands: the cells of a comparison as they finish, and a published model as it downloads.

On a terminal one live line shows what happens now, with a bar where there is room. It never takes a second line, which
would stay behind when the window changes its width. In a pipe or a file there are plain lines only. The words are those
of the page (downloads/status.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Self, TextIO

from rich.cells import cell_len
from rich.console import RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bksdm_demo.cli.console import GAP, console_on, say
from bksdm_demo.downloads.status import download_line
from bksdm_demo.library.progress import Progress, Stage
from bksdm_demo.printable import printable
from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.reports.contact_sheet import time_line
from bksdm_demo.wording.comparison import shorten
from bksdm_demo.wording.loading import loading_words
from bksdm_demo.wording.outcomes import COUNTED, PHASE_TITLES

PHASE_WORDS = {phase: title.lower() for phase, title in PHASE_TITLES.items()} | COUNTED
SHARES = 10  # lines per stage of a download without a terminal
BAR = 20  # characters
WIDE = 70  # cells; a narrower terminal has no bar
LEAST_NAME = 8  # cells of a name that are left before details are left out


class LiveLine:
    """A line with a bar that changes in place on a terminal and is wiped at the end; nothing anywhere else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._console = console_on(stream)
        self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)
        self.on_terminal = self._console.is_interactive

    def __enter__(self) -> Self:
        if self.on_terminal:
            self._live.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._live.stop()

    def change(self, name: str, state: str, share: float | None = None) -> None:
        """Show "name: state", and a bar for `share` in [0, 1]."""
        if self.on_terminal:
            self._live.update(self._layout(name, state, share), refresh=True)

    def print(self, line: str) -> None:
        """Print a line that stays, above the live one."""
        if self.on_terminal:
            self._console.print(line)
        else:
            say(line, self._stream)

    def _layout(self, name: str, state: str, share: float | None) -> RenderableType:
        with_bar = share is not None and self._console.width >= WIDE
        room = self._console.width - 1 - (GAP + BAR if with_bar else 0)
        name, state, mark = (printable(text, self._console.encoding) for text in (name, state, "…"))
        text = Text(fitted(name, state, room, mark), no_wrap=True)
        if not with_bar:
            return text
        row = Table.grid(padding=(0, GAP, 0, 0))
        row.add_row(text, ProgressBar(1.0, share or 0.0, BAR, complete_style="green", finished_style="green"))
        return row


def fitted(name: str, state: str, room: int, mark: str = "…") -> str:
    """Return "name: state" in at most `room` cells, with a shorter name, then without the last details of the state."""
    while cell_len(state) + LEAST_NAME + len(": ") > room and ", " in state:
        state = state.rpartition(", ")[0]
    name = shorten(name, max(LEAST_NAME, room - cell_len(state) - len(": ")), cell_len, mark)
    return shorten(f"{name}: {state}", room, cell_len, mark)


class DrawingProgress(LiveLine):
    """Prints a line for each finished cell of a job; the live line shows the cell that is drawn now."""

    def __init__(self, stream: TextIO, names: Mapping[str, str]) -> None:
        super().__init__(stream)
        self._names = names
        self._printed: set[int] = set()  # indexes of cells

    def show(self, job: Job) -> None:
        """Show the newest snapshot."""
        for index, cell in enumerate(job.cells):
            if cell.phase.final and index not in self._printed:
                self._printed.add(index)
                self.print(self._finished(job, cell))
        if not job.finished:
            cell = job.cells[job.current or 0]
            share = cell.step / cell.steps if cell.phase is Phase.DENOISING and cell.steps else None
            place = f"[{sum(cell.phase.final for cell in job.cells) + 1}/{len(job.cells)}]"
            self.change(f"{place} {self._name(job, cell)}", running_words(cell), share)

    def _name(self, job: Job, cell: Cell) -> str:
        name = self._names.get(cell.model, cell.model)
        return f"{name}, seed {cell.seed}" if len(job.seeds) > 1 else name

    def _finished(self, job: Job, cell: Cell) -> str:
        name = self._name(job, cell)
        took = f" in {time_line(cell.result)}" if cell.phase is Phase.DONE and cell.result else ""
        return f"{name}: {PHASE_WORDS[cell.phase]}{took}" + (f". {cell.message}" if cell.message else "")


def running_words(cell: Cell) -> str:
    """ "denoising, step 3 of 20": what happens to a cell now."""
    step = f", step {cell.step} of {cell.steps}" if cell.phase is Phase.DENOISING else ""
    if cell.phase is Phase.LOADING and cell.loading is not None:
        step = f", {loading_words(cell.loading, time.time())}"
    return f"{PHASE_WORDS[cell.phase]}{step}"


class FetchProgress(LiveLine):
    """Shows how far a download is: a live line on a terminal, elsewhere a line for every tenth of each stage."""

    def __init__(self, stream: TextIO, name: str) -> None:
        super().__init__(stream)
        self._name = name
        self._printed: tuple[Stage, int] | None = None

    def __call__(self, progress: Progress) -> None:
        """Show the newest report."""
        state = download_line(progress)
        share = progress.done_bytes / progress.total_bytes if progress.total_bytes else None
        self.change(self._name, state, share)
        tenth = SHARES * progress.done_bytes // progress.total_bytes if progress.total_bytes else 0
        if not self.on_terminal and self._printed != (progress.stage, tenth):
            self._printed = (progress.stage, tenth)
            self.print(f"{self._name}: {state}")
