"""The page in a process of its own, as `python app.py` starts it, to be watched, killed and started again.

It keeps compiled models in outputs/soak-cache, so that only the first start compiles. No model is loaded ahead. It
believes X-Forwarded-For, so that every visitor of a check has an address of their own, and has the limits of a public
page; `flags` widen those that a check must exceed.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.soak import processes

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "outputs" / "soak-cache"
START_SECONDS = 900.0  # on a machine that is busy otherwise
END_SECONDS = 30.0
READY = "The page is at"  # in the log, once for each start
OURS = ("BKSDM_", "GRADIO_")  # variables of the outer environment that would change what is measured


class PageServer:
    """One page over one data folder. `start` and `end` or `kill` take turns; the log goes on in one file."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.data, self.log = folder / "data", folder / "server.log"
        self.port = _free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and wait until the page says that it is ready. Raises RuntimeError with the end of the log."""
        flags = ["--port", str(self.port), "--data-dir", str(self.data), "--cache-dir", str(CACHE)]
        environ = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.log.touch()
        seen = self.text().count(READY)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "app.py", "--no-prewarm", "--behind-proxy", *flags, *self._flags],
                cwd=ROOT,
                env={**environ, "HF_HUB_OFFLINE": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + START_SECONDS
        while self.text().count(READY) == seen:
            if not self.alive or time.monotonic() > end:
                raise RuntimeError(f"The page did not start. The end of its log:\n{self.text()[-2000:]}")
            time.sleep(0.1)

    def parts(self) -> list[int]:
        """The processes of its parts."""
        return processes.children(self.pid)

    def kill(self) -> bool:
        """End the page with SIGKILL. Returns whether the processes of its parts ended too, within END_SECONDS."""
        assert self._process is not None
        parts = self.parts()
        self._process.kill()
        self._process.wait()
        end = time.monotonic() + END_SECONDS
        while any(map(processes.alive, parts)) and time.monotonic() < end:
            time.sleep(0.05)
        return not any(map(processes.alive, parts))

    def end(self) -> None:
        """End the page in order."""
        if self._process is not None and self.alive:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END_SECONDS)
            self._process.kill()
            self._process.wait()

    def text(self) -> str:
        """All that was logged so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")


@contextmanager
def served(folder: Path, *flags: str) -> Iterator[PageServer]:
    """A started page, ended after the block."""
    server = PageServer(folder, *flags)
    try:
        server.start()
        yield server
    finally:
        server.end()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
