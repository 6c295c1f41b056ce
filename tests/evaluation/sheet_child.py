"""Kills a sheet's process at every step of its work: `python -m tests.evaluation.sheet_child FOLDER`.

For n = 1, 2, 3, ... a process runs a small sheet over a store on disk and kills itself before its n-th write, then
another process runs the sheet to its end. Prints a line of JSON for each n; stops after the n that no run reaches.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bksdm_demo.evaluation.sheet_book import SheetBook
from bksdm_demo.evaluation.sheet_draft import Draft
from bksdm_demo.evaluation.sheet_reader import read_sheet
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.fairness import NOBODY
from bksdm_demo.store.contract import Retention
from bksdm_demo.store.sqlite import SqliteStore
from tests.fakes import fake_comparisons

SHEET_ID = "sheet-of-the-test"
MODELS = ("emoji-base", "emoji-tiny")
DRAFT: Draft = read_sheet("red apple\nblue car\nred apple")
WRITES: tuple[tuple[type, str], ...] = (
    (SheetBook, "save"),
    (Comparisons, "submit"),
    (SqliteStore, "add"),
    (SqliteStore, "save_cell"),
    (SqliteStore, "end"),
)


def count_down(writes: int) -> None:
    """Kill this process before its n-th write."""
    left = [writes]

    def before(write: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return write(*arguments, **options)

        return counted

    for owner, name in WRITES:
        setattr(owner, name, before(getattr(owner, name)))


def run(folder: Path) -> None:
    """Run the sheet to its end, as the command line does."""
    service = fake_comparisons(folder, store=SqliteStore(folder / "data", Retention()))
    sheets = Sheets(service, {"engine": "fake"})
    record = sheets.create(DRAFT.complete(MODELS), sheet_id=SHEET_ID)
    sheets.run(record.id, NOBODY)
    service.close()


def in_a_process(work: Callable[[], None]) -> int:
    """Do the work in a fork and return its status: 0, or the number of the signal that killed it."""
    if (child := os.fork()) == 0:
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def finished(folder: Path) -> dict[str, str]:
    """The picture of every finished cell; a cell that is drawn again gets another name."""
    index = folder / "data" / "index.sqlite3"
    if not index.exists():
        return {}
    with sqlite3.connect(index) as connection:
        known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'columns'").fetchone()
        query = "SELECT job, place, picture FROM columns WHERE picture IS NOT NULL"
        return {f"{job} {place}": name for job, place, name in connection.execute(query)} if known else {}


def main(folder: Path) -> None:
    killed, writes = True, 0
    while killed:
        writes += 1
        place = folder / str(writes)
        place.mkdir()

        def cut_off(place: Path = place, writes: int = writes) -> None:
            count_down(writes)
            run(place)

        killed = in_a_process(cut_off) == signal.SIGKILL
        before = finished(place)
        status = in_a_process(lambda place=place: run(place))  # type: ignore[misc]
        after = finished(place)
        record = json.loads((place / "data" / "sheets" / f"{SHEET_ID}.json").read_text())
        outcomes = [cell["outcome"] for row in record["places"] for cell in row]
        changed = sum(after.get(cell) != name for cell, name in before.items())
        line = {"killed": killed, "status": status, "before": len(before), "changed": changed, "after": len(after)}
        print(json.dumps({**line, "outcomes": outcomes}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
