"""Serves a page over fake parts in a process that a test may kill. Arguments: FOLDER PORT DELAY."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from bksdm_demo.store.sqlite import open_store
from bksdm_demo.ui.page import build_page, launch_options
from tests.fakes import fake_comparisons


def main(folder: Path, port: int, delay: float) -> None:
    """Serve until killed. Comparisons are kept in FOLDER; each step of Emoji Small takes DELAY seconds."""
    options = {"small_unet": {"delay": delay}}
    comparisons = fake_comparisons(folder, options, store=open_store(folder / "data"))
    page = build_page(comparisons)
    page.launch(prevent_thread_lock=True, quiet=True, server_port=port, **launch_options(comparisons))
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
