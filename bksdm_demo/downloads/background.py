"""What goes on behind the page's back: downloads, prewarming, and the status board that tells of both."""

from __future__ import annotations

from dataclasses import dataclass

from bksdm_demo.downloads.download_queue import DownloadQueue
from bksdm_demo.downloads.prewarm import Prewarm
from bksdm_demo.downloads.status_board import StatusBoard


@dataclass(frozen=True)
class Background:
    """The services behind it; nothing goes on until a download or `prewarm` is started. `close()` it when done."""

    status_board: StatusBoard
    fetches: DownloadQueue
    prewarm: Prewarm

    def close(self) -> None:
        """Stop everything; what has come of a download is kept."""
        self.fetches.close()
        self.prewarm.close()
