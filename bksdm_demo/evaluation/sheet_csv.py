"""A sheet's results as CSV (RFC 4180): a row per cell with its request, outcome, times and similarity to the baseline.

As reports/csv_report.py writes comparisons: UTF-8 with a byte order mark, and no text that a spreadsheet would run.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from bksdm_demo.evaluation.sheet_results import CellResult, RowResult, SheetResults
from bksdm_demo.languages import ENGLISH, speaking
from bksdm_demo.parameters.result_json import request_report, seconds_report
from bksdm_demo.reports.csv_report import harmless
from bksdm_demo.wording.timing import PHASES, timings_of

BEFORE = ("row", "label", "category")
AFTER = (
    "model",
    "name",
    "outcome",
    "message",
    "file",
    "width",
    "height",
    "drawing_seconds",
    *(f"{phase}_seconds" for phase in PHASES),
    "cold",
    "baseline",
    "times_as_fast_as_baseline",
    "psnr_db_to_baseline",
    "ssim_to_baseline",
    "haarpsi_to_baseline",
    "assertions_failed",
    "engine",
    "comparison",
)


@speaking(ENGLISH)
def write_sheet_csv(results: SheetResults, stream: BinaryIO, files: Mapping[tuple[int, str], str]) -> None:
    """Write the table. `files` are the names of picture files beside it, by row and model. A missing value is empty."""
    rows = list(_rows(results, files))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    stream.write(text.getvalue().encode("utf-8-sig", "replace"))


def _rows(results: SheetResults, files: Mapping[tuple[int, str], str]) -> Iterator[dict[str, Any]]:
    for row in results.rows:
        shared = {
            "row": row.index + 1,
            "label": row.row.label,
            "category": row.row.category,
            **request_report(row.row.request),
        }
        for cell in row.cells:
            record = {**shared, **dict.fromkeys(AFTER), **_cell(results, row, cell, files.get((row.index, cell.model)))}
            yield {name: _field(value) for name, value in record.items()}


def _cell(results: SheetResults, row: RowResult, cell: CellResult, file: str | None) -> dict[str, Any]:
    base, similarity = results.record.sheet.baseline, cell.similarity
    result = None if cell.cell is None else cell.cell.result
    timings = None if cell.cell is None else timings_of(cell.cell)
    height, width = (result and result.size) or (None, None)
    phases = {} if timings is None else seconds_report(timings)
    return {
        "model": cell.model,
        "name": results.names[cell.model],
        "outcome": cell.outcome,
        "message": cell.cell.message if cell.cell is not None else None,
        "file": file,
        "width": width,
        "height": height,
        "drawing_seconds": cell.seconds and round(cell.seconds, 6),
        **{f"{phase}_seconds": phases.get(phase) for phase in PHASES},
        "cold": cell.cold if timings is not None else None,
        "baseline": base,
        "times_as_fast_as_baseline": cell.speed and round(cell.speed, 4),
        "psnr_db_to_baseline": similarity and round(similarity.psnr, 4),
        "ssim_to_baseline": similarity and round(similarity.ssim, 6),
        "haarpsi_to_baseline": similarity and round(similarity.haarpsi, 6),
        "assertions_failed": "; ".join(failure.name for failure in cell.failures),
        "engine": result and result.engine,
        "comparison": cell.place and cell.place.job,
    }


def _field(value: Any) -> Any:
    """Numbers as they are, booleans as yes or no, None as an empty field, and text made harmless."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if value is None or isinstance(value, (int, float)) else harmless(str(value))
