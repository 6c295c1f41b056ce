"""An SQLite file: its tables, how an older file is brought up to date, and one transaction per change.

A file that is damaged or from a newer version raises StoreError and stays as it is. The journal is a write-ahead log,
so a reader never waits for a writer. On a network disk SQLite chooses another journal.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bksdm_demo.store.contract import StoreError

logger = logging.getLogger(__name__)

BUSY_SECONDS = 10.0  # how long a change waits for another process's change


@dataclass(frozen=True)
class Schema:
    """What a file holds. `what` and `remedy` are words for errors: "stored comparisons", and what to do about damage.

    `migrations` has one entry per version. Each one upgrades the version before it. Append; never edit.
    """

    what: str
    remedy: str
    tables: frozenset[str]
    migrations: tuple[str, ...]


MIGRATIONS = (
    """
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        created REAL NOT NULL,           -- seconds since the epoch
        starred INTEGER NOT NULL DEFAULT 0,
        cancelled INTEGER NOT NULL DEFAULT 0,
        owner TEXT NOT NULL,             -- a digest, '' for anybody's
        runner TEXT NOT NULL,            -- the process that runs it, '' for none
        prompt TEXT NOT NULL,            -- case folded, to search in
        record TEXT NOT NULL,            -- JSON
        environment TEXT NOT NULL,       -- JSON
        bytes INTEGER NOT NULL           -- of the two texts
    );
    CREATE INDEX jobs_by_age ON jobs (created);
    CREATE TABLE columns (
        job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        place INTEGER NOT NULL,          -- the column's index in the job
        model TEXT NOT NULL,
        final INTEGER NOT NULL,
        record TEXT NOT NULL,            -- JSON
        picture TEXT,                    -- its file's name, NULL for none
        bytes INTEGER NOT NULL,          -- of the record and the picture
        PRIMARY KEY (job, place)
    );
    CREATE INDEX columns_by_model ON columns (model);
    """,
    """
    CREATE TABLE doomed (
        picture TEXT PRIMARY KEY,        -- a file that no record names, so that it must go
        since REAL NOT NULL              -- seconds since the epoch
    );
    """,
)


COMPARISONS = Schema(
    what="stored comparisons",
    remedy="Move the file index.sqlite3 out of the data folder and start again: the new index takes the pictures in.",
    tables=frozenset({"jobs", "columns", "doomed"}),
    migrations=MIGRATIONS,
)


class Database:
    """One connection, used by one thread at a time. Raises StoreError when SQLite fails."""

    def __init__(self, path: Path | None, schema: Schema | None = None) -> None:
        self.place, self.schema = str(path or "in memory"), schema or COMPARISONS
        self._lock = threading.RLock()
        with self._errors():
            # Autocommit: transactions begin and end where this file says so.
            self._connection = sqlite3.connect(
                path or ":memory:", timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """The connection, for reading."""
        with self._lock, self._errors():
            yield self._connection

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """The connection inside one transaction. It makes all changes of the block, or none if the block raises."""
        with self._lock, self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _prepare(self) -> None:
        self._connection.text_factory = lambda text: text.decode("utf-8", "replace")  # one bad byte spoils one record
        with self.read() as connection:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = FULL")  # a change that returned is on the disk
            connection.execute("PRAGMA foreign_keys = ON")
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(found)
        migrations = self.schema.migrations
        with self.change() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(migrations):
                raise StoreError(
                    f"A newer version of this demo wrote the {self.schema.what} (schema {version}, "
                    f"here {len(migrations)}); update the demo or choose another data folder."
                )
            for number in range(version, len(migrations)):
                for statement in migrations[number].split(";"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(migrations)}")
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if missing := self.schema.tables - tables:
                raise sqlite3.DatabaseError(f"no table {min(missing)}")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Log what SQLite raises and raise StoreError in its place."""
        try:
            yield
        except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:  # full, locked, read-only, closed
            logger.warning("The index %s cannot be used: %s", self.place, error)
            raise StoreError(f"The index of the {self.schema.what} cannot be used: {error}.") from error
        except sqlite3.DatabaseError as error:
            logger.warning("The index %s is damaged: %s", self.place, error)
            raise StoreError(
                f"The index of the {self.schema.what} is damaged ({error}). Nothing was changed. {self.schema.remedy}"
            ) from error
