"""Comparisons in one SQLite file and one PNG per picture, in a folder that processes may share; or in memory.

    FOLDER/index.sqlite3     jobs and cells as JSON, beside the few fields to search
    FOLDER/pictures/ab/*.png pictures under generated names
    FOLDER/runners/*.lock    one lock per living process; the jobs of a dead one are interrupted

A picture is on the disk before the record that names it. A record is deleted before its picture. So a crash leaves at
most a file that no record names, and the next start removes it.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bksdm_demo.errors import BusyError, RequestError
from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.store.codec import cell_text, environment_text, job_fields, job_text, read_cell
from bksdm_demo.store.contract import MOST_PER_PAGE, Filter, Page, Retention, StoreError, Usage
from bksdm_demo.store.database import Database
from bksdm_demo.store.pictures import PictureFolder, PictureMemory, Pictures
from bksdm_demo.store.process_locks import ProcessLocks
from bksdm_demo.wording.comparison import NO_PICTURE, UNKNOWN
from bksdm_demo.wording.outcomes import OUTCOMES

logger = logging.getLogger(__name__)

INDEX_NAME, PICTURES_NAME, LOCKS_NAME = "index.sqlite3", "pictures", "runners"
MEMORY_QUOTA = 256 * 2**20  # bytes at most, for comparisons in memory
TIDY_SECONDS = 60.0  # between two checks for jobs that are too old
MOST_WORDS = 32  # of a filter's text; further ones are ignored
NOT_STORED = "This picture could not be stored when it was finished; run it again."

_SIZE = "(jobs.bytes + (SELECT COALESCE(SUM(bytes), 0) FROM columns WHERE job = jobs.id))"


def open_store(folder: Path | None, retention: Retention | None = None) -> SqliteStore:
    """The store in `folder`, or in memory for None. An unusable folder gives memory too; `problem` then says why."""
    retention = retention or Retention()
    try:
        return SqliteStore(folder, retention)
    except StoreError as error:
        logger.warning("Comparisons are stored in memory only: %s", error)
        store = SqliteStore(None, retention)
        store.problem = f"{error} Until then comparisons are stored in memory only and are lost when the server stops."
        return store


class SqliteStore:
    """The Store contract, in `folder` or, for None, in memory. Raises StoreError when the folder cannot be used."""

    def __init__(
        self, folder: Path | None, retention: Retention | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        retention = retention or Retention()
        if folder is None:
            retention = replace(retention, quota_bytes=min(retention.quota_bytes, MEMORY_QUOTA))
        self.problem = ""
        self._folder, self._retention, self._clock = folder, retention, clock
        self._tidied = 0.0
        self._closing = threading.Lock()
        self._closed = False
        try:
            if folder is not None:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._pictures: Pictures = PictureMemory() if folder is None else PictureFolder(folder / PICTURES_NAME)
            self._database = Database(None if folder is None else folder / INDEX_NAME)
            self._process_locks = ProcessLocks(None if folder is None else folder / LOCKS_NAME)
        except OSError as error:
            logger.warning("The data folder %s cannot be used: %s", folder, error)
            raise StoreError(f"The data folder cannot be used: {error.strerror or error}.") from error
        self._mark_all_interrupted()
        self._tidy()
        self._sweep()

    # --- What runs ---------------------------------------------------------------------------------------------------

    def add(self, job: Job) -> None:
        record, environment = job_text(job), environment_text(job.environment)
        with self._database.change() as connection:
            connection.execute(
                "INSERT INTO jobs (id, created, starred, cancelled, owner, runner, prompt, record, environment, bytes)"
                " VALUES (?, ?, 0, 0, ?, ?, ?, ?, ?, ?)",
                (
                    job.id,
                    job.created,
                    job.owner,
                    self._process_locks.own,
                    _folded(job.request.prompt),
                    record,
                    environment,
                    len(record) + len(environment),
                ),
            )
            for index, cell in enumerate(job.cells):
                _put_cell(connection, job.id, index, cell)
        self._tidy()

    def claim(self, job: Job, indexes: Sequence[int]) -> None:
        with self._database.change() as connection:
            self._row(connection, job.id)
            connection.execute(
                "UPDATE jobs SET runner = ?, cancelled = 0 WHERE id = ?", (self._process_locks.own, job.id)
            )
            for index in indexes:
                if job.cells[index].earlier is None:
                    _put_cell(connection, job.id, index, job.cells[index])

    def save_cell(self, job_id: str, index: int, cell: Cell, picture: bytes | None = None) -> None:
        if picture is not None and not cell.shown:
            raise StoreError("A picture that may not be shown is not stored.")
        name = None
        try:
            name = None if picture is None else self._pictures.write(picture)
            with self._database.change() as connection:
                self._row(connection, job_id)
                old = _picture_name(connection, job_id, index)
                _put_cell(connection, job_id, index, cell, name, len(picture or b""))
        except OSError as error:
            raise StoreError(f"The picture cannot be stored: {error.strerror or error}.") from error
        except BaseException:
            if name is not None:
                self._pictures.remove(name)
            raise
        if old is not None:
            self._pictures.remove(old)
        self._tidy(spare=job_id)

    def end(self, job: Job) -> None:
        text = environment_text(job.environment)
        with self._database.change() as connection:
            self._row(connection, job.id)
            connection.execute(
                "UPDATE jobs SET runner = '', cancelled = ?, environment = ?, bytes = LENGTH(record) + ? WHERE id = ?",
                (int(job.cancelled), text, len(text), job.id),
            )
            for index in _open_places(connection, job.id):
                cell = job.cells[index]
                lost = cell.shown or not cell.phase.final  # its picture could not be stored
                _put_cell(connection, job.id, index, cell.ended(Phase.FAILED, NOT_STORED) if lost else cell)

    # --- What is stored ----------------------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job:
        self._tidy_at_times()
        with self._database.read() as connection:
            row = self._row(connection, job_id)
            if self._process_locks.alive(row["runner"]) or not row["runner"]:
                return self._job(connection, row)
        with self._database.change() as connection:
            self._mark_interrupted(connection, job_id)
            return self._job(connection, self._row(connection, job_id))

    def list(self, wanted: Filter, offset: int = 0, limit: int = 24) -> Page:
        self._tidy_at_times()
        where, values = _conditions(wanted)
        limit = max(0, min(limit, MOST_PER_PAGE))
        with self._database.read() as connection:
            (total,) = connection.execute(f"SELECT COUNT(*) FROM jobs WHERE {where}", values).fetchone()
            rows = _rows(
                connection,
                f"SELECT * FROM jobs WHERE {where} ORDER BY created DESC, id LIMIT ? OFFSET ?",
                (*values, limit, max(0, offset)),
            )
            return Page(tuple(job for row in rows if (job := self._readable(connection, row))), total)

    def picture(self, job_id: str, index: int) -> bytes:
        with self._database.read() as connection:
            self._row(connection, job_id)
            name = _picture_name(connection, job_id, index)
        if name is None:
            raise RequestError(NO_PICTURE)
        return self._pictures.read(name)

    def star(self, job_id: str, starred: bool) -> Job:
        with self._database.change() as connection:
            row = self._row(connection, job_id)
            if starred and not row["starred"]:
                self._check_stars(connection, job_id)
            connection.execute("UPDATE jobs SET starred = ? WHERE id = ?", (int(starred), job_id))
            return self._job(connection, self._row(connection, job_id))

    def delete(self, job_id: str) -> None:
        with self._database.change() as connection:
            runner = self._row(connection, job_id)["runner"]
            if runner and runner != self._process_locks.own and self._process_locks.alive(runner):
                raise RequestError("Another process of this demo runs this comparison; stop it there first.")
            names = self._remove(connection, job_id)
        for name in names:
            self._pictures.remove(name)

    def usage(self) -> Usage:
        with self._database.read() as connection:
            jobs, used, starred = connection.execute(
                f"SELECT COUNT(*), COALESCE(SUM({_SIZE}), 0), COALESCE(SUM(starred * {_SIZE}), 0) FROM jobs"
            ).fetchone()
        return Usage(jobs, used, starred, self._retention, str(self._folder) if self._folder else "")

    def close(self) -> None:
        with self._closing:
            if self._closed:
                return
            self._closed = True
        with self._database.change() as connection:
            rows = connection.execute("SELECT id FROM jobs WHERE runner = ?", (self._process_locks.own,)).fetchall()
            for (job_id,) in rows:
                self._mark_interrupted(connection, job_id)
        self._process_locks.close()
        self._database.close()

    # --- Inside ------------------------------------------------------------------------------------------------------

    def _row(self, connection: sqlite3.Connection, job_id: str) -> sqlite3.Row:
        """The job's row. Raises RequestError for an id that is unknown or has expired."""
        found = _rows(connection, "SELECT * FROM jobs WHERE id = ?", (_folded(job_id, fold=False),))
        if not found or (not found[0]["runner"] and self._over(found[0])):
            raise RequestError(UNKNOWN)
        return found[0]

    def _over(self, row: sqlite3.Row) -> bool:
        expires = self._retention.expires(row["created"], bool(row["starred"]))
        return expires is not None and expires < self._clock()

    def _job(self, connection: sqlite3.Connection, row: sqlite3.Row) -> Job:
        """The record of a row. Raises StoreError for one that this program cannot have written."""
        cells = connection.execute("SELECT record FROM columns WHERE job = ? ORDER BY place", (row["id"],)).fetchall()
        starred = bool(row["starred"])
        try:
            fields = job_fields(row["record"])
            return Job(
                id=row["id"],
                cells=tuple(read_cell(text, fields["request"]) for (text,) in cells),
                created=row["created"],
                cancelled=bool(row["cancelled"]),
                starred=starred,
                expires=self._retention.expires(row["created"], starred),
                owner=row["owner"],
                environment=json.loads(row["environment"]),
                **fields,
            )
        except (ValueError, KeyError, TypeError, RequestError) as error:
            raise StoreError(
                f"This version of the demo cannot read the record of comparison {row['id']}; it is left as it is."
            ) from error

    def _readable(self, connection: sqlite3.Connection, row: sqlite3.Row) -> Job | None:
        """As `_job`, but an unreadable record gives None and a line in the log, so that the others still open."""
        try:
            return self._job(connection, row)
        except StoreError as error:
            logger.warning("%s", error)
            return None

    def _mark_all_interrupted(self) -> None:
        """Mark the jobs of dead processes as interrupted."""
        with self._database.change() as connection:
            rows = connection.execute("SELECT id, runner FROM jobs WHERE runner <> ''").fetchall()
            for job_id, runner in rows:
                if not self._process_locks.alive(runner):
                    self._mark_interrupted(connection, job_id)

    def _mark_interrupted(self, connection: sqlite3.Connection, job_id: str) -> None:
        """Mark one job as not running, and its open cells as interrupted: its process has died."""
        connection.execute("UPDATE jobs SET runner = '' WHERE id = ?", (job_id,))
        if places := _open_places(connection, job_id):
            row = _rows(connection, "SELECT * FROM jobs WHERE id = ?", (job_id,))[0]
            if (job := self._readable(connection, row)) is None:
                return
            for index in places:
                _put_cell(
                    connection, job_id, index, job.cells[index].ended(Phase.INTERRUPTED, OUTCOMES[Phase.INTERRUPTED][1])
                )

    def _check_stars(self, connection: sqlite3.Connection, job_id: str) -> None:
        (starred,) = connection.execute(
            f"SELECT COALESCE(SUM({_SIZE}), 0) FROM jobs WHERE starred OR id = ?", (job_id,)
        ).fetchone()
        if starred > self._retention.quota_bytes * self._retention.STARRED_SHARE:
            raise BusyError("Starred comparisons already fill their share of the storage; remove a star first.")

    def _tidy_at_times(self) -> None:
        if self._clock() - self._tidied > TIDY_SECONDS:
            self._mark_all_interrupted()
            self._tidy()

    def _tidy(self, spare: str = "") -> None:
        """Delete jobs that are too old, then the oldest until all fit; never starred ones, running ones or `spare`."""
        now = self._tidied = self._clock()
        keep = self._retention.keep_seconds
        gone: list[str] = []
        with self._database.change() as connection:
            (used,) = connection.execute(f"SELECT COALESCE(SUM({_SIZE}), 0) FROM jobs").fetchone()
            rows = connection.execute(
                f"SELECT id, created, {_SIZE} FROM jobs WHERE NOT starred AND runner = '' AND id <> ? ORDER BY created",
                (spare,),
            )
            for job_id, created, size in rows.fetchall():
                if used <= self._retention.quota_bytes and (keep is None or created + keep >= now):
                    break
                gone += self._remove(connection, job_id)
                used -= size
        for name in gone:
            self._pictures.remove(name)

    def _remove(self, connection: sqlite3.Connection, job_id: str) -> Sequence[str]:
        """Delete the rows of a job. Returns the names of its pictures, to remove after the transaction."""
        names = connection.execute("SELECT picture FROM columns WHERE job = ? AND picture IS NOT NULL", (job_id,))
        found = [name for (name,) in names.fetchall()]
        connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
        return found

    def _sweep(self) -> None:
        with self._database.read() as connection:
            rows = connection.execute("SELECT picture FROM columns WHERE picture IS NOT NULL").fetchall()
        if count := self._pictures.sweep({name for (name,) in rows}):
            logger.info("Removed %d pictures that no comparison names", count)


