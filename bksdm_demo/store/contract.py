"""The contract of a store of comparisons: add, save, list, get, star, delete. sqlite.py implements it.

Ids and file names are generated here. An id from outside is looked up and used for nothing else. Callers save only
pictures that the safety checker passed, and a store refuses any other. A job is stored when it is queued, and each cell
when it is final. So a killed server loses only the cells it was drawing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from bksdm_demo.errors import DemoError
from bksdm_demo.records import Cell, Job
from bksdm_demo.units import DAY, GIB

MOST_PER_PAGE = 100


class StoreError(DemoError):
    """Stored comparisons cannot be read or written. The message says which, and what to do.

    Visitors read it, so it names no path. The log names it.
    """


class UnreadableError(StoreError):
    """The record of a stored comparison is damaged, or another version wrote it. `owner` may delete it."""

    def __init__(self, job_id: str, owner: str) -> None:
        super().__init__(
            f"This version of the demo cannot read the record of comparison {job_id}; it is left as it is."
        )
        self.owner = owner


@dataclass(frozen=True)
class Retention:
    """The limits of a store: `quota_bytes` of pictures and records, and `keep_seconds` per job (None: no age limit).

    The store deletes the oldest jobs first, and never a starred one. Starred jobs may take `STARRED_SHARE` of the
    quota. Then the store refuses further stars, so that other visitors have room.
    """

    quota_bytes: int = 2 * GIB
    keep_seconds: float | None = 30 * DAY

    STARRED_SHARE: ClassVar[float] = 0.5

    def expires(self, created: float, starred: bool) -> float | None:
        """When the store may delete a job, in seconds since the epoch; None for never."""
        return None if starred or self.keep_seconds is None else created + self.keep_seconds


@dataclass(frozen=True)
class Filter:
    """Which jobs to list. A job must match every field that is set.

    The prompt must contain each word of `text`, in upper or lower case. `since` (included) and `until` (excluded) are
    seconds since the epoch. `owner` is a digest from `owner_digest`; None matches the jobs of all owners.
    """

    model: str | None = None
    text: str = ""
    since: float | None = None
    until: float | None = None
    starred: bool = False  # only starred ones
    owner: str | None = None
    without: frozenset[str] = frozenset()  # ids to leave out


@dataclass(frozen=True)
class Unreadable:
    """A stored comparison whose record cannot be read. `created` is in seconds since the epoch, 0 if unknown."""

    id: str
    created: float


@dataclass(frozen=True)
class Page:
    """Some of the jobs that match, newest first, without their pictures. `total` counts all that match.

    `unreadable` are those of this page that cannot be read, which hide no others.
    """

    jobs: tuple[Job, ...]
    total: int
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True)
class Usage:
    """How much is stored. `place` is the path of the folder, "" for memory."""

    jobs: int
    bytes: int
    starred_bytes: int
    retention: Retention
    place: str = ""


class Store(Protocol):
    """Safe to use from several threads. Each method raises StoreError when the database or a file fails.

    Methods with an id raise RequestError for an unknown one. `problem` says why comparisons are in memory although the
    settings name a folder; "" without a problem. `note` says what the start did with pictures that the index does not
    name; "" if there were none.
    """

    problem: str
    note: str

    def add(self, job: Job) -> None:
        """Store a new job with its environment and its cells. This process now runs the job."""
        ...

    def claim(self, job: Job, indexes: Sequence[int]) -> None:
        """Claim a stored job for this process, which runs these cells again.

        A cell with `earlier` stays as it is stored until its new picture is saved.
        """
        ...

    def save_cell(self, job_id: str, index: int, cell: Cell, picture: bytes | None = None) -> None:
        """Replace a cell by this final one and its PNG. The picture is on the disk before the record."""
        ...

    def end(self, job: Job) -> None:
        """Mark a job as not running. Cells that are not final in the store take their state from `job`."""
        ...

    def get(self, job_id: str) -> Job:
        """A job without its pictures. The open cells of a job whose process has died are interrupted.

        Raises UnreadableError.
        """
        ...

    def list(self, wanted: Filter, offset: int = 0, limit: int = 24) -> Page:
        """Some of the jobs that match, newest first."""
        ...

    def picture(self, job_id: str, index: int) -> bytes:
        """The PNG of one cell. Raises RequestError for a cell without one, StoreError when its file is missing."""
        ...

    def star(self, job_id: str, starred: bool) -> Job:
        """Add or remove the star. Raises BusyError when starred jobs already take their share of the quota."""
        ...

    def delete(self, job_id: str) -> None:
        """Delete a job with its pictures. Raises RequestError if another living process runs it."""
        ...

    def usage(self) -> Usage:
        """How much is stored."""
        ...

    def close(self) -> None:
        """Close the store. Jobs that this process still runs become interrupted."""
        ...


def owner_digest(secret: str) -> str:
    """The digest that stands for a submitter's secret in the store: it recognises the secret but does not reveal it.

    "" for no secret.
    """
    return hashlib.sha256(f"bksdm-demo owner {secret}".encode("utf-8", "replace")).hexdigest() if secret else ""
