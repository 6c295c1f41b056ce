"""One run of a sheet: row by row, each row a comparison of the models whose cells are not drawn yet.

The order survives a kill at any moment: the record names a comparison before it is submitted, and a comparison stores
each cell when it is final. So the next run finds every finished cell, resumes a comparison that was cut off, and
submits only what was never submitted. A failed cell stops nothing; the next run tries it again, once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bksdm_demo.errors import BusyError, DemoError, RequestError
from bksdm_demo.evaluation.sheet import Place, SheetRecord
from bksdm_demo.evaluation.sheet_book import SheetBook
from bksdm_demo.evaluation.sheet_keys import Keys
from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.fairness import Client
from bksdm_demo.runs.jobs import new_id
from bksdm_demo.store.contract import StoreError

logger = logging.getLogger(__name__)

HEARTBEAT = 0.5  # seconds between two looks at `stopped`
DECIDED = (Phase.DONE, Phase.BLOCKED)

Stopped = Callable[[], bool]
Watch = Callable[["Progress"], None]


@dataclass(frozen=True)
class Progress:
    """Where a run is: rows passed, the comparison that runs now, and the first thing that went wrong.

    `drawn` and `reused` count the cells that this run drew to an end, and those that it found drawn.
    """

    rows: int = 0
    job: Job | None = None
    drawn: int = 0
    reused: int = 0
    problem: str = ""
    waiting: str = ""  # why the next comparison cannot be submitted yet


class SheetRun:
    """Runs one sheet in the calling thread. `watch` gets each progress; `stopped` is asked twice a second."""

    def __init__(
        self,
        comparisons: Comparisons,
        book: SheetBook,
        keys: Keys,
        record: SheetRecord,
        client: Client,
        watch: Watch,
        stopped: Stopped,
        pause: Callable[[float], object],
    ) -> None:
        self._comparisons, self._book, self._keys = comparisons, book, keys
        self._record, self._client, self._watch, self._stopped, self._pause = record, client, watch, stopped, pause
        self._tried: set[str] = set()  # comparisons that this run has submitted or resumed
        self.progress = Progress()

    def run(self) -> SheetRecord:
        """Run all rows and return the record with every outcome. Raises StoreError if the record cannot be stored."""
        try:
            for row in range(len(self._record.sheet.rows)):
                if self._stopped():
                    break
                self._row(row)
                self._tell(rows=row + 1, job=None)
        finally:
            self._book.save(self._record)
        return self._record

    def _row(self, row: int) -> None:
        """Draw what is missing in one row."""
        places, missing, waits = self._settled(row)
        self._record = self._record.placed(row, places)
        for job_id in dict.fromkeys(waits):
            self._resume(job_id)
        if missing:
            self._submit(row, missing)
        seen = self._record.places[row]
        self._record = self._record.placed(row, [None if place is None else self._seen(place) for place in seen])

    def _settled(self, row: int) -> tuple[list[Place | None], list[tuple[int, str]], list[str]]:
        """The places of a row, the columns to draw with their keys, and the comparisons to wait for or to resume."""
        sheet, own = self._record.sheet, self._record.places[row]
        places: list[Place | None] = list(own)
        missing: list[tuple[int, str]] = []
        waits: list[str] = []
        for column, model in enumerate(sheet.models):
            try:
                key = self._keys.key(model, sheet.rows[row].request)
            except DemoError as error:
                self._note(str(error))
                continue
            place = own[column]
            if place is None or place.key != key:
                place = self._book.place(key)
            cell = None if place is None else self._cell(place, model)
            if place is None or cell is None:
                places[column] = None
                missing.append((column, key))
                continue
            places[column] = place
            if cell.phase in DECIDED:
                self._tell(reused=self.progress.reused + 1)
            elif place.job not in self._tried:
                waits.append(place.job)
        return places, missing, waits

    def _cell(self, place: Place, model: str) -> Cell | None:
        """The cell at a place; None if its comparison is not stored (any more)."""
        try:
            cells = self._comparisons.get(place.job).cells
        except (RequestError, StoreError):
            return None
        cell = cells[place.index] if place.index < len(cells) else None
        return cell if cell is not None and cell.model == model else None

    def _seen(self, place: Place) -> Place:
        """The place with the present outcome of its cell."""
        try:
            cell = self._comparisons.get(place.job).cells[place.index]
        except (RequestError, StoreError, IndexError):
            return replace(place, outcome="")
        return replace(place, outcome=cell.phase.value if cell.phase.final else "")

    def _submit(self, row: int, missing: Sequence[tuple[int, str]]) -> None:
        """Name the new comparison in the record, then submit it and wait for its end."""
        sheet, job_id = self._record.sheet, new_id()
        places = list(self._record.places[row])
        distinct = list(dict.fromkeys(key for _, key in missing))  # a model under two names is drawn once
        models = [sheet.models[next(column for column, own in missing if own == key)] for key in distinct]
        for column, key in missing:
            places[column] = Place(key, job_id, distinct.index(key))
        self._record = self._record.placed(row, places)
        self._book.save(self._record)
        request = sheet.rows[row].request
        self._queued(
            job_id,
            lambda: self._comparisons.submit(
                request, models, owner=self._client.visitor, address=self._client.address, job_id=job_id
            ),
        )

    def _resume(self, job_id: str) -> None:
        """Wait for a comparison that runs, and run the unfinished cells of one that was cut off or failed."""
        with suppress(RequestError, StoreError):
            if not self._comparisons.get(job_id).finished:
                self._follow(job_id, 0)
            if self._comparisons.get(job_id).resumable and not self._stopped():
                self._queued(job_id, lambda: self._comparisons.resume(job_id, self._client))

    def _queued(self, job_id: str, submit: Callable[[], Job]) -> None:
        """Submit as soon as the queue and the operator's limits let it, and wait for the end."""
        self._tried.add(job_id)
        while not self._stopped():
            try:
                job = submit()
            except BusyError as error:
                if self._comparisons.draining:
                    return
                self._tell(waiting=str(error))
                self._pause(2 * HEARTBEAT)
            except DemoError as error:
                self._note(str(error))
                return
            else:
                self._tell(waiting="")
                self._follow(job_id, sum(not cell.phase.final for cell in job.cells))
                return

    def _follow(self, job_id: str, waiting: int) -> None:
        """Watch a comparison up to its end; stop it once this run is stopped. `waiting` cells count as this run's."""
        drawn = self.progress.drawn
        for job in self._comparisons.watch(job_id, HEARTBEAT):
            left = sum(not cell.phase.final for cell in job.cells)
            self._tell(job=job, drawn=drawn + max(0, waiting - left))
            if not job.finished and self._stopped():
                with suppress(RequestError):  # another process runs it
                    self._comparisons.cancel(job_id)
        if job.note:
            self._note(job.note)

    def _note(self, problem: str) -> None:
        if not self.progress.problem:
            logger.warning("A sheet: %s", problem)
            self._tell(problem=problem)

    def _tell(self, **changes: object) -> None:
        self.progress = replace(self.progress, **changes)  # type: ignore[arg-type]
        self._watch(self.progress)
