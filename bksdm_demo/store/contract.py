"""The contract of keeping comparisons: save, list, get, star, delete. One implementation: store_sqlite.py.

Ids and file names are generated, never taken from outside: an id that somebody sends is looked up and nothing else.
Only what the safety checker passed is ever handed to a store, and a store refuses the rest once more. A job is kept
from the moment it is queued, each cell from the moment it is final, so that a killed server loses only what it was
drawing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from bksdm_demo.errors import DemoError
from bksdm_demo.records import Cell, Job

GIB = 2**30  # bytes
DAY = 86_400.0  # seconds
MOST_PER_PAGE = 100


class StoreError(DemoError):
    """The place where comparisons are kept cannot be read or written: the message says what and what to do.

    Visitors read it, so it names no path; the log does.
    """


@dataclass(frozen=True)
class Retention:
    """What is kept: at most `quota_bytes` of pictures and records, each job for `keep_seconds` (None: no age limit).

    The oldest go first. A starred job goes neither for age nor for room; so that stars cannot fill the place for
    everybody, they may take at most `STARRED_SHARE` of the quota, after which a further star is refused.
    """

    quota_bytes: int = 2 * GIB
    keep_seconds: float | None = 30 * DAY

    STARRED_SHARE: ClassVar[float] = 0.5

    def expires(self, created: float, starred: bool) -> float | None:
        """When a job of that age may be dropped, in seconds since the epoch; None for never."""
        return None if starred or self.keep_seconds is None else created + self.keep_seconds


@dataclass(frozen=True)
class Filter:
    """Which jobs to list; every field that is set must fit.

    `text` is looked for word by word in the prompts, whatever the case; `since` and `until` are seconds since the
    epoch, the first included, the second not; `owner` is a digest (`owner_digest`), None for everybody's jobs.
    """

    model: str | None = None
    text: str = ""
    since: float | None = None
    until: float | None = None
    starred: bool = False  # only starred ones
    owner: str | None = None


@dataclass(frozen=True)
class Page:
    """Some of the jobs that fit, newest first, pictures left in the store; `total` counts all that fit."""

    jobs: tuple[Job, ...]
    total: int


@dataclass(frozen=True)
class Usage:
    """How much is kept; `place` names the folder, "" for memory."""

    jobs: int
    bytes: int
    starred_bytes: int
    retention: Retention
    place: str = ""


class Store(Protocol):
    """Safe to use from several threads. Each method raises StoreError when the place fails.

    Methods that take an id raise RequestError for one that is unknown. `problem` is a sentence on why comparisons are
    kept in memory only although a folder was wanted, "" when all is well.
    """

    problem: str

    def add(self, job: Job) -> None:
        """Keep a new job with its environment and its cells as they are; this process is now the one that runs it."""
        ...

    def take(self, job: Job, indexes: Sequence[int]) -> None:
        """This process runs these cells of a stored job once more. A cell with `earlier` stays as it is stored."""
        ...

    def save_cell(self, job_id: str, index: int, cell: Cell, picture: bytes | None = None) -> None:
        """Keep a final cell and its PNG, in place of what was there; the picture is in place before the record."""
        ...

    def end(self, job: Job) -> None:
        """Nothing of this job runs any more: cells not yet final here become what they have come to there."""
        ...

    def get(self, job_id: str) -> Job:
        """A job without its pictures. One whose process has died comes back as interrupted."""
        ...

    def list(self, wanted: Filter, offset: int = 0, limit: int = 24) -> Page:
        """Some of the jobs that fit, newest first."""
        ...

    def picture(self, job_id: str, index: int) -> bytes:
        """The PNG of one cell. Raises RequestError where there is none, StoreError where its file is gone."""
        ...

    def star(self, job_id: str, starred: bool) -> Job:
        """Put or take the star. Raises RequestError when stars already take their share of the quota."""
        ...

    def delete(self, job_id: str) -> None:
        """Remove a job with its pictures. Raises RequestError for one that another living process runs."""
        ...

    def usage(self) -> Usage:
        """How much there is."""
        ...

    def close(self) -> None:
        """Give the place back; jobs that this process still runs become interrupted."""
        ...


def owner_digest(secret: str) -> str:
    """What is kept of a submitter's secret: enough to know it again, nothing to find it out; "" for no secret."""
    return hashlib.sha256(f"bksdm-demo owner {secret}".encode()).hexdigest() if secret else ""
