"""What a sheet found: each cell against the baseline's of its row, each model over all rows, and the assertions.

Speeds compare drawing times, without loading. The speed of a model over all rows leaves out the rows in which one of
the two models had just been loaded, if others are left: the first picture after loading takes longer. A blocked picture
is compared with nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from bksdm_demo.errors import DemoError
from bksdm_demo.evaluation.assertions import Answer, Checked, check
from bksdm_demo.evaluation.sheet import Place, Row, SheetRecord
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.intervals import Estimate, median_estimate, ratio_estimate
from bksdm_demo.library.catalog import System
from bksdm_demo.records import Cell, Phase
from bksdm_demo.reports.similarity import Similarity
from bksdm_demo.reports.similarity_cache import SimilarityCache
from bksdm_demo.wording.timing import drawing_seconds, timings_of

NOT_DRAWN = "not drawn"
Report = Callable[[int, int], None]  # rows that are ready, all rows


@dataclass(frozen=True)
class CellResult:
    """One cell. `cell` is None where nothing was drawn. `speed` is how many times as fast as the baseline in this row.

    `similarity` compares with the baseline's picture; both are None for the baseline itself. `job` is "" without one.
    """

    row: int
    model: str
    cell: Cell | None
    place: Place | None
    speed: float | None = None
    similarity: Similarity | None = None
    checked: tuple[Checked, ...] = ()

    @property
    def outcome(self) -> str:
        """ "done", "blocked", "failed", ...; "not drawn" for a cell without an end."""
        return self.cell.phase.value if self.cell is not None and self.cell.phase.final else NOT_DRAWN

    @property
    def seconds(self) -> float | None:
        """The drawing time, None if nothing was drawn."""
        timings = None if self.cell is None else timings_of(self.cell)
        return None if timings is None else drawing_seconds(timings)

    @property
    def cold(self) -> bool:
        timings = None if self.cell is None else timings_of(self.cell)
        return timings is not None and timings.cold

    @property
    def failures(self) -> tuple[Checked, ...]:
        """The assertions that do not hold."""
        return tuple(checked for checked in self.checked if checked.answer is Answer.FAILS)


@dataclass(frozen=True)
class RowResult:
    """One row with its cells in the order of the models."""

    index: int
    row: Row
    cells: tuple[CellResult, ...]

    @property
    def difference(self) -> float:
        """How far the row's pictures are from the baseline's: 1 - HaarPSI of the least similar one; 0 without any."""
        return max((1 - cell.similarity.haarpsi for cell in self.cells if cell.similarity is not None), default=0.0)


@dataclass(frozen=True)
class ModelResult:
    """One model over all rows; `outcomes` counts its cells. Times and similarities are None without any to measure."""

    model: str
    outcomes: Mapping[str, int]
    seconds: Estimate | None
    speed: Estimate | None
    psnr: float | None
    ssim: float | None
    haarpsi: float | None
    failures: int


@dataclass(frozen=True)
class SheetResults:
    """All results of a sheet, with what the report says about models and machine."""

    record: SheetRecord
    systems: Mapping[str, System]
    rows: tuple[RowResult, ...]
    models: tuple[ModelResult, ...]
    environments: tuple[Mapping[str, Any], ...]  # of the machines and engines that drew, each once

    @property
    def names(self) -> dict[str, str]:
        """Display names by model key."""
        models = self.record.sheet.models
        return {key: self.systems[key].name if key in self.systems else key for key in models}

    def count(self, *outcomes: str) -> int:
        """How many cells have one of these outcomes."""
        return sum(model.outcomes.get(outcome, 0) for model in self.models for outcome in outcomes)

    @property
    def failures(self) -> int:
        """How many assertions do not hold."""
        return sum(model.failures for model in self.models)


def _ignore(ready: int, rows: int) -> None:
    pass


def gather_results(
    sheets: Sheets, record: SheetRecord, cache: SimilarityCache | None = None, report: Report = _ignore
) -> SheetResults:
    """Read the stored cells and compare their pictures; `cache` remembers similarities between two calls."""
    cache = cache or SimilarityCache(sheets.comparisons)
    rows: list[RowResult] = []
    environments: dict[str, Mapping[str, Any]] = {}
    for index in range(len(record.sheet.rows)):
        rows.append(_row(sheets, cache, record, index))
        for place in record.places[index]:
            environment = sheets.environment(place)
            environments.setdefault(_machine(environment), environment)
        report(index + 1, len(record.sheet.rows))
    environments.pop(_machine({}), None)
    models = tuple(_model(record, rows, column) for column in range(len(record.sheet.models)))
    systems = sheets.comparisons.catalog.by_key()
    return SheetResults(record, systems, tuple(rows), models, tuple(environments.values()))


def _row(sheets: Sheets, cache: SimilarityCache, record: SheetRecord, index: int) -> RowResult:
    sheet, places = record.sheet, record.places[index]
    cells = [sheets.cell(place) for place in places]
    base = sheet.models.index(sheet.baseline)
    reference = _png(sheets, cells[base], places[base])
    base_seconds = CellResult(index, sheet.baseline, cells[base], places[base]).seconds
    found = []
    for column, (model, cell, place) in enumerate(zip(sheet.models, cells, places, strict=True)):
        similarity, speed, is_base = None, None, column == base
        seconds = CellResult(index, model, cell, place).seconds
        if not is_base:
            png = None if reference is None else _png(sheets, cell, place)
            if png is not None and reference is not None:
                similarity = cache.pair(column, png, reference).similarity
            speed = base_seconds / seconds if base_seconds and seconds else None
        checked = check(sheet.rows[index].assertions, cell, similarity, reference is not None, is_base)
        found.append(CellResult(index, model, cell, place, speed, similarity, checked))
    return RowResult(index, sheet.rows[index], tuple(found))


def _png(sheets: Sheets, cell: Cell | None, place: Place | None) -> bytes | None:
    """The picture of a cell that may be shown; None without one, or if its file is missing."""
    if cell is None or place is None or not cell.shown:
        return None
    try:
        return sheets.picture(place)
    except DemoError:
        return None


def _model(record: SheetRecord, rows: list[RowResult], column: int) -> ModelResult:
    base = record.sheet.models.index(record.sheet.baseline)
    cells = [row.cells[column] for row in rows]
    outcomes: dict[str, int] = {}
    for cell in cells:
        outcomes[cell.outcome] = outcomes.get(cell.outcome, 0) + 1
    timed = [cell for cell in cells if cell.seconds]
    warm = [cell for cell in timed if not cell.cold] or timed
    seconds = [cell.seconds for cell in warm if cell.seconds]
    alike = [cell.similarity for cell in cells if cell.similarity is not None]
    return ModelResult(
        record.sheet.models[column],
        outcomes,
        median_estimate(seconds) if seconds else None,
        None if column == base else _speed([(row.cells[base], row.cells[column]) for row in rows]),
        median(one.psnr for one in alike) if alike else None,
        median(one.ssim for one in alike) if alike else None,
        median(one.haarpsi for one in alike) if alike else None,
        sum(len(cell.failures) for cell in cells),
    )


def _speed(pairs: list[tuple[CellResult, CellResult]]) -> Estimate | None:
    """How many times as fast the second cells are, row by row."""
    timed = [(base, own) for base, own in pairs if base.seconds and own.seconds]
    warm = [(base, own) for base, own in timed if not (base.cold or own.cold)] or timed
    if not warm:
        return None
    return ratio_estimate([base.seconds or 0.0 for base, _ in warm], [own.seconds or 0.0 for _, own in warm])


def _machine(environment: Mapping[str, Any]) -> str:
    """What tells two machines or engines apart."""
    processor = environment.get("cpu") or {}
    facts = [environment.get(name) for name in ("demo_version", "platform", "engine", "precision", "packages")]
    return repr([processor.get("name"), processor.get("count"), *facts])


def finished(results: SheetResults) -> bool:
    """Whether every cell has an end."""
    return results.count(NOT_DRAWN) == 0


def failed(results: SheetResults) -> int:
    """How many cells ended without a verdict."""
    return results.count(*(phase.value for phase in (Phase.FAILED, Phase.CANCELLED, Phase.INTERRUPTED)))
