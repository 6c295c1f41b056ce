"""One run of a sheet: row by row, each row a comparison of the models whose cells are not drawn yet.

Where models do not fit into memory together, a row is drawn in parts (sheet_parts.py). It is still one comparison.

The order survives a kill at any moment: the record names a comparison before it is submitted, and a comparison stores
each cell when it is final. So the next run finds every finished cell, resumes a comparison that was cut off, and
submits only what was never submitted. A failed cell stops nothing; the next run tries it again, once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bksdm_demo.errors import BusyError, DemoError, RequestError
from bksdm_demo.evaluation.sheet import Marked, Place, SheetRecord
from bksdm_demo.evaluation.sheet_book import SheetBook
from bksdm_demo.evaluation.sheet_keys import Keys
from bksdm_demo.evaluation.sheet_parts import parts_of
from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.runs.cells import memory_groups
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
    """Where a run is: rows passed, the row and the comparison that run now, and the first thing that went wrong.

    Where rows are drawn in parts, `rows` counts how many the parts make. `drawn` and `reused` count the cells that this
    run drew to an end, and those that it found drawn.
    """

    rows: int = 0
    row: int = 0
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
        self._tried: set[tuple[str, int]] = set()  # cells that this run has submitted or resumed
        self.progress = Progress()

    def run(self) -> SheetRecord:
        """Run all rows and return the record with every outcome. Raises StoreError if the record cannot be stored."""
        sheet = self._record.sheet
        groups = self._groups()
        try:
            for number, (row, columns) in enumerate(parts_of(len(sheet.rows), groups), 1):
                if self._stopped():
                    break
                self._tell(row=row)
                self._row(row, columns)
                self._tell(rows=number // len(groups), job=None)
                if self._record.marked is Marked.AGAIN and self._drew(row):
                    self._record = replace(self._record, marked=Marked.YES)
        finally:
            self._book.save(self._record)
        return self._record

    def _groups(self) -> list[tuple[int, ...]]:
        """The columns of the models in groups that fit into memory together."""
        models, comparisons = self._record.sheet.models, self._comparisons
        budget, expected = comparisons.cache.budget_bytes, comparisons.expected_memory
        groups = memory_groups(models, comparisons.catalog.by_key(), budget, expected)
        return [tuple(models.index(model) for model in group) for group in groups]

    def _drew(self, row: int) -> bool:
        """Whether a cell of the row has a verdict from this run."""
        ended = [place for place in self._record.places[row] if place is not None and place.outcome in DECIDED]
        return any((place.job, place.index) in self._tried for place in ended)

    def _row(self, row: int, columns: Collection[int]) -> None:
        """Draw what is missing in these columns of one row."""
        places, missing, waits = self._settled(row, columns)
        self._record = self._record.placed(row, places)
        if waits:
            self._book.save(self._record)  # the outcomes of the rows before
        for job_id, indexes in waits.items():
            self._resume(job_id, indexes)
        if any(column in columns for column, _ in missing):
            self._submit(row, missing, columns)
        seen = list(self._record.places[row])
        for column in columns:
            place = seen[column]
            seen[column] = None if place is None else self._seen(place)
        self._record = self._record.placed(row, seen)

    def _settled(
        self, row: int, columns: Collection[int]
    ) -> tuple[list[Place | None], list[tuple[int, str]], dict[str, list[int]]]:
        """The places of a row, all its columns without one with their keys, and what to wait for or to resume.

        The last are the indexes, by comparison, of cells in `columns` that have no verdict.
        """
        sheet, own = self._record.sheet, self._record.places[row]
        places: list[Place | None] = list(own)
        missing: list[tuple[int, str]] = []
        waits: dict[str, list[int]] = {}
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
            if column not in columns:
                continue
            if cell.phase in DECIDED:
                self._tell(reused=self.progress.reused + 1)
            elif (place.job, place.index) not in self._tried:
                waits.setdefault(place.job, []).append(place.index)
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

    def _submit(self, row: int, missing: Sequence[tuple[int, str]], columns: Collection[int]) -> None:
        """Name a new comparison of all `missing` cells in the record, submit it, and draw those in `columns`."""
        sheet, job_id = self._record.sheet, new_id()
        places = list(self._record.places[row])
        distinct = list(dict.fromkeys(key for _, key in missing))  # a model under two names is drawn once
        models = [sheet.models[next(column for column, own in missing if own == key)] for key in distinct]
        for column, key in missing:
            places[column] = Place(key, job_id, distinct.index(key))
        self._record = self._record.placed(row, places)
        self._book.save(self._record)
        request = sheet.rows[row].request
        now = {distinct.index(key) for column, key in missing if column in columns}
        self._queued(
            job_id,
            now,
            lambda: self._comparisons.submit(
                request,
                models,
                owner=self._client.visitor,
                address=self._client.address,
                job_id=job_id,
                draw=[models[index] for index in now],
            ),
        )

    def _resume(self, job_id: str, indexes: Collection[int]) -> None:
        """Wait for a comparison that runs, and run these cells of one that was cut off or failed, or drawn in part."""
        with suppress(RequestError, StoreError):
            if not self._comparisons.get(job_id).finished:
                self._follow(job_id, 0)
            left = set(indexes) & set(self._comparisons.get(job_id).resumable)
            if left and not self._stopped():
                self._queued(job_id, left, lambda: self._comparisons.resume(job_id, self._client, left))

    def _queued(self, job_id: str, indexes: Collection[int], submit: Callable[[], Job]) -> None:
        """Submit as soon as the queue and the operator's limits let it, and wait for the end of these cells."""
        self._tried.update((job_id, index) for index in indexes)
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
