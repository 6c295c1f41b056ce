"""SQL on stored jobs and cells: rows in and out, filters as conditions, and the names of pictures."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from bksdm_demo.records import Cell, Job, repaired
from bksdm_demo.store.codec import cell_text, environment_text, job_text
from bksdm_demo.store.contract import Filter

MOST_WORDS = 32  # of a filter's text; further ones are ignored
SIZE = "(jobs.bytes + (SELECT COALESCE(SUM(bytes), 0) FROM columns WHERE job = jobs.id))"  # of a job, in bytes


def rows_of(connection: sqlite3.Connection, query: str, values: Sequence[Any]) -> Sequence[sqlite3.Row]:
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    return cursor.execute(query, values).fetchall()


def insert_job(connection: sqlite3.Connection, job: Job, runner: str) -> None:
    """Insert a new job and its cells, run by the process `runner`; "" for none."""
    record, environment = job_text(job), environment_text(job.environment)
    connection.execute(
        "INSERT INTO jobs (id, created, starred, cancelled, owner, runner, prompt, record, environment, bytes)"
        " VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, ?)",
        (
            job.id,
            job.created,
            int(job.starred),
            job.owner,
            runner,
            folded(job.request.prompt),
            record,
            environment,
            len(record) + len(environment),
        ),
    )
    for index, cell in enumerate(job.cells):
        put_cell(connection, job.id, index, cell)


def put_cell(
    connection: sqlite3.Connection,
    job_id: str,
    index: int,
    cell: Cell,
    picture: str | None = None,
    picture_bytes: int = 0,
) -> None:
    record = cell_text(cell)
    connection.execute(
        "INSERT OR REPLACE INTO columns (job, place, model, final, record, picture, bytes)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            job_id,
            index,
            repaired(cell.model),
            int(cell.phase.final),
            record,
            picture,
            len(record) + picture_bytes,
        ),
    )


def open_places(connection: sqlite3.Connection, job_id: str) -> Sequence[int]:
    """The indexes of the cells that are not final."""
    return [
        place for (place,) in connection.execute("SELECT place FROM columns WHERE job = ? AND NOT final", (job_id,))
    ]


def picture_name(connection: sqlite3.Connection, job_id: str, index: int) -> str | None:
    found = connection.execute("SELECT picture FROM columns WHERE job = ? AND place = ?", (job_id, index)).fetchone()
    return None if found is None else found[0]


def conditions(wanted: Filter) -> tuple[str, tuple[Any, ...]]:
    """The WHERE clause of a filter and its values; values never become part of the text."""
    clauses: list[tuple[str, Any]] = []
    if wanted.model is not None:
        clauses.append(("EXISTS (SELECT 1 FROM columns WHERE job = jobs.id AND model = ?)", repaired(wanted.model)))
    clauses += [("INSTR(prompt, ?)", word) for word in folded(wanted.text).split()[:MOST_WORDS]]
    if wanted.since is not None:
        clauses.append(("created >= ?", wanted.since))
    if wanted.until is not None:
        clauses.append(("created < ?", wanted.until))
    if wanted.starred:
        clauses.append(("starred = ?", 1))
    if wanted.owner is not None:
        clauses.append(("owner = ?", wanted.owner))
    if wanted.without:
        clauses.append(("id NOT IN (SELECT value FROM json_each(?))", json.dumps(sorted(wanted.without))))
    return " AND ".join(clause for clause, _ in clauses) or "1", tuple(value for _, value in clauses)


def folded(text: str) -> str:
    """Text to search in and for: the same in upper and lower case."""
    return repaired(text).casefold()


def named_pictures(connection: sqlite3.Connection) -> set[str]:
    """The names of all pictures in the index, those that must go included."""
    names = connection.execute("SELECT picture FROM columns UNION SELECT picture FROM doomed").fetchall()
    return {name for (name,) in names if name is not None}


def doom(connection: sqlite3.Connection, names: Iterable[str], now: float) -> None:
    """Note that these picture files must go."""
    connection.executemany(
        "INSERT OR REPLACE INTO doomed (picture, since) VALUES (?, ?)", [(name, now) for name in names]
    )


def spare(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Take these names off the list: a record names them, or their files are gone."""
    connection.executemany("DELETE FROM doomed WHERE picture = ?", [(name,) for name in names])
