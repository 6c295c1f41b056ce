"""A sheet's record as JSON text and back. Reading trusts nothing: a value of the wrong kind refuses the record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bksdm_demo.errors import DemoError
from bksdm_demo.evaluation.assertions import Assertions
from bksdm_demo.evaluation.sheet import Marked, Place, Places, Row, Sheet, SheetRecord
from bksdm_demo.records import Phase, Request

SCHEMA = "bksdm-demo/sheet"
SCHEMA_VERSION = 1
OUTCOMES = ("", *(phase.value for phase in Phase if phase.final))
UNREADABLE = (ValueError, LookupError, TypeError, RecursionError, DemoError)


def record_text(record: SheetRecord) -> str:
    """The whole record."""
    sheet = record.sheet
    return json.dumps(
        {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "id": record.id,
            "created": record.created,
            "owner": record.owner,
            "marked": record.marked.value,
            "name": sheet.name,
            "models": sheet.models,
            "baseline": sheet.baseline,
            "rows": [_row(row) for row in sheet.rows],
            "places": [[None if place is None else asdict(place) for place in row] for row in record.places],
        },
        separators=(",", ":"),
    )


def read_record(text: str) -> SheetRecord:
    """The record from `record_text`. Raises one of UNREADABLE for anything else."""
    read = json.loads(text)
    if read["schema"] != SCHEMA or read["schema_version"] > SCHEMA_VERSION:
        raise ValueError("another program, or a later version of this one, wrote it")
    sheet = Sheet(
        tuple(_read_row(row) for row in read["rows"]),
        tuple(_string(model) for model in read["models"]),
        _string(read["baseline"]),
        _string(read["name"]),
    )
    places: Places = tuple(tuple(_read_place(place) for place in row) for row in read["places"])
    if [len(row) for row in places] != [len(sheet.models)] * len(sheet.rows):
        raise ValueError("its places do not fit its rows and models")
    marked = Marked(read.get("marked", ""))
    return SheetRecord(_string(read["id"]), sheet, places, float(read["created"]), _string(read["owner"]), marked)


def _row(row: Row) -> dict[str, Any]:
    record = {
        "request": asdict(row.request),
        "label": row.label,
        "category": row.category,
        "assertions": row.assertions.report(),
    }
    return {name: value for name, value in record.items() if value}


def _read_row(read: Mapping[str, Any]) -> Row:
    values: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in read["request"].items()}
    return Row(
        Request(**values),
        _string(read.get("label", "")),
        _string(read.get("category", "")),
        Assertions(**read.get("assertions", {})),
    )


def _read_place(read: Mapping[str, Any] | None) -> Place | None:
    if read is None:
        return None
    index, outcome = read["index"], read["outcome"]
    if isinstance(index, bool) or not isinstance(index, int) or index < 0 or outcome not in OUTCOMES:
        raise ValueError("a place has no index, or an unknown outcome")
    return Place(_string(read["key"]), _string(read["job"]), index, outcome)


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value
