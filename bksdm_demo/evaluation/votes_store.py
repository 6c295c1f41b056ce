"""Keeps votes in an SQLite file of their own in the data folder, or in memory. It adds and reads, and changes nothing.

A visitor votes once on a pair, which the file itself enforces, also between processes. Addresses are kept as digests
with a random key of this file: they can be told apart but not looked up elsewhere.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation.votes import ANSWERED, Choice, Vote
from bksdm_demo.store.contract import StoreError
from bksdm_demo.store.database import Database, Schema

logger = logging.getLogger(__name__)

VOTES_NAME = "votes.sqlite3"
FIELDS = ("visitor", "address", "signed_in", "cast", "dwell", "pair", "job", "left", "right", "choice")
COLUMNS = ", ".join(f'"{field}"' for field in FIELDS)  # LEFT and RIGHT are SQL's own words
SCHEMA = Schema(
    what="votes",
    remedy=f"Move the file {VOTES_NAME} out of the data folder and start again: voting then begins anew.",
    tables=frozenset({"votes", "digest_key"}),
    migrations=(
        """
        CREATE TABLE votes (
            id INTEGER PRIMARY KEY,
            visitor TEXT NOT NULL,           -- a digest
            address TEXT NOT NULL,           -- a digest, '' if unknown
            signed_in INTEGER NOT NULL,
            cast REAL NOT NULL,              -- seconds since the epoch
            dwell REAL NOT NULL,             -- seconds
            pair TEXT NOT NULL,              -- a digest of the request, the seed and the models
            job TEXT NOT NULL,
            "left" TEXT NOT NULL,            -- a model
            "right" TEXT NOT NULL,           -- a model
            choice TEXT NOT NULL,
            UNIQUE (visitor, pair)
        );
        CREATE INDEX votes_by_address ON votes (pair, address);
        CREATE TABLE digest_key (secret TEXT NOT NULL);
        INSERT INTO digest_key VALUES (LOWER(HEX(RANDOMBLOB(32))))
        """,
    ),
)


class VoteStore:
    """Safe to use from several threads. Every method raises StoreError when the file fails."""

    def __init__(self, folder: Path | None) -> None:
        try:
            if folder is not None:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._database = Database(None if folder is None else folder / VOTES_NAME, SCHEMA)
        except OSError as error:
            raise StoreError(f"The data folder cannot be used: {error.strerror or error}.") from error
        self.problem = ""
        with self._database.read() as connection:
            (self._key,) = connection.execute("SELECT secret FROM digest_key").fetchone()

    def digest(self, name: str) -> str:
        """Return the digest of an address or an account; "" for none."""
        text = f"{self._key} {name}".encode("utf-8", "replace")
        return hashlib.blake2b(text, digest_size=16).hexdigest() if name else ""

    def add(self, vote: Vote) -> None:
        """Keep a vote. Raises RequestError if the visitor voted on this pair before."""
        values = (*(getattr(vote, field) for field in FIELDS[:-1]), vote.choice.value)
        with self._database.change() as connection:
            voted = connection.execute(
                "SELECT 1 FROM votes WHERE visitor = ? AND pair = ?", (vote.visitor, vote.pair)
            ).fetchone()
            if voted:
                raise RequestError(ANSWERED)
            marks = ", ".join("?" * len(FIELDS))
            connection.execute(f"INSERT INTO votes ({COLUMNS}) VALUES ({marks})", values)

    def all(self) -> tuple[Vote, ...]:
        """Every vote, the oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(f"SELECT {COLUMNS} FROM votes ORDER BY id").fetchall()
        return tuple(_vote(dict(zip(FIELDS, row, strict=True))) for row in rows)

    def count(self) -> int:
        """How many votes there are; it grows with each."""
        with self._database.read() as connection:
            return int(connection.execute("SELECT COUNT(*) FROM votes").fetchone()[0])

    def answered(self, visitor: str) -> frozenset[str]:
        """The pairs that a visitor voted on."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT pair FROM votes WHERE visitor = ?", (visitor,)).fetchall()
        return frozenset(pair for (pair,) in rows)

    def crowded(self, address: str, most: int) -> frozenset[str]:
        """The pairs that visitors of this address voted on `most` times or more."""
        if not address:
            return frozenset()
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT pair FROM votes WHERE address = ? GROUP BY pair HAVING COUNT(*) >= ?", (address, most)
            ).fetchall()
        return frozenset(pair for (pair,) in rows)

    def close(self) -> None:
        self._database.close()


def _vote(record: dict[str, Any]) -> Vote:
    return Vote(**record | {"signed_in": bool(record["signed_in"]), "choice": Choice(record["choice"])})


def open_votes(folder: Path | None) -> VoteStore:
    """The votes in `folder`, or in memory for None. An unusable file gives memory too; `problem` then says why."""
    try:
        return VoteStore(folder)
    except StoreError as error:
        logger.warning("Votes are kept in memory only: %s", error)
        store = VoteStore(None)
        store.problem = f"{error} Until then votes are kept in memory only and are lost when the server stops."
        return store
