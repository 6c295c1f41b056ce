"""A sheet's results as JSON, for programs: models, rows with their requests, and each picture's outcome and numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

from bksdm_demo.evaluation.sheet_results import CellResult, ModelResult, RowResult, SheetResults
from bksdm_demo.intervals import Estimate
from bksdm_demo.languages import ENGLISH, speaking
from bksdm_demo.parameters.result_json import request_report, seconds_report, timestamp
from bksdm_demo.reports.similarity import Similarity
from bksdm_demo.wording.timing import timings_of

SCHEMA = "bksdm-demo/sheet-results"
SCHEMA_VERSION = 1

Files = Mapping[tuple[int, str], str]  # names of picture files, by row and model


@speaking(ENGLISH)
def write_sheet_json(results: SheetResults, stream: BinaryIO, files: Files) -> None:
    """Write the document, row by row. `files` are the names of picture files beside it. A missing value is null."""
    head = json.dumps(_head(results), indent=2, allow_nan=False)
    stream.write(head.removesuffix("\n}").encode() + b',\n  "rows": [\n')
    for row in results.rows:
        text = json.dumps(_row(results, row, files), allow_nan=False)
        stream.write(f"    {text}{',' if row is not results.rows[-1] else ''}\n".encode())
    stream.write(b"  ]\n}\n")


def _head(results: SheetResults) -> dict[str, Any]:
    record = results.record
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "id": record.id,
        "name": record.sheet.name,
        "created": timestamp(record.created),
        "baseline": record.sheet.baseline,
        "models": [_model(results, model) for model in results.models],
        "environments": [dict(environment) for environment in results.environments],
    }


def _model(results: SheetResults, model: ModelResult) -> dict[str, Any]:
    return {
        "model": model.model,
        "name": results.names[model.model],
        "outcomes": dict(model.outcomes),
        "drawing_seconds": _estimate(model.seconds),
        "times_as_fast_as_baseline": _estimate(model.speed),
        "psnr_db_to_baseline": _finite(model.psnr),
        "ssim_to_baseline": model.ssim,
        "haarpsi_to_baseline": model.haarpsi,
        "assertions_failed": model.failures,
    }


def _row(results: SheetResults, row: RowResult, files: Files) -> dict[str, Any]:
    return {
        "row": row.index + 1,
        "label": row.row.label,
        "category": row.row.category,
        "request": request_report(row.row.request),
        "pictures": [_cell(cell, files.get((row.index, cell.model))) for cell in row.cells],
    }


def _cell(cell: CellResult, file: str | None) -> dict[str, Any]:
    timings = None if cell.cell is None else timings_of(cell.cell)
    return {
        "model": cell.model,
        "outcome": cell.outcome,
        "message": cell.cell.message if cell.cell is not None else "",
        "file": file,
        "comparison": cell.place and cell.place.job,
        "seconds": None if timings is None else seconds_report(timings),
        "drawing_seconds": cell.seconds,
        "cold": None if timings is None else cell.cold,
        "times_as_fast_as_baseline": cell.speed,
        "to_baseline": _similarity(cell.similarity),
        "assertions": {one.name: {"answer": one.answer.value, "sentence": one.sentence} for one in cell.checked},
    }


def _similarity(similarity: Similarity | None) -> dict[str, Any] | None:
    """The three numbers; PSNR of equal pictures is infinite, which JSON cannot say, so it is null."""
    if similarity is None:
        return None
    return {
        "identical": similarity.identical,
        "psnr_db": _finite(similarity.psnr),
        "ssim": similarity.ssim,
        "haarpsi": similarity.haarpsi,
    }


def _estimate(found: Estimate | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"median": found.value, "low": found.low, "high": found.high, "count": found.count}


def _finite(value: float | None) -> float | None:
    return None if value is None or value == float("inf") else value
