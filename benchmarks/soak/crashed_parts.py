"""The process of a part killed 100 times in mid-step: the page lives, no picture is lost, the next job runs.

Each time a comparison of two seeds draws its first picture when the busiest part is killed. That cell must fail with a
sentence, its neighbour must be drawn, and so must the comparison after it, in less than 10 seconds.
"""

from __future__ import annotations

import hashlib
import os
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.soak import processes
from benchmarks.soak.outcome import Effort, Outcome
from benchmarks.soak.page_server import PageServer, served
from benchmarks.soak.visitor import Visitor, phases

KILLS = 100
TRIES = 3  # for each kill: a picture may be finished before the signal arrives
MODEL = "emoji-small"
STEPS = 150
NEXT_STEPS = 10
NEXT = 10.0  # seconds for the next job
LOOK_AGAIN = 0.02  # seconds
SAMPLE = 0.05  # seconds in which the busiest process is found
SENTENCE = "ended with the signal SIGKILL"


@dataclass
class Found:
    """What was seen, and what is wrong. `pictures` has the digests of all pictures by address."""

    kills: int = 0
    late: int = 0
    next_seconds: list[float] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def crashed_parts(effort: Effort) -> Outcome:
    """Kill part after part, and look at all pictures at the end."""
    count, found = effort.of(KILLS, 2), Found()
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), "--max-steps", str(STEPS)) as server:
        with Visitor(server.address, "first") as visitor:
            _next_job(visitor, 0, found)  # loads the model
            found.next_seconds.clear()
        pid, tries = server.pid, 0
        while found.kills < count and tries < count * TRIES and server.alive:
            with Visitor(server.address, f"{effort.seed} {tries}") as visitor:
                _crash(server, visitor, effort.seed * 1000 + tries, found)
            tries += 1
        deaths = int(not server.alive or server.pid != pid)
        lost = 0 if deaths else _lost(server, found)
    slowest = max(found.next_seconds, default=float("inf"))
    asked = f"a part killed {count} times in mid-step: no death of the page, no lost picture, next job under {NEXT:g} s"
    measured = (
        f"{found.kills} kills; {deaths} deaths of the page; {lost} of {len(found.pictures)} pictures lost; next job "
        f"within {slowest:.1f} s; wrong: {', '.join(found.wrong[:3]) or 'nothing'}"
    )
    fine = found.kills == count and not (deaths or lost or found.wrong) and slowest < NEXT
    return Outcome(asked, measured, fine)


def _crash(server: PageServer, visitor: Visitor, seed: int, found: Found) -> None:
    """Kill the busiest part while the first of two pictures is drawn."""
    job = visitor.compare([MODEL], STEPS, [seed, seed + 500_000])
    killed = False
    while not killed:
        state = visitor.state(job)
        first = state["columns"][0]
        if state["state"] == "finished":
            break
        if first["phase"] == "denoising" and 1 <= first["step"] < STEPS * 2 // 3:
            part = processes.busiest(server.parts(), SAMPLE)
            if part is not None:
                os.kill(part, signal.SIGKILL)
                killed = True
        time.sleep(LOOK_AGAIN)
    if not killed:
        return
    state = visitor.finished(job, LOOK_AGAIN)
    failed = [column for column in state["columns"] if column["phase"] == "failed"]
    _keep(visitor, state, found)
    if not failed:  # the signal came between two runs, and the part was loaded again
        found.late += 1
        return
    found.kills += 1
    if len(failed) > 1 or SENTENCE not in failed[0]["message"]:
        found.wrong.append(f"{phases(state)}: {failed[0]['message']}")
    _next_job(visitor, seed, found)


def _next_job(visitor: Visitor, seed: int, found: Found) -> None:
    """Draw one more picture and note how long that takes."""
    start = time.monotonic()
    state = visitor.finished(visitor.compare([MODEL], NEXT_STEPS, [seed]), LOOK_AGAIN)
    found.next_seconds.append(time.monotonic() - start)
    _keep(visitor, state, found)
    if not set(phases(state)) <= {"done", "blocked"}:
        found.wrong.append(f"the next job: {phases(state)}")


def _keep(visitor: Visitor, state: dict, found: Found) -> None:
    for column in state["columns"]:
        if column["phase"] == "done":
            found.pictures[column["picture"]] = hashlib.sha256(visitor.picture(column)).hexdigest()


def _lost(server: PageServer, found: Found) -> int:
    """How many pictures do not open any more as they were."""
    lost = 0
    with Visitor(server.address, "inspector") as visitor:
        for address, digest in found.pictures.items():
            try:
                lost += hashlib.sha256(visitor.picture({"picture": address})).hexdigest() != digest
            except (httpx.HTTPError, OSError, SyntaxError):
                lost += 1
    return lost
