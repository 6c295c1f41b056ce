"""Progress of the commands: the cells of a comparison as they finish, and a published model as it downloads.

On a terminal one live line with a bar shows what happens now. In a pipe or a file there are plain lines only. The words
are those of the page (downloads/status.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Self, TextIO

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bksdm_demo.cli.console import console_on
from bksdm_demo.downloads.status import download_line
from bksdm_demo.library.progress import Progress, Stage
from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.reports.contact_sheet import time_line
from bksdm_demo.wording.loading import loading_words
from bksdm_demo.wording.outcomes import COUNTED, PHASE_TITLES

PHASE_WORDS = {phase: title.lower() for phase, title in PHASE_TITLES.items()} | COUNTED
SHARES = 10  # lines per stage of a download without a terminal
BAR = 20  # characters
WIDE = 70  # characters; on a narrower terminal the bar stands below the line


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

    def change(self, line: str, share: float | None = None) -> None:
        """Show this line, and a bar for `share` in [0, 1]."""
        if self.on_terminal:
            self._live.update(self._layout(line, share), refresh=True)

    def print(self, line: str) -> None:
        """Print a line that stays, above the live one."""
        if self.on_terminal:
            self._console.print(Text(line))
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def _layout(self, line: str, share: float | None) -> RenderableType:
        text = Text(line, overflow="fold")
        if share is None:
            return text
        bar = ProgressBar(total=1.0, completed=share, width=BAR, complete_style="green", finished_style="green")
        if self._console.width < WIDE:
            return Group(text, bar)
        row = Table.grid(padding=(0, 2, 0, 0))
        row.add_row(text, bar)
        return row


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
            self.change(self._running(job, cell), share)

    def _name(self, job: Job, cell: Cell) -> str:
        name = self._names.get(cell.model, cell.model)
        return f"{name}, seed {cell.seed}" if len(job.seeds) > 1 else name

    def _finished(self, job: Job, cell: Cell) -> str:
        name = self._name(job, cell)
        took = f" in {time_line(cell.result)}" if cell.phase is Phase.DONE and cell.result else ""
        return f"{name}: {PHASE_WORDS[cell.phase]}{took}" + (f". {cell.message}" if cell.message else "")

    def _running(self, job: Job, cell: Cell) -> str:
        place = sum(cell.phase.final for cell in job.cells)
        step = f", step {cell.step} of {cell.steps}" if cell.phase is Phase.DENOISING else ""
        if cell.phase is Phase.LOADING and cell.loading is not None:
            step = f", {loading_words(cell.loading, time.time())}"
        return f"[{place + 1}/{len(job.cells)}] {self._name(job, cell)}: {PHASE_WORDS[cell.phase]}{step}"


class FetchProgress(LiveLine):
    """Shows how far a download is: a live line on a terminal, elsewhere a line for every tenth of each stage."""

    def __init__(self, stream: TextIO, name: str) -> None:
        super().__init__(stream)
        self._name = name
        self._printed: tuple[Stage, int] | None = None

    def __call__(self, progress: Progress) -> None:
        """Show the newest report."""
        line = f"{self._name}: {download_line(progress)}"
        share = progress.done_bytes / progress.total_bytes if progress.total_bytes else None
        self.change(line, share)
        tenth = SHARES * progress.done_bytes // progress.total_bytes if progress.total_bytes else 0
        if not self.on_terminal and self._printed != (progress.stage, tenth):
            self._printed = (progress.stage, tenth)
            self.print(line)
