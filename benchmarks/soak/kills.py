"""40 kills -9 of the page while it draws and stores: no picture is lost or half there, nothing half-written is visible.

Each time a comparison of many pictures of one step runs, so that the page writes all the time. After each new start the
check looks at the folder and at every comparison so far: what a visitor was told is done must still open, byte for byte
as it was seen.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx

from benchmarks.soak.outcome import Effort, Outcome
from benchmarks.soak.page_server import PageServer
from benchmarks.soak.visitor import Visitor, check_whole

KILLS = 40
MODELS = ("emoji-tiny", "emoji-small")
SEEDS = 16
LATEST = 6.0  # seconds after the first picture began
LOOK_AGAIN = 0.05  # seconds


@dataclass
class Found:
    """What was seen, and what is wrong.

    `seen` has the digest of each picture by job and cell (None: not looked at), `lost` what became of some.
    """

    kills: int = 0
    seen: dict[tuple[str, int], str | None] = field(default_factory=dict)
    jobs: list[str] = field(default_factory=list)
    lost: dict[tuple[str, int], str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    interrupted: int = 0


def kills(effort: Effort) -> Outcome:
    """Kill and start again, then look at everything once more."""
    count, random, found = effort.of(KILLS), Random(effort.seed), Found()
    with tempfile.TemporaryDirectory() as folder:
        server = PageServer(Path(folder), "--max-pictures", "64")
        try:
            server.start()
            for number in range(count):
                _draw_until_killed(server, f"{effort.seed} {number}", random, found)
                _look_at_folder(server, found)
                server.start()
                _look_at_comparisons(server, found, found.jobs[-3:])
            _look_at_comparisons(server, found, found.jobs)
            if "Traceback" in server.text():
                found.wrong.append("the log has a traceback")
        finally:
            server.end()
    asked = (
        f"{count} kills -9 while pictures are drawn and stored: none lost or half there, nothing half-written visible"
    )
    measured = (
        f"{found.kills} kills; {len(found.seen)} pictures were done before, {len(found.lost)} are lost or changed; "
        f"{found.interrupted} comparisons are marked interrupted; wrong: {', '.join(found.wrong[:3]) or 'nothing'}"
    )
    return Outcome(asked, measured, found.kills == count and not found.wrong and not found.lost)


def _draw_until_killed(server: PageServer, name: str, random: Random, found: Found) -> None:
    """Submit, look at pictures as they come, and kill the page at a random moment."""
    with Visitor(server.address, name) as visitor:
        job = visitor.compare(MODELS, 1, [random.randrange(10**6) for _ in range(SEEDS)])
        found.jobs.append(job)
        end: float | None = None
        while end is None or time.monotonic() < end:
            state = visitor.state(job)
            if end is None and any(column["phase"] == "done" for column in state["columns"]):
                end = time.monotonic() + random.uniform(0, LATEST)
            _see(visitor, job, state, found)
            if state["state"] == "finished":
                break
            time.sleep(LOOK_AGAIN)
    found.kills += 1
    if not server.kill():
        found.wrong.append(f"kill {found.kills}: a part outlived the page")


def _see(visitor: Visitor, job: str, state: dict[str, Any], found: Found) -> None:
    """Note every picture that is done, and look at one new one."""
    new = [(job, index) for index, column in enumerate(state["columns"]) if column["phase"] == "done"]
    new = [place for place in new if place not in found.seen]
    found.seen |= dict.fromkeys(new)
    if new:
        found.seen[new[-1]] = hashlib.sha256(visitor.picture(state["columns"][new[-1][1]])).hexdigest()


def _look_at_folder(server: PageServer, found: Found) -> None:
    """After a kill: every visible file is whole, and so is the index."""
    for path in (server.data / "pictures").rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            try:
                if path.suffix != ".png":
                    raise OSError("not a picture")
                check_whole(path.read_bytes())
            except (OSError, SyntaxError) as error:
                found.wrong.append(f"half-written: {path.name} ({error})")
    with closing(sqlite3.connect(f"file:{server.data / 'index.sqlite3'}?mode=ro", uri=True)) as index:
        (said,) = index.execute("PRAGMA integrity_check").fetchone()
        if said != "ok":
            found.wrong.append(f"the index: {said}")


def _look_at_comparisons(server: PageServer, found: Found, jobs: list[str]) -> None:
    """After a start: nothing runs, and everything that was seen opens as it was."""
    found.interrupted = 0
    with Visitor(server.address, "inspector") as visitor:
        for job in jobs:
            state = visitor.state(job)
            found.interrupted += any(column["phase"] == "interrupted" for column in state["columns"])
            if state["state"] != "finished":
                found.wrong.append(f"a comparison is still {state['state']}")
            for index, column in enumerate(state["columns"]):
                _look_at_picture(visitor, column, found, (job, index))


def _look_at_picture(visitor: Visitor, column: dict[str, Any], found: Found, place: tuple[str, int]) -> None:
    if column["phase"] != "done":
        if place in found.seen:
            found.lost[place] = str(column["phase"])
        return
    try:
        digest = hashlib.sha256(visitor.picture(column)).hexdigest()
    except (httpx.HTTPError, OSError, SyntaxError) as error:
        found.lost[place] = type(error).__name__
        return
    if found.seen.get(place) not in (None, digest):
        found.lost[place] = "another picture"
