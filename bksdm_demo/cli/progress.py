"""What the command line says while a published model arrives: bytes, speed and time left, stage by stage.

Follows console.py's rule: progress goes to the stream it is given. What is measured is library/progress.py's business,
the words are those of the page (ui/standing.py).
"""

from __future__ import annotations

from typing import TextIO

from bksdm_demo.cli.tables import CLEAR_LINE
from bksdm_demo.downloads.status import download_line
from bksdm_demo.library.progress import Progress, Stage

SHARES = 10  # lines for each stage of a download where there is no terminal


class FetchProgress:
    """Tells how far a download is: one live line on a terminal, elsewhere a line for every tenth of each stage."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name
        self._live = stream.isatty()
        self._told: tuple[Stage, int] | None = None

    def __call__(self, progress: Progress) -> None:
        """Take the newest report."""
        share = SHARES * progress.done_bytes // progress.total_bytes if progress.total_bytes else 0
        if not self._live and self._told == (progress.stage, share):
            return
        self._told = (progress.stage, share)
        line = f"{self._name}: {download_line(progress)}"
        self._stream.write(CLEAR_LINE + line if self._live else line + "\n")
        self._stream.flush()

    def end(self) -> None:
        """Wipe the live line; call it whatever happened."""
        if self._live:
            self._stream.write(CLEAR_LINE)
            self._stream.flush()
