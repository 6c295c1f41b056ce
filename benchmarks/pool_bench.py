"""What the measures of a pool share: a server, workers as processes, and the page's side in this process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bksdm_demo.pool.address import Address
from bksdm_demo.pool.broker import Broker, PoolError
from bksdm_demo.pool.pool_drawer import PoolDrawer
from bksdm_demo.records import Request
from bksdm_demo.runs.drawer import Drawn, Event, Order, Progress
from bksdm_demo.runs.local_drawer import LocalDrawer
from bksdm_demo.settings import Settings, default_cache_dir
from bksdm_demo.start import start

MODEL = "emoji-tiny"
STEPS = 20
PATIENCE = 180.0  # seconds for a worker to come, or a picture to end


class Bench:
    """A server, workers as processes, and the page's side in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.names = folder, free_port(), iter(range(10**6))
        program = shutil.which("nats-server")
        if program is None:
            raise SystemExit("nats-server is needed: apt install nats-server, or brew install nats-server")
        self.server = subprocess.Popen(
            [program, "-js", "-a", "127.0.0.1", "-p", str(self.port), "-sd", str(folder / "js")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.broker = self._connected()
        self.pool = PoolDrawer(self.broker)
        self.drawing: dict[str, str] = {}  # order -> the worker that told of it last
        self.broker.hear("bksdm.out.>", self._hear)

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def _connected(self) -> Broker:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return Broker(Address(self.url), "page")
            except PoolError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def _hear(self, subject: str, payload: bytes) -> None:
        self.drawing[subject.rsplit(".", 2)[0]] = json.loads(payload.partition(b"\0")[0])["worker"]

    def worker(self, *, cores: str = "", prewarm: bool = True, wait: bool = True, url: str = "") -> str:
        """Start a worker, on these cores alone if any, and wait until it has warm models. `url` leads to the server."""
        name = f"w{next(self.names)}"
        environ = {**os.environ, "BKSDM_THREADS": "1" if cores else "", "BKSDM_PREWARM": MODEL}
        environ["BKSDM_NO_PREWARM"] = "" if prewarm else "yes"
        pinned = ["taskset", "-c", cores] if cores else []
        log = (self.folder / f"{name}.log").open("wb")
        command = [sys.executable, "-m", "bksdm_demo", "worker", "--pool", url or self.url, "--name", name]
        self.workers[name] = subprocess.Popen([*pinned, *command], stdout=log, stderr=log, env=environ)
        log.close()
        if wait:
            self.wait(lambda: name in self.living() and (not prewarm or self.warm(name, MODEL)))
        return name

    def living(self) -> list[str]:
        return [beat.worker for beat in self.pool.roster.living()]

    def warm(self, worker: str, model: str) -> bool:
        beats = [beat for beat in self.pool.roster.living() if beat.worker == worker]
        return any(offer.warm and offer.system.key == model for beat in beats for offer in beat.offers)

    def wait(self, true: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > end:
                raise TimeoutError("it never happened")
            time.sleep(0.02)

    def settle(self) -> None:
        """Wait until every worker has loaded all its models, so that none loads while another draws."""
        self.wait(lambda: all(offer.warm for beat in self.pool.roster.living() for offer in beat.offers))

    def send(self, worker: str, number: int) -> None:
        self.workers[worker].send_signal(number)

    def close(self) -> None:
        for process in self.workers.values():
            with suppress(OSError):
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        self.pool.close()
        self.server.terminate()
        self.server.wait()


class Draw(threading.Thread):
    """One picture through the pool, with the time of each event."""

    def __init__(
        self,
        bench: Bench,
        index: int,
        model: str = MODEL,
        prompt: str = "red apple",
        *,
        pool: PoolDrawer | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self.pool, self.cancelled = pool or bench.pool, threading.Event()
        request = Request(prompt, seed=index if seed is None else seed, steps=STEPS)
        self.order = Order(f"bench{os.getpid()}", index, model, request, 0, (model,))
        self.events: list[tuple[float, Event]] = []
        self.end: Drawn | BaseException | None = None
        self.seconds = 0.0
        self.start()

    def run(self) -> None:
        began = time.perf_counter()
        try:
            self.end = self.pool.draw(self.order, self._hear, self.cancelled.is_set)
        except BaseException as error:
            self.end = error
        self.seconds = time.perf_counter() - began

    def _hear(self, event: Event) -> None:
        self.events.append((time.perf_counter(), event))

    def drawn(self) -> Drawn:
        self.join(PATIENCE)
        if not isinstance(self.end, Drawn):
            raise RuntimeError(f"no picture: {self.end!r}")
        return self.end

    def step(self) -> int:
        steps = [event.step for _, event in self.events if isinstance(event, Progress)]
        return steps[-1] if steps else 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def here(threads: int | None = None) -> Iterator[LocalDrawer]:
    """What draws in this process, warm."""
    services = start(Settings(cache_dir=default_cache_dir(), threads=threads, no_prewarm=True, isolation="child"))
    try:
        drawer = LocalDrawer(services.cache, None)
        services.cache.warm(MODEL)
        yield drawer
    finally:
        services.close()
