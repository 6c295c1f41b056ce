"""The command `worker`: what it refuses, and one picture by a worker process with a real model."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bksdm_demo.cli.app import app
from bksdm_demo.pool.address import Address
from bksdm_demo.pool.broker import Broker
from bksdm_demo.pool.pool_drawer import PoolDrawer
from bksdm_demo.records import Request
from bksdm_demo.runs.drawer import Order
from tests.pool.rigs import until
from tests.pool.server import PATIENCE, Server, free_port, skip_without_a_server

ROOT = Path(__file__).parents[2]
MODEL = "emoji-tiny"
SLOW = 4 * PATIENCE  # a process that imports everything on a busy machine


def refusal(*arguments: str, code: int = 2) -> str:
    result = CliRunner().invoke(app, ["worker", *arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def test_what_it_cannot_use_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BKSDM_POOL", raising=False)
    assert "No pool is named. Give its server: --pool nats://127.0.0.1:4222" in refusal()
    assert "another machine" in refusal("--pool", "nats://192.0.2.7")
    assert "no name for the pool" in refusal("--pool", "nats://127.0.0.1", "--name", "a.b")


def test_without_a_server_it_ends_with_a_sentence() -> None:
    skip_without_a_server()
    assert "No server of a pool answers" in refusal("--pool", f"nats://127.0.0.1:{free_port()}", code=1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "nats")
    yield made
    made.stop()


def test_a_worker_process_draws_for_a_page_and_ends_gently(server: Server, tmp_path: Path) -> None:
    command = (sys.executable, "-m", "bksdm_demo", "worker", "--pool", server.url, "--name", "studio")
    environ = {"BKSDM_NO_PREWARM": "yes", "BKSDM_CACHE_DIR": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) as process:
        pool = PoolDrawer(Broker(Address(server.url), "page"))
        try:
            until(lambda: MODEL in pool.roster.offers(), SLOW)
            order = Order("job", 0, MODEL, Request("red apple", steps=2), 0, (MODEL,))
            drawn = pool.draw(order, lambda event: None, lambda: False)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=SLOW)
        finally:
            process.kill()
            pool.close()
    assert process.returncode == 0, said
    assert drawn.result.image is not None
    assert drawn.result.image.shape == (128, 128, 3)
    assert drawn.result.machine.startswith("studio: ")
    assert drawn.environment["parts"]
    assert "studio offers 4 models to the pool at 127.0.0.1:" in said
