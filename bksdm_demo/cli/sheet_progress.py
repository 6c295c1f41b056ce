"""Progress of a sheet on the command line: one live line on a terminal; elsewhere a line for every twentieth."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TextIO

from bksdm_demo.cli.progress import PHASE_WORDS, LiveLine, running_words
from bksdm_demo.evaluation.sheet import Sheet
from bksdm_demo.evaluation.sheet_run import Progress
from bksdm_demo.records import Job, Phase
from bksdm_demo.units import duration

SHARES = 20  # lines of a sheet without a terminal


class SheetProgress(LiveLine):
    """Shows each progress of a run; cells that failed or were blocked get a line of their own."""

    def __init__(self, stream: TextIO, sheet: Sheet, names: Mapping[str, str]) -> None:
        super().__init__(stream)
        self._sheet, self._names = sheet, names
        self._said: set[tuple[str, int]] = set()
        self._share = 0
        self._waiting = ""
        self._began = time.monotonic()

    def show(self, progress: Progress) -> None:
        """Show the newest progress."""
        rows = len(self._sheet.rows)
        if progress.job is not None:
            self._say_ends(progress, progress.job)
        if progress.waiting and progress.waiting != self._waiting:
            self.print(progress.waiting)
        self._waiting = progress.waiting
        self.change(f"row {progress.row + 1} of {rows}", self._state(progress), progress.rows / rows)
        share = SHARES * progress.rows // rows
        if not self.on_terminal and share > self._share:
            self._share = share
            self.print(f"{progress.rows} of {rows} rows, {self._counted(progress)}")

    def _state(self, progress: Progress) -> str:
        job = progress.job
        if job is None or job.current is None:
            return self._counted(progress)
        cell = job.cells[job.current]
        return f"{self._names.get(cell.model, cell.model)} {running_words(cell)}, {self._counted(progress)}"

    def _counted(self, progress: Progress) -> str:
        reused = f", {progress.reused} found drawn" if progress.reused else ""
        return f"{progress.drawn} drawn{reused}, {duration(time.monotonic() - self._began)}"

    def _say_ends(self, progress: Progress, job: Job) -> None:
        for index, cell in enumerate(job.cells):
            if cell.phase in (Phase.FAILED, Phase.BLOCKED) and (job.id, index) not in self._said:
                self._said.add((job.id, index))
                name = self._names.get(cell.model, cell.model)
                message = f". {cell.message}" if cell.message else ""
                self.print(f"Row {progress.row + 1}, {name}: {PHASE_WORDS[cell.phase]}{message}")
