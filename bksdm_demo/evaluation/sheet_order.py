"""What a front end needs of sheets: a sheet of a text, axes and models, and its state as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation.axes import read_axes
from bksdm_demo.evaluation.sheet import Sheet
from bksdm_demo.evaluation.sheet_reader import read_sheet
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.parameters.links import SHEET

PUBLIC_CELLS = 256  # of one sheet on a public page
TOO_MANY_CELLS = "This page draws sheets of at most {:,} pictures. Choose fewer rows or models."
KINDS = ("html", "zip", "csv", "json", "xml")  # of the files that a page gives of a sheet
PROMPTS_ONLY = "prompt"  # the heading of a sheet whose rows come from the axes


def read_order(sheets: Sheets, text: str, axes: str, models: Sequence[str], most_cells: int) -> Sheet:
    """The sheet of these rows, multiplied by the axes. Without `models` the text names them.

    Raises RequestError with what is wrong and where, ModelUnavailableError.
    """
    draft = read_sheet(text if text.strip() else PROMPTS_ONLY)
    keys = tuple(models) or draft.models
    system = sheets.comparisons.catalog.get(keys[0]) if keys else None
    made = draft.complete(keys, system, axes=read_axes(axes))
    if made.cells > most_cells:
        raise RequestError(TOO_MANY_CELLS.format(most_cells))
    return made


def sheet_state(sheets: Sheets, sheet_id: str, page: str) -> dict[str, Any]:
    """A sheet as plain data; `page` is the page's address, "" for none. Raises RequestError for an unknown id."""
    record, progress = sheets.get(sheet_id), sheets.progress(sheet_id)
    outcomes = record.outcomes
    return {
        "id": record.id,
        "url": f"{page}?{SHEET}={record.id}" if page else None,
        "state": "ended" if progress is None else "running",
        "problem": sheets.problem(sheet_id),
        "rows": len(record.sheet.rows),
        "models": list(record.sheet.models),
        "pictures": record.sheet.cells,
        "outcomes": {outcome: count for outcome, count in outcomes.items() if outcome},
        "missing": outcomes.get("", 0),
        "files": {kind: f"{page}sheets/{record.id}.{kind}" for kind in KINDS} if page else None,
    }
