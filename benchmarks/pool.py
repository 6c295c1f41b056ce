"""Measures a pool on this machine: `python -m benchmarks.pool [MEASURE ...]`. docs/pool.md has the figures.

    overhead     seconds of a picture through a worker against the same picture in this process, taken in turns
    throughput   two workers of one core each against one
    kills        workers killed in the middle of pictures: what is lost, what is drawn twice, whether pixels are equal
    frozen       a worker stopped by SIGSTOP: seconds until another one begins
    cancel       milliseconds until a worker hears a cancel, and the steps that it begins afterwards
    warm         the share of orders that went to a worker with the model loaded

Needs nats-server and requirements-cluster.txt. Workers are processes of this machine; traffic stays on loopback.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from bksdm_demo.errors import CancelledError
from bksdm_demo.pool.address import Address
from bksdm_demo.pool.broker import Broker, PoolError
from bksdm_demo.pool.pool_drawer import PoolDrawer
from bksdm_demo.records import Phase, Request
from bksdm_demo.runs.drawer import Drawn, Event, Order, Progress
from bksdm_demo.runs.local_drawer import LocalDrawer
from bksdm_demo.settings import Settings, default_cache_dir
from bksdm_demo.start import start

MODEL, OTHER = "emoji-tiny", "emoji-base"
STEPS = 20
PATIENCE = 180.0  # seconds for a worker to come, or a picture to end
PNG = b"\x89PNG"
BLOCKED = "a dagger"  # which the embedded family's rules refuse


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

    def worker(self, *, cores: str = "", prewarm: bool = True, wait: bool = True) -> str:
        """Start a worker, on these cores alone if any, and wait until it has warm models."""
        name = f"w{next(self.names)}"
        environ = {**os.environ, "BKSDM_THREADS": "1" if cores else "", "BKSDM_PREWARM": MODEL}
        environ["BKSDM_NO_PREWARM"] = "" if prewarm else "yes"
        pinned = ["taskset", "-c", cores] if cores else []
        log = (self.folder / f"{name}.log").open("wb")
        command = [sys.executable, "-m", "bksdm_demo", "worker", "--pool", self.url, "--name", name]
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

    def __init__(self, bench: Bench, index: int, model: str = MODEL, prompt: str = "red apple") -> None:
        super().__init__(daemon=True)
        self.bench, self.cancelled = bench, threading.Event()
        self.order = Order(f"bench{os.getpid()}", index, model, Request(prompt, seed=index, steps=STEPS), 0, (model,))
        self.events: list[tuple[float, Event]] = []
        self.end: Drawn | BaseException | None = None
        self.seconds = 0.0
        self.start()

    def run(self) -> None:
        began = time.perf_counter()
        try:
            self.end = self.bench.pool.draw(self.order, self._hear, self.cancelled.is_set)
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


def overhead(bench: Bench, scale: float) -> dict[str, Any]:
    bench.worker()
    bench.settle()
    ratios, extra, steps = [], [], []
    with here() as drawer:
        for index in range(int(20 * scale) + 2):
            order = Order("here", index, MODEL, Request("red apple", seed=index, steps=STEPS))
            pair: dict[str, float] = {}
            for side in ("pool", "here") if index % 2 else ("here", "pool"):
                began = time.perf_counter()
                if side == "here":
                    found = drawer.draw(order, lambda event: None, lambda: False)
                else:
                    found = Draw(bench, index).drawn()
                    extra.append(time.perf_counter() - began - found.result.timings.total)
                pair[side] = time.perf_counter() - began
                pair[f"{side} denoise"] = found.result.timings.denoise
            if index > 1:  # the first two are warm-up
                ratios.append(pair["pool"] / pair["here"])
                steps.append((pair["pool denoise"] - pair["here denoise"]) / STEPS)
    return {
        "pictures": len(ratios),
        "wall ratio, quartiles": [round(value, 3) for value in statistics.quantiles(ratios, n=4)],
        "ms a picture beside the worker's own time, quartiles": _ms(extra[2:]),
        "ms a step, quartiles": _ms(steps),
    }


def throughput(bench: Bench, scale: float) -> dict[str, Any]:
    count = max(4, int(12 * scale))
    one = bench.worker(cores="0")
    rounds: list[float] = []

    def seconds(places: int) -> float:
        bench.wait(lambda: bench.pool.roster.places() == places)
        began = time.perf_counter()
        drawings = [Draw(bench, index) for index in range(count)]
        for drawing in drawings:
            drawing.drawn()
        return time.perf_counter() - began

    two = bench.worker(cores="1")
    bench.settle()
    for turn in range(max(2, int(4 * scale))):
        times = {}
        for places in (1, 2) if turn % 2 else (2, 1):
            bench.pool.drain(two, places == 1)
            times[places] = seconds(places)
        rounds.append(times[1] / times[2])
    return {"pictures a round": count, "workers": [one, two], "times as many with two": [round(r, 2) for r in rounds]}


def kills(bench: Bench, scale: float) -> dict[str, Any]:
    pictures, wanted = int(60 * scale), int(20 * scale)
    dice, heard = random.Random(7), list[bytes]()
    tap = Broker(Address(bench.url), "tap")
    tap.hear(">", lambda subject, payload: heard.append(payload) if b'"blocked":true' in payload else None)
    for _ in range(3):
        bench.worker()
    begun, lost, unequal, blocked = [], 0, 0, 0
    due = set(dice.sample(range(pictures), wanted))
    with here() as drawer:
        for index in range(pictures):
            prompt = BLOCKED if index % 10 == 9 else "red apple"
            bench.wait(lambda: sum(bench.warm(name, MODEL) for name in bench.living()) >= 2)
            drawing = Draw(bench, index, prompt=prompt)
            if index in due:
                begun += _kill_one(bench, drawing)
            drawing.join(PATIENCE)
            if not isinstance(drawing.end, Drawn):
                lost += 1
                print(f"lost: {drawing.end!r}", file=sys.stderr)
                continue
            own = drawer.draw(drawing.order, lambda event: None, lambda: False).result.image
            got = drawing.end.result.image
            blocked += got is None
            unequal += not (own is got is None or (own is not None and got is not None and np.array_equal(own, got)))
    kept = bench.broker.kept("bksdm-orders") + bench.broker.kept("bksdm-ends")
    tap.close()
    return {
        "pictures": pictures, "kills": len(begun), "lost": lost, "unequal": unequal, "blocked": blocked,
        "left on the server": len(kept), "pictures in messages about blocked ones": sum(PNG in one for one in heard),
        "seconds from kill to the re-run's first event": _spread(begun),
    }  # fmt: skip


def _kill_one(bench: Bench, drawing: Draw, number: int = signal.SIGKILL) -> list[float]:
    """End the worker that draws, start another one, and return the seconds until the picture begins again."""
    while drawing.is_alive() and drawing.step() < 3:
        time.sleep(0.002)
    name = bench.drawing[f"bksdm.out.{drawing.order.job}.{drawing.order.index}"]
    if not drawing.is_alive():
        return []
    struck, told = time.perf_counter(), len(drawing.events)
    bench.send(name, number)
    if number == signal.SIGKILL:
        bench.workers.pop(name).wait()
        bench.worker(wait=False)

    def again() -> list[float]:
        later = drawing.events[told:]
        return [when for when, event in later if isinstance(event, Progress) and event.phase is Phase.LOADING]

    while drawing.is_alive() and not again():
        time.sleep(0.002)
    return [again()[0] - struck] if again() else []


def frozen(bench: Bench, scale: float) -> dict[str, Any]:
    for _ in range(2):
        bench.worker()
    begun = []
    for index in range(max(2, int(5 * scale))):
        drawing = Draw(bench, index)
        begun += _kill_one(bench, drawing, signal.SIGSTOP)
        drawing.drawn()
        for process in bench.workers.values():
            process.send_signal(signal.SIGCONT)
        bench.wait(lambda: len(bench.living()) == 2 and not any(beat.busy for beat in bench.pool.roster.living()))
    return {"tries": len(begun), "seconds from freeze to the re-run's first event": _spread(begun)}


def cancel(bench: Bench, scale: float) -> dict[str, Any]:
    bench.worker()
    heard: dict[str, float] = {}
    tap = Broker(Address(bench.url), "tap")
    tap.hear("bksdm.cancel.>", lambda subject, payload: heard.setdefault("cancel", time.perf_counter()))
    tap.hear("bksdm.out.>", lambda subject, payload: heard.__setitem__("step", time.perf_counter()))
    sent, last = [], []
    for index in range(max(3, int(20 * scale))):
        drawing = Draw(bench, index)
        while drawing.step() < 3:
            time.sleep(0.001)
        heard.clear()
        asked = time.perf_counter()
        drawing.cancelled.set()
        drawing.join(PATIENCE)
        if not isinstance(drawing.end, CancelledError):
            continue  # it had ended
        bench.wait(lambda: "cancel" in heard)
        time.sleep(2.0)  # for events that should not come
        sent.append(heard["cancel"] - asked)
        last.append(max(0.0, heard.get("step", 0.0) - heard["cancel"]))
    tap.close()
    return {"cancels": len(sent), "ms until it is on the wire": _ms(sent), "ms until the last event": _ms(last)}


def warm(bench: Bench, scale: float) -> dict[str, Any]:
    names = [bench.worker(prewarm=False) for _ in range(2)]
    for name, model in zip(names, (MODEL, OTHER), strict=True):  # each loads one model: the other one drains meanwhile
        others = [other for other in names if other != name]
        for other in others:
            bench.pool.drain(other, True)
        bench.wait(lambda: bench.pool.roster.places() == 1)
        Draw(bench, 0, model).drawn()
        for other in others:
            bench.pool.drain(other, False)
        bench.wait(lambda: bench.pool.roster.places() == 2)
    hits = 0
    count = max(10, int(60 * scale))
    dice = random.Random(3)
    for index in range(count):
        model = dice.choice((MODEL, OTHER))
        hits += not Draw(bench, index, model).drawn().result.timings.cold
    return {"orders": count, "to a warm worker": hits}


def _ms(seconds: Sequence[float]) -> list[float]:
    return [round(value * 1000, 2) for value in statistics.quantiles(seconds, n=4)] if len(seconds) > 1 else []


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    return {"median": round(statistics.median(seconds), 2), "most": round(max(seconds), 2)}


MEASURES = {one.__name__: one for one in (overhead, throughput, kills, frozen, cancel, warm)}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help="all without one")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the pictures, kills and rounds")
    flags = parser.parse_args(arguments)
    for name in flags.measures or MEASURES:
        with tempfile.TemporaryDirectory(prefix="pool-") as folder:
            bench = Bench(Path(folder))
            load = os.getloadavg()[0]
            try:
                print(
                    json.dumps({"measure": name, "load before": load, **MEASURES[name](bench, flags.scale)}), flush=True
                )
            finally:
                bench.close()


if __name__ == "__main__":
    main()
