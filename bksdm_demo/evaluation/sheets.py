"""The service of sheets, for the page and the command line: create, price, run, stop, and look at.

It draws nothing itself: every row is a comparison of runs/comparisons.py, so that the queue, the operator's limits, the
safety checker and the store are those of all comparisons. A sheet belongs to no connection and outlives the process.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from bksdm_demo.errors import BusyError, DemoError, RequestError
from bksdm_demo.evaluation.sheet import Marked, Place, Sheet, SheetRecord, no_places
from bksdm_demo.evaluation.sheet_book import RUNNING, SheetBook
from bksdm_demo.evaluation.sheet_cost import Cost, cost_of, known_speeds
from bksdm_demo.evaluation.sheet_keys import Keys
from bksdm_demo.evaluation.sheet_run import DECIDED, Progress, SheetRun, Watch
from bksdm_demo.records import Cell, Job
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.fairness import Client
from bksdm_demo.runs.jobs import new_id
from bksdm_demo.store.contract import MOST_PER_PAGE, StoreError

logger = logging.getLogger(__name__)

FOLDER = "sheets"
NOT_YOURS = "Another visitor started this sheet. You can look at it, but not run, stop or delete it."
RUNNING_AT_ONCE = 4  # sheets of one process
RUNNING_OF_AN_ADDRESS = 2  # of them: whoever invents visitors does not take all
ONE_EACH = "Another sheet of yours is running. Wait for its end, or stop it first."
ADDRESS_HAS_TWO = f"{RUNNING_OF_AN_ADDRESS} sheets of your address are running. Wait for one to end, or stop one."
TOO_MANY = f"{RUNNING_AT_ONCE} sheets are running. Wait for one to end."
CLOSE_SECONDS = 5.0


def engine_facts(environment: Mapping[str, Any]) -> dict[str, str]:
    """What of an environment (environment.describe) decides pictures: engine, precision, units, and their versions."""
    packages = environment.get("packages") or {}
    facts = {name: environment.get(name) for name in ("engine", "precision", "compute_units", "demo_version")}
    facts |= {name: packages.get(name) for name in ("openvino", "coremltools", "numpy")}
    return {name: str(value) for name, value in facts.items() if value}


def _ignore(progress: Progress) -> None:
    pass


class Sheets:
    """Safe to use from several threads. The records lie beside the comparisons, in memory if those do.

    `engine` says what besides model and request decides a picture, such as the engine and its precision; without it,
    the comparisons' own environment does.
    """

    def __init__(
        self,
        comparisons: Comparisons,
        engine: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        place = comparisons.usage().place
        self.comparisons = comparisons
        self._engine = dict(engine_facts(comparisons.environment()) if engine is None else engine)
        self._clock = clock
        self._book = SheetBook(Path(place) / FOLDER if place else None)
        self._runs: dict[str, _Run] = {}
        self._cut_off: deque[str] = deque()  # sheets that go on as soon as they may
        self._ending = False
        self._lock = threading.Lock()

    def create(self, sheet: Sheet, owner: str = "", sheet_id: str = "") -> SheetRecord:
        """Store a new sheet; with the id of a stored one, continue that one with this sheet's baseline and limits.

        Raises ModelUnavailableError for a model, RequestError for a row beyond this server's limits, StoreError.
        """
        for model in sheet.models:
            self.comparisons.catalog.get(model)
        for number, row in enumerate(sheet.rows, 1):
            try:
                self.comparisons.allowance.check(row.request, len(sheet.models))
            except RequestError as error:
                raise RequestError(f"Row {number}: {error}") from error
        record = SheetRecord(sheet_id or new_id(), sheet, no_places(sheet), self._clock(), owner)
        if sheet_id:
            record = self._continued(record)
        self._book.save(record)
        return record

    def get(self, sheet_id: str) -> SheetRecord:
        """The record of a sheet. Raises RequestError for an unknown id, StoreError for an unreadable one."""
        return self._book.get(sheet_id)

    def records(self, owner: str | None = None) -> list[SheetRecord]:
        """The sheets of this owner's digest, or all, newest first."""
        return self._book.records(owner)

    def cost(self, sheet: Sheet) -> Cost:
        """What drawing the sheet costs here, without the cells that any sheet has drawn. Raises as `Keys.key`."""
        self._book.records()
        keys = Keys(self.comparisons.catalog, self._engine)
        drawn, seen = [], set()
        for number, row in enumerate(sheet.rows):
            for column, model in enumerate(sheet.models):
                key = keys.key(model, row.request)
                place = self._book.place(key)
                if key in seen or (place is not None and place.outcome in DECIDED):
                    drawn.append((number, column))
                seen.add(key)
        return cost_of(sheet, drawn, known_speeds(self.comparisons.gallery(limit=MOST_PER_PAGE).jobs))

    def cell(self, place: Place | None) -> Cell | None:
        """The cell at a place, with its earlier verdict if it runs again; None for one never submitted, or gone."""
        job = self.job(place)
        if job is None or place is None or place.index >= len(job.cells):
            return None
        return job.cells[place.index].earlier or job.cells[place.index]

    def job(self, place: Place | None) -> Job | None:
        """The comparison of a place, running or stored; None if it was never submitted, or is gone."""
        try:
            return None if place is None else self.comparisons.get(place.job)
        except (RequestError, StoreError):
            return None

    def environment(self, place: Place | None) -> Mapping[str, Any]:
        """The machine and the engine that drew a cell; {} if nobody knows."""
        job = self.job(place)
        return {} if job is None else job.environment

    def picture(self, place: Place) -> bytes:
        """The PNG at a place. Raises RequestError if there is none to show, StoreError."""
        return self.comparisons.picture(place.job, place.index)

    # --- Running ---------------------------------------------------------------------------------------------------

    def run(
        self,
        sheet_id: str,
        client: Client,
        watch: Watch = _ignore,
        stopped: Callable[[], bool] | None = None,
        pause: Callable[[float], object] = time.sleep,
        marked: Marked = Marked.NO,
    ) -> Progress:
        """Run a sheet in this thread, to its end or until `stopped()`. Returns the last progress.

        The record is stored as `marked` until somebody ends the run: then it goes on after a restart.

        Raises BusyError if it runs already, RequestError for an unknown id, StoreError if its record cannot be stored.
        """
        with self._book.running(sheet_id):
            self._book.records()  # the places of all other sheets
            keys = Keys(self.comparisons.catalog, self._engine)
            stop = stopped or (lambda: self.comparisons.draining)
            record = replace(self.get(sheet_id), marked=marked)
            if marked is not Marked.NO:
                self._book.save(record)
            run = SheetRun(self.comparisons, self._book, keys, record, client, watch, stop, pause)
            record = run.run()
            if not self._ending and record.marked is not Marked.NO:
                self._book.save(replace(record, marked=Marked.NO))
            return run.progress

    def go_on_all(self) -> None:
        """Let the sheets go on that ran when a server over this store ended, the oldest first.

        Each counts as its owner's, whose address nobody has kept. A sheet waits until so many run as may. Left as they
        are: a sheet that another process runs, one that went on after the last start and drew nothing since, as it may
        have ended that server, and one whose pictures this version would draw anew.
        """
        cut_off = [record for record in reversed(self._book.records()) if record.marked is Marked.YES]
        self._cut_off.extend(record.id for record in cut_off)
        self.go_on_next()

    def go_on_next(self) -> None:
        """Start sheets of `go_on_all` as long as one more may run."""
        while not self._ending:
            try:
                sheet_id = self._cut_off.popleft()
            except IndexError:
                return
            try:
                record = self.get(sheet_id)
                with self._book.running(sheet_id):
                    pass  # no other process runs it
                if self._same_pictures(record):
                    self.start(sheet_id, Client(record.owner), Marked.AGAIN)
            except BusyError as error:
                if str(error) == TOO_MANY:
                    self._cut_off.appendleft(sheet_id)
                    return
            except DemoError as error:
                logger.warning("Sheet %s does not go on: %s", sheet_id, error)

    def _same_pictures(self, record: SheetRecord) -> bool:
        """Whether a cell that is drawn still has its key: the model's files and the engine are as they were."""
        keys = Keys(self.comparisons.catalog, self._engine)
        for row, places in zip(record.sheet.rows, record.places, strict=True):
            for model, place in zip(record.sheet.models, places, strict=True):
                if place is not None and place.outcome in DECIDED:
                    return keys.key(model, row.request) == place.key
        return True

    def start(self, sheet_id: str, client: Client, marked: Marked = Marked.YES) -> None:
        """Run a sheet in a thread of its own; a sheet that was stopped or cut off goes on. `marked` as in `run`.

        Raises RequestError for an unknown id or another visitor's sheet, BusyError if it runs or too many do.
        """
        self._check_owner(sheet_id, client.visitor)
        with self._lock:
            alive = {known: run for known, run in self._runs.items() if run.alive}
            if sheet_id in alive:
                raise BusyError(RUNNING)
            if client.person and any(run.client.person == client.person for run in alive.values()):
                raise BusyError(ONE_EACH)
            of_address = sum(run.client.address == client.address for run in alive.values())
            if client.address and of_address >= RUNNING_OF_AN_ADDRESS:
                raise BusyError(ADDRESS_HAS_TWO)
            if len(alive) >= RUNNING_AT_ONCE:
                raise BusyError(TOO_MANY)
            ended = dict(list(self._runs.items())[-RUNNING_AT_ONCE * 16 :])
            self._runs = {**ended, **alive, sheet_id: _Run(self, sheet_id, client, marked)}
            self._runs[sheet_id].start()

    def stop(self, sheet_id: str, visitor: str = "") -> None:
        """Stop a running sheet after the current step; finished cells stay. Raises RequestError as `start`."""
        self._check_owner(sheet_id, visitor)
        if (run := self._runs.get(sheet_id)) is not None:
            run.stopped.set()
            if (job := run.progress.job) is not None:
                with suppress(RequestError):  # it has ended, or another process runs it
                    self.comparisons.cancel(job.id)

    def progress(self, sheet_id: str) -> Progress | None:
        """Where the sheet's run in this process is, None if none runs."""
        run = self._runs.get(sheet_id)
        return run.progress if run is not None and run.alive else None

    def stopping(self, sheet_id: str) -> bool:
        """Whether the sheet's run was stopped and ends after the current step."""
        run = self._runs.get(sheet_id)
        return run is not None and run.alive and run.stopped.is_set()

    def problem(self, sheet_id: str) -> str:
        """What went wrong in the sheet's last run in this process; "" if nothing did."""
        run = self._runs.get(sheet_id)
        return "" if run is None else run.progress.problem

    def delete(self, sheet_id: str, visitor: str = "") -> None:
        """Delete a sheet that does not run; its comparisons stay. Raises RequestError as `start`, and if it runs."""
        self._check_owner(sheet_id, visitor)
        if self.progress(sheet_id) is not None:
            raise RequestError(RUNNING)
        self._book.delete(sheet_id)

    def delete_all(self, sheet_id: str, owner: str | None) -> None:
        """Delete a sheet and its comparisons, but starred ones and those of other sheets.

        `owner` is the visitor's digest, None for the operator. Raises RequestError as `delete`.
        """
        record = self.get(sheet_id)
        self.delete(sheet_id, record.owner if owner is None else owner)
        others = {place.job for one in self.records() for row in one.places for place in row if place is not None}
        jobs = {place.job for row in record.places for place in row if place is not None}
        for job_id in jobs - others:
            with suppress(RequestError, StoreError):  # it is gone already
                if not self.comparisons.get(job_id).starred:
                    self.comparisons.delete(job_id, owner)

    def stored(self, job_id: str) -> bool:
        """Whether a comparison is there."""
        try:
            return self.comparisons.get(job_id).id == job_id
        except (RequestError, StoreError):
            return False

    def stop_all(self) -> None:
        """Let no run submit anything more. Each goes on at the next start."""
        self._ending = True
        for run in self._runs.values():
            run.stopped.set()

    def close(self) -> None:
        """Stop all runs and wait for them, at most a few seconds. The comparisons end with their own service."""
        self.stop_all()
        for run in self._runs.values():
            run.join(CLOSE_SECONDS)

    def _continued(self, record: SheetRecord) -> SheetRecord:
        """The record with the places and the date of the stored one, if that has the same rows and models."""
        try:
            known = self.get(record.id)
        except RequestError:
            return record
        requests = [[row.request for row in one.sheet.rows] for one in (record, known)]
        if requests[0] != requests[1] or record.sheet.models != known.sheet.models:
            raise RequestError("A stored sheet with this id has other rows or models.")
        return SheetRecord(record.id, record.sheet, known.places, known.created, known.owner)

    def _check_owner(self, sheet_id: str, visitor: str) -> None:
        if self.get(sheet_id).owner not in ("", visitor):
            raise RequestError(NOT_YOURS)


class _Run:
    """A run of a sheet in a thread."""

    def __init__(self, sheets: Sheets, sheet_id: str, client: Client, marked: Marked) -> None:
        self._sheets, self._id, self.client, self._marked = sheets, sheet_id, client, marked
        self.progress = Progress()
        self.stopped = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="sheet", daemon=True)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and not self._ended

    def start(self) -> None:
        self._thread.start()

    def join(self, seconds: float) -> None:
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _work(self) -> None:
        try:
            self._run()
        finally:
            self._ended = True
            self._sheets.go_on_next()

    def _run(self) -> None:
        def watch(progress: Progress) -> None:
            self.progress = progress

        def stopped() -> bool:
            return self.stopped.is_set() or self._sheets.comparisons.draining

        try:
            self._sheets.run(self._id, self.client, watch, stopped, self.stopped.wait, self._marked)
        except DemoError as error:
            self.progress = Progress(problem=str(error))
        except Exception:
            logger.exception("A sheet ended unexpectedly")
            self.progress = Progress(
                problem="An unexpected error stopped this sheet. The server's log has the details."
            )
