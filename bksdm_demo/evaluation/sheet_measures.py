"""What a sheet's rows are sorted and filtered by: outcomes, times, and how far pictures are from the baseline's.

Comparing pictures takes time, so a thread does it for one sheet after the other, and only for sheets that do not run:
it would slow down what is being measured. What is known is kept; pictures that were compared are not compared again.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary, proxy

from bksdm_demo.errors import DemoError
from bksdm_demo.evaluation.sheet import Places, SheetRecord
from bksdm_demo.evaluation.sheet_results import RowResult, gather_results
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.records import Phase
from bksdm_demo.reports.similarity_cache import SimilarityCache

logger = logging.getLogger(__name__)

REMEMBERED_PAIRS = 10_000  # of pictures
REMEMBERED = 16  # sheets
EQUAL = 1 - 1e-9  # HaarPSI of equal pictures, rounded
BLOCKED, FAILED, DIFFERS, ASSERTION = "blocked", "failed", "differs", "assertion"  # filters
DIFFERENCE, SLOW, SPEED = "difference", "slow", "speed"  # orders; the sheet's own report has the same
FILTERS = ("", BLOCKED, FAILED, DIFFERS, ASSERTION)
ORDERS = ("", DIFFERENCE, SLOW, SPEED)


@dataclass(frozen=True)
class CellMeasure:
    """One cell. `haarpsi` compares with the baseline's picture; each number is None where there is none."""

    seconds: float | None
    speed: float | None
    haarpsi: float | None
    broken: bool = False  # an assertion does not hold


Measures = tuple[tuple[CellMeasure, ...], ...]  # by row, then by model


@dataclass(frozen=True)
class Wanted:
    """Which rows to show, of FILTERS, in which order, of ORDERS. With `model` only its cells count, "" for all."""

    show: str = ""
    sort: str = ""
    model: str = ""

    @property
    def measured(self) -> bool:
        """Whether pictures must be compared first."""
        return bool(self.sort) or self.show in (DIFFERS, ASSERTION)


def wanted_rows(record: SheetRecord, measures: Measures | None, wanted: Wanted, running: bool = False) -> list[int]:
    """The rows to show, in order. Without `measures` neither order nor filter by a difference applies.

    While the sheet runs, a cell that is not drawn yet does not count as failed.
    """
    models = record.sheet.models
    columns = [models.index(wanted.model)] if wanted.model in models else list(range(len(models)))
    every = range(len(record.sheet.rows))
    rows = [row for row in every if _fits(record, measures, row, columns, wanted, running)]
    if measures is None or not wanted.sort:
        return rows
    known = {row: [measures[row][column] for column in columns] for row in rows}
    if wanted.sort == DIFFERENCE:
        return sorted(rows, key=lambda row: min((c.haarpsi for c in known[row] if c.haarpsi is not None), default=2.0))
    if wanted.sort == SLOW:
        return sorted(rows, key=lambda row: -max((c.seconds for c in known[row] if c.seconds), default=0.0))
    return sorted(rows, key=lambda row: min((c.speed for c in known[row] if c.speed), default=float("inf")))


def _fits(
    record: SheetRecord, measures: Measures | None, row: int, columns: Sequence[int], wanted: Wanted, running: bool
) -> bool:
    if wanted.show in (BLOCKED, FAILED):
        places = [record.places[row][column] for column in columns]
        outcomes = ["" if place is None else place.outcome for place in places]
        if wanted.show == BLOCKED:
            return Phase.BLOCKED.value in outcomes
        fine = {Phase.DONE.value, Phase.BLOCKED.value, *([""] if running else [])}
        return any(outcome not in fine for outcome in outcomes)
    if measures is None or wanted.show not in (DIFFERS, ASSERTION):
        return True
    cells = [measures[row][column] for column in columns]
    if wanted.show == ASSERTION:
        return any(cell.broken for cell in cells)
    return any(cell.haarpsi is not None and cell.haarpsi < EQUAL for cell in cells)


class SheetMeasures:
    """Measures sheets in the background. Safe to use from several threads."""

    def __init__(self, sheets: Sheets) -> None:
        self._sheets = sheets
        self.similarities = SimilarityCache(sheets.comparisons, REMEMBERED_PAIRS)
        self._known: OrderedDict[tuple[str, str], tuple[Places, Measures]] = OrderedDict()
        self._queue: OrderedDict[tuple[str, str], SheetRecord] = OrderedDict()
        self._ready: tuple[str, int] = ("", 0)  # the sheet that is measured now, and its rows that are ready
        self._working = False
        self._lock = threading.Lock()

    def get(self, record: SheetRecord, ask: bool = True) -> Measures | None:
        """What is known of the sheet against its baseline. What is missing, or has changed since, is measured if asked.

        While the sheet runs nothing is measured.
        """
        key = record.id, record.sheet.baseline
        with self._lock:
            places, measures = self._known.get(key, ((), None))
            if measures is not None:
                self._known.move_to_end(key)
            if places == record.places:
                return measures
            if ask and self._sheets.progress(record.id) is None:
                self._queue[key] = record
                if not self._working:
                    self._working = True
                    threading.Thread(target=self._work, name="measures", daemon=True).start()
            return measures

    def ready(self, sheet_id: str) -> int | None:
        """How many rows of the sheet are compared; None if that is neither under way nor asked for."""
        with self._lock:
            if self._working and self._ready[0] == sheet_id:
                return self._ready[1]
            return 0 if any(known == sheet_id for known, _ in self._queue) else None

    def _work(self) -> None:
        while (record := self._next()) is not None:
            key = record.id, record.sheet.baseline

            def report(ready: int, rows: int, sheet_id: str = record.id) -> None:
                self._ready = sheet_id, ready

            measures: Measures | None = None
            try:
                rows = gather_results(self._sheets, record, self.similarities, report).rows
                measures = tuple(_measured(row) for row in rows)
            except DemoError as error:
                logger.warning("The pictures of a sheet cannot be compared: %s", error)
            except Exception:
                logger.exception("Comparing the pictures of a sheet ended unexpectedly")
            with self._lock:
                nothing = ((CellMeasure(None, None, None),) * len(record.sheet.models),) * len(record.sheet.rows)
                self._known[key] = record.places, measures or nothing
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)

    def _next(self) -> SheetRecord | None:
        with self._lock:
            self._ready = "", 0
            if not self._queue:
                self._working = False
                return None
            (sheet_id, _), record = self._queue.popitem(last=False)
            self._ready = sheet_id, 0
            return record


def _measured(row: RowResult) -> tuple[CellMeasure, ...]:
    return tuple(
        CellMeasure(
            cell.seconds,
            cell.speed,
            None if cell.similarity is None else cell.similarity.haarpsi,
            bool(cell.failures),
        )
        for cell in row.cells
    )


_of_service: WeakKeyDictionary[Sheets, SheetMeasures] = WeakKeyDictionary()
_making = threading.Lock()


def measures_of(sheets: Sheets) -> SheetMeasures:
    """The measures of a service: one for all pages and routes over it."""
    with _making:
        if sheets not in _of_service:
            _of_service[sheets] = SheetMeasures(proxy(sheets))  # else the service would keep itself alive
        return _of_service[sheets]
