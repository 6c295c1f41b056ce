"""300 comparisons, each in a new session of a new visitor: the memory of the page does not grow.

First everything that the page keeps on purpose is filled: Gradio's sessions, and the finished comparisons that stay in
memory.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

from benchmarks.soak import processes
from benchmarks.soak.outcome import Effort, Outcome
from benchmarks.soak.page_server import PageServer, served
from benchmarks.soak.visitor import Visitor, phases

COMPARISONS = 300
KEPT_SESSIONS = 300  # ui/page.py
KEPT_COMPARISONS = 64  # runs/jobs.py
SAMPLES = 20  # at each end, whose median counts
STEPS = 2
MODEL = "emoji-tiny"
GROWTH = 0.02
LOOK_AGAIN = 0.1  # seconds


def sessions(effort: Effort) -> Outcome:
    """Compare the memory before and after, of the page and of the page with its parts."""
    count, warming = effort.of(COMPARISONS, 4), effort.of(KEPT_COMPARISONS + SAMPLES, 4)
    samples = min(SAMPLES, count // 2)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server:
        for number in range(effort.of(KEPT_SESSIONS)):
            _open(server, f"{effort.seed} open {number}")
        before = [_compare(server, f"{effort.seed} before {number}", number) for number in range(warming)][-samples:]
        found = [_compare(server, f"{effort.seed} {number}", number) for number in range(count)]
        after = found[-samples:]
        finished = sum(ended for _, _, ended in found)
    page, tree = (_growth([one[which] for one in before], [one[which] for one in after]) for which in (0, 1))
    asked = f"{count} comparisons, each in a new session: memory grows less than {GROWTH:.0%}"
    measured = (
        f"{finished} of {count} finished; the page {page:+.2%} of {median(one[0] for one in before) / 1e6:.0f} MB, "
        f"with its parts {tree:+.2%} of {median(one[1] for one in before) / 1e6:.0f} MB"
    )
    return Outcome(asked, measured, finished == count and max(page, tree) < GROWTH)


def _growth(before: list[int], after: list[int]) -> float:
    return median(after) / median(before) - 1


def _open(server: PageServer, name: str) -> None:
    """Open the page and send one event, which makes a session."""
    with Visitor(server.address, name) as visitor:
        visitor.open_page()
        visitor.event("page_cancel", ["none"])


def _compare(server: PageServer, name: str, seed: int) -> tuple[int, int, bool]:
    """One comparison. Returns the bytes of the page, with its parts, and whether the comparison ended well."""
    with Visitor(server.address, name) as visitor:
        visitor.open_page()
        state = visitor.finished(visitor.compare([MODEL], STEPS, [seed]), LOOK_AGAIN)
        for column in state["columns"]:
            if column["phase"] == "done":
                visitor.picture(column)
    ended = all(phase in ("done", "blocked") for phase in phases(state))
    return processes.resident_bytes(server.pid), processes.tree_bytes(server.pid), ended
