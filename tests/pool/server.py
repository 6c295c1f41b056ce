"""A nats-server of a test's own, on a free port of this machine."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from bksdm_demo.pool.nats_library import nats_library

PROGRAM = shutil.which("nats-server")
PATIENCE = 30.0  # seconds until a test that hangs fails


def skip_without_a_server() -> None:
    if PROGRAM is None:
        pytest.skip("nats-server is not installed (apt install nats-server, brew install nats-server)")
    pytest.importorskip("nats", reason="nats-py is not installed (pip install -r requirements-cluster.txt)")
    nats_library()


class Server:
    """The server. `more` are lines of its configuration. It keeps its streams in `folder`, also over a restart."""

    def __init__(self, folder: Path, more: str = "", host: str = "127.0.0.1") -> None:
        skip_without_a_server()
        self.folder, self.host = folder, host
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        (folder / "server.conf").write_text(
            f'host: "{host}"\nport: {self.port}\njetstream {{ store_dir: "{folder}" }}\n{more}'
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"nats://{self.host}:{self.port}"

    def start(self) -> None:
        assert PROGRAM is not None
        log = (self.folder / "server.log").open("ab")
        self._process = subprocess.Popen([PROGRAM, "-c", str(self.folder / "server.conf")], stdout=log, stderr=log)
        log.close()
        until = time.monotonic() + PATIENCE
        while not listens(self.host, self.port):
            assert time.monotonic() < until, (self.folder / "server.log").read_text()
            time.sleep(0.01)  # until it listens

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(PATIENCE)
            self._process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1) as probe:
            return probe.recv(4) == b"INFO"
    except OSError:
        return False
