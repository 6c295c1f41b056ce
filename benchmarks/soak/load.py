"""50 visitors at once, each from an address of their own: every one of them is served.

Each opens the page, asks for two models and 10 steps, and looks at both pictures. The queue takes fewer than 50 at a
time; a visitor whom it refuses tries again after a moment, as the sentence on the page says.
"""

from __future__ import annotations

import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.soak.outcome import Effort, Outcome
from benchmarks.soak.page_server import served
from benchmarks.soak.visitor import RefusedError, Visitor, phases

VISITORS = 50
MODELS = ("emoji-small", "emoji-tiny")
STEPS = 10
PATIENCE = 1800.0  # seconds
TRY_AGAIN = 2.0  # seconds


@dataclass(frozen=True)
class Visit:
    """What one visitor saw: pictures (a blocked one counts), refusals, and seconds until the last picture."""

    pictures: int
    refusals: int
    seconds: float


def load(effort: Effort) -> Outcome:
    """Let all visitors in at once and count those who got both pictures. Meanwhile another one opens the page."""
    count = effort.of(VISITORS, 2)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server:
        _visit(server.address, f"{effort.seed} first")  # loads the models
        start = time.monotonic()
        over, waits = threading.Event(), [0.0]
        looker = threading.Thread(target=_look, args=(server.address, over, waits))
        looker.start()
        with ThreadPoolExecutor(count) as threads:
            visits = list(threads.map(lambda number: _visit(server.address, f"{effort.seed} {number}"), range(count)))
        over.set()
        looker.join()
        minutes = (time.monotonic() - start) / 60
    happy = sum(visit.pictures == len(MODELS) for visit in visits)
    asked = f"{count} visitors at once, {len(MODELS)} models, {STEPS} steps: all served"
    measured = (
        f"{happy} of {count} served in {minutes:.1f} minutes, the last after {max(v.seconds for v in visits):.0f} s; "
        f"the queue was full for {sum(v.refusals > 0 for v in visits)} of them at first; the page opened within "
        f"{max(waits):.1f} s all the time"
    )
    return Outcome(asked, measured, happy == count)


def _visit(server: str, name: str) -> Visit:
    """One visit to its end. Errors of the server make a visit without pictures."""
    start, refusals = time.monotonic(), 0
    with Visitor(server, name) as visitor:
        try:
            visitor.open_page()
            while True:
                try:
                    job = visitor.compare(MODELS, STEPS, [hash_seed(name)])
                    break
                except RefusedError:
                    refusals += 1
                    if time.monotonic() - start > PATIENCE:
                        return Visit(0, refusals, time.monotonic() - start)
                    time.sleep(TRY_AGAIN)
            state = visitor.finished(job)
            for column in state["columns"]:
                if column["phase"] == "done":
                    visitor.picture(column)
        except (httpx.HTTPError, RefusedError, OSError):
            return Visit(0, refusals, time.monotonic() - start)
    return Visit(sum(phase in ("done", "blocked") for phase in phases(state)), refusals, time.monotonic() - start)


def hash_seed(name: str) -> int:
    """A seed for the pictures of a visitor, the same in every run."""
    return sum(map(ord, name)) * 7919 % 100_000


def _look(server: str, over: threading.Event, waits: list[float]) -> None:
    """Open the page every second and note how long that took."""
    with Visitor(server, "looker") as visitor:
        while not over.wait(1.0):
            start = time.monotonic()
            try:
                visitor.open_page()
            except httpx.HTTPError:
                waits.append(float("inf"))
            waits.append(time.monotonic() - start)
