"""The background services of the page: downloads, prewarming, and the status board that reports on both."""

from __future__ import annotations

from dataclasses import dataclass

from bksdm_demo.downloads.download_queue import DownloadQueue
from bksdm_demo.downloads.prewarm import Prewarm
from bksdm_demo.downloads.status_board import StatusBoard


@dataclass(frozen=True)
class Background:
    """The services. Nothing runs until a download or `prewarm` is started. Call `close()` at the end."""

    status_board: StatusBoard
    downloads: DownloadQueue
    prewarm: Prewarm

    def close(self) -> None:
        """Stop everything. The bytes of an unfinished download stay on disk."""
        self.downloads.close()
        self.prewarm.close()
