"""Comparisons in one SQLite file and one PNG per picture, in a folder that processes may share; or in memory.

    FOLDER/index.sqlite3     jobs and cells as JSON, beside the few fields to search
    FOLDER/pictures/ab/*.png pictures under generated names
    FOLDER/runners/*.lock    one lock per living process; the jobs of a dead one are interrupted
    FOLDER/quarantine/*.png  pictures that no comparison names and that do not say what drew them

A picture is on the disk before the record that names it. A record is deleted before its picture. In between the index
lists the file as doomed, and the next start removes what a crash left of it. Nothing else is ever removed: a picture
that the index does not know comes from another index, and recovery.py makes comparisons of such pictures.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bksdm_demo.errors import BusyError, RequestError
from bksdm_demo.records import Cell, Job, Phase, repaired
from bksdm_demo.store.codec import UNREADABLE, environment_text, job_fields, read_cell, read_environment
from bksdm_demo.store.contract import (
    MOST_PER_PAGE,
    Filter,
    Page,
    Retention,
    StoreError,
    Unreadable,
    UnreadableError,
    Usage,
)
from bksdm_demo.store.database import Database
from bksdm_demo.store.doomed import DoomedPictures
from bksdm_demo.store.pictures import ABANDONED, PictureFolder, PictureMemory, Pictures, new_name
from bksdm_demo.store.process_locks import ProcessLocks
from bksdm_demo.store.queries import (
    SIZE,
    conditions,
    doom,
    insert_job,
    open_places,
    picture_name,
    put_cell,
    rows_of,
    spare,
)
from bksdm_demo.store.recovery import QUARANTINE_NAME, ReadPicture, Recovery
from bksdm_demo.wording.comparison import NO_PICTURE, UNKNOWN
from bksdm_demo.wording.outcomes import OUTCOMES

logger = logging.getLogger(__name__)

INDEX_NAME, PICTURES_NAME, LOCKS_NAME = "index.sqlite3", "pictures", "runners"
MEMORY_QUOTA = 256 * 2**20  # bytes at most, for comparisons in memory
TIDY_SECONDS = 60.0  # between two checks for jobs that are too old
LATEST = 2e11  # seconds since the epoch; calendars end soon after
NOT_STORED = "This picture could not be stored when it was finished; run it again."


def open_store(
    folder: Path | None, retention: Retention | None = None, read_picture: ReadPicture | None = None
) -> SqliteStore:
    """The store in `folder`, or in memory for None. An unusable folder gives memory too; `problem` then says why."""
    retention = retention or Retention()
    try:
        return SqliteStore(folder, retention, read_picture=read_picture)
    except StoreError as error:
        logger.warning("Comparisons are stored in memory only: %s", error)
        store = SqliteStore(None, retention)
        store.problem = f"{error} Until then comparisons are stored in memory only and are lost when the server stops."
        return store


class SqliteStore:
    """The Store contract, in `folder` or, for None, in memory. Raises StoreError when the folder cannot be used.

    `read_picture` reads the parameters of pictures that the index does not name; without it all go into quarantine.
    """

    def __init__(
        self,
        folder: Path | None,
        retention: Retention | None = None,
        clock: Callable[[], float] = time.time,
        read_picture: ReadPicture | None = None,
    ) -> None:
        retention = retention or Retention()
        if folder is None:
            retention = replace(retention, quota_bytes=min(retention.quota_bytes, MEMORY_QUOTA))
        self.problem = self.note = ""
        self._unreadable: set[str] = set()  # ids that the log names already
        self._folder, self._retention, self._clock = folder, retention, clock
        self._tidied = 0.0
        self._closing = threading.Lock()
        self._closed = False
        try:
            if folder is not None:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._pictures: Pictures = (
                PictureMemory() if folder is None else PictureFolder(folder / PICTURES_NAME, folder / QUARANTINE_NAME)
            )
            self._database = Database(None if folder is None else folder / INDEX_NAME)
            self._doomed = DoomedPictures(self._database, self._pictures, clock)
            self._process_locks = ProcessLocks(None if folder is None else folder / LOCKS_NAME)
        except OSError as error:
            logger.warning("The data folder %s cannot be used: %s", folder, error)
            raise StoreError(f"The data folder cannot be used: {error.strerror or error}.") from error
        self._mark_all_interrupted()
        self._tidy()
        older = 0.0 if self._process_locks.alone() else ABANDONED
        self._doomed.finish(older)
        self.note = Recovery(self._database, self._pictures, retention, clock, read_picture).bring_back(older)

    # --- What runs ---------------------------------------------------------------------------------------------------

    def add(self, job: Job) -> None:
        with self._database.change() as connection:
            insert_job(connection, job, self._process_locks.own)
        self._tidy()

    def claim(self, job: Job, indexes: Sequence[int]) -> None:
        with self._database.change() as connection:
            self._row(connection, job.id)
            connection.execute(
                "UPDATE jobs SET runner = ?, cancelled = 0 WHERE id = ?", (self._process_locks.own, job.id)
            )
            for index in indexes:
                if job.cells[index].earlier is None:
                    put_cell(connection, job.id, index, job.cells[index])

    def save_cell(self, job_id: str, index: int, cell: Cell, picture: bytes | None = None) -> None:
        if picture is not None and not cell.shown:
            raise StoreError("A picture that may not be shown is not stored.")
        name = None if picture is None else new_name()
        try:
            if name is not None and picture is not None:
                self._doomed.put([name])
                self._pictures.write(name, picture)
            with self._database.change() as connection:
                self._row(connection, job_id)
                old = picture_name(connection, job_id, index)
                put_cell(connection, job_id, index, cell, name, len(picture or b""))
                spare(connection, [name] if name else ())
                doom(connection, [old] if old else (), self._clock())
        except BaseException as error:
            if name is not None:
                self._doomed.discard([name])
            if isinstance(error, OSError):
                raise StoreError(f"The picture cannot be stored: {error.strerror or error}.") from error
            raise
        self._doomed.discard([old] if old else ())
        self._tidy(spared=job_id)

    def end(self, job: Job) -> None:
        text = environment_text(job.environment)
        with self._database.change() as connection:
            self._row(connection, job.id)
            connection.execute(
                "UPDATE jobs SET runner = '', cancelled = ?, environment = ?, bytes = LENGTH(record) + ? WHERE id = ?",
                (int(job.cancelled), text, len(text), job.id),
            )
            for index in open_places(connection, job.id):
                cell = job.cells[index]
                lost = cell.shown or not cell.phase.final  # its picture could not be stored
                put_cell(connection, job.id, index, cell.ended(Phase.FAILED, NOT_STORED) if lost else cell)

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
        where, values = conditions(wanted)
        limit = max(0, min(limit, MOST_PER_PAGE))
        with self._database.read() as connection:
            (total,) = connection.execute(f"SELECT COUNT(*) FROM jobs WHERE {where}", values).fetchone()
            rows = rows_of(
                connection,
                f"SELECT * FROM jobs WHERE {where} ORDER BY created DESC, id LIMIT ? OFFSET ?",
                (*values, limit, max(0, offset)),
            )
            read = [(row, self._readable(connection, row)) for row in rows]
        unreadable = tuple(Unreadable(row["id"], _created(row)) for row, job in read if job is None)
        return Page(tuple(job for _, job in read if job is not None), total, unreadable)

    def picture(self, job_id: str, index: int) -> bytes:
        with self._database.read() as connection:
            self._row(connection, job_id)
            name = picture_name(connection, job_id, index)
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
        self._doomed.discard(names)

    def usage(self) -> Usage:
        with self._database.read() as connection:
            jobs, used, starred = connection.execute(
                f"SELECT COUNT(*), COALESCE(SUM({SIZE}), 0), COALESCE(SUM(starred * {SIZE}), 0) FROM jobs"
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
        found = rows_of(connection, "SELECT * FROM jobs WHERE id = ?", (repaired(job_id or ""),))
        if not found or (not found[0]["runner"] and self._over(found[0])):
            raise RequestError(UNKNOWN)
        return found[0]

    def _over(self, row: sqlite3.Row) -> bool:
        expires = self._retention.expires(_created(row), bool(row["starred"]))
        return expires is not None and expires < self._clock()

    def _job(self, connection: sqlite3.Connection, row: sqlite3.Row) -> Job:
        """The record of a row. Raises UnreadableError for one that this program cannot have written."""
        cells = connection.execute("SELECT record FROM columns WHERE job = ? ORDER BY place", (row["id"],)).fetchall()
        starred, created = bool(row["starred"]), row["created"]
        try:
            if not cells or not isinstance(created, float) or not 0 <= created <= LATEST:
                raise ValueError("no cells, or no time")
            fields = job_fields(row["record"])
            return Job(
                id=row["id"],
                cells=tuple(read_cell(text, fields["request"]) for (text,) in cells),
                created=created,
                cancelled=bool(row["cancelled"]),
                starred=starred,
                expires=self._retention.expires(created, starred),
                owner=row["owner"],
                environment=read_environment(row["environment"]),
                **fields,
            )
        except UNREADABLE as error:
            raise UnreadableError(row["id"], row["owner"]) from error

    def _readable(self, connection: sqlite3.Connection, row: sqlite3.Row) -> Job | None:
        """As `_job`, but an unreadable record gives None and one line in the log, so that the others still open."""
        try:
            return self._job(connection, row)
        except UnreadableError as error:
            if row["id"] not in self._unreadable:
                logger.warning("%s (%s)", error, error.__cause__)
                self._unreadable.add(row["id"])
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
        if places := open_places(connection, job_id):
            row = rows_of(connection, "SELECT * FROM jobs WHERE id = ?", (job_id,))[0]
            if (job := self._readable(connection, row)) is None:
                return
            for index in places:
                put_cell(
                    connection, job_id, index, job.cells[index].ended(Phase.INTERRUPTED, OUTCOMES[Phase.INTERRUPTED][1])
                )

    def _check_stars(self, connection: sqlite3.Connection, job_id: str) -> None:
        (starred,) = connection.execute(
            f"SELECT COALESCE(SUM({SIZE}), 0) FROM jobs WHERE starred OR id = ?", (job_id,)
        ).fetchone()
        if starred > self._retention.quota_bytes * self._retention.STARRED_SHARE:
            raise BusyError("Starred comparisons already fill their share of the storage; remove a star first.")

    def _tidy_at_times(self) -> None:
        if self._clock() - self._tidied > TIDY_SECONDS:
            self._mark_all_interrupted()
            self._tidy()

    def _tidy(self, spared: str = "") -> None:
        """Delete jobs that are too old, then the oldest until all fit; never starred ones, running ones or `spared`."""
        now = self._tidied = self._clock()
        keep = self._retention.keep_seconds
        gone: list[str] = []
        with self._database.change() as connection:
            (used,) = connection.execute(f"SELECT COALESCE(SUM({SIZE}), 0) FROM jobs").fetchone()
            rows = connection.execute(
                f"SELECT id, CAST(created AS REAL), {SIZE} FROM jobs"
                " WHERE NOT starred AND runner = '' AND id <> ? ORDER BY created",
                (spared,),
            )
            for job_id, created, size in rows.fetchall():
                if used <= self._retention.quota_bytes and (keep is None or created + keep >= now):
                    break
                gone += self._remove(connection, job_id)
                used -= size
        self._doomed.discard(gone)

    def _remove(self, connection: sqlite3.Connection, job_id: str) -> Sequence[str]:
        """Delete the rows of a job. Returns the names of its pictures, to discard after the transaction."""
        names = connection.execute("SELECT picture FROM columns WHERE job = ? AND picture IS NOT NULL", (job_id,))
        found = [name for (name,) in names.fetchall()]
        connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
        doom(connection, found, self._clock())
        return found


def _created(row: sqlite3.Row) -> float:
    """When the job of a row was stored, in seconds since the epoch; 0 for a row that does not say."""
    created = row["created"]
    return float(created) if isinstance(created, (int, float)) and 0 <= created <= LATEST else 0.0