def _rows(connection: sqlite3.Connection, query: str, values: Sequence[Any]) -> Sequence[sqlite3.Row]:
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    return cursor.execute(query, values).fetchall()


def _put_cell(
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
        (job_id, index, cell.model, int(cell.phase.final), record, picture, len(record) + picture_bytes),
    )


def _open_places(connection: sqlite3.Connection, job_id: str) -> Sequence[int]:
    """The indexes of the cells that are not final."""
    return [
        place for (place,) in connection.execute("SELECT place FROM columns WHERE job = ? AND NOT final", (job_id,))
    ]


def _picture_name(connection: sqlite3.Connection, job_id: str, index: int) -> str | None:
    found = connection.execute("SELECT picture FROM columns WHERE job = ? AND place = ?", (job_id, index)).fetchone()
    return None if found is None else found[0]


def _conditions(wanted: Filter) -> tuple[str, tuple[Any, ...]]:
    """The WHERE clause of a filter and its values; values never become part of the text."""
    clauses: list[tuple[str, Any]] = []
    if wanted.model is not None:
        clauses.append(("EXISTS (SELECT 1 FROM columns WHERE job = jobs.id AND model = ?)", wanted.model))
    clauses += [("INSTR(prompt, ?)", word) for word in _folded(wanted.text).split()[:MOST_WORDS]]
    if wanted.since is not None:
        clauses.append(("created >= ?", wanted.since))
    if wanted.until is not None:
        clauses.append(("created < ?", wanted.until))
    if wanted.starred:
        clauses.append(("starred = ?", 1))
    if wanted.owner is not None:
        clauses.append(("owner = ?", wanted.owner))
    return " AND ".join(clause for clause, _ in clauses) or "1", tuple(value for _, value in clauses)


def _folded(text: str, fold: bool = True) -> str:
    """Text that SQLite accepts: a lone surrogate becomes "?". Case folded for searching."""
    return (text.casefold() if fold else text).encode("utf-8", "replace").decode("utf-8")
