"""Reads sheets: CSV, cells copied from a spreadsheet, JSON, YAML, or a prompt per line.

    prompt,steps,label            - prompt: a red apple          {"models": ["emoji-tiny"], "axes": ["seeds 1..4"],
    a red apple,20,fruit            steps: 20                     "assertions": {"max_seconds": 5}, "rows": [...]}

A table needs a heading for each column; sheet_values.py has their names. JSON and YAML hold a list of rows, or an
object with `rows` and the other entries of WHOLE. An error says which row and which column. No file can do more than
take its own size in memory: YAML's references are refused, and its tags make no objects.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import yaml

from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation.assertions import NAMES as ASSERTIONS
from bksdm_demo.evaluation.axes import axes_of
from bksdm_demo.evaluation.sheet import ROWS_LIMIT
from bksdm_demo.evaluation.sheet_draft import Draft
from bksdm_demo.evaluation.sheet_values import ABOUT_ROWS, FIELDS, DraftRow, field_of, value_of

BYTES_LIMIT = 4 * 2**20
DELIMITERS = (",", ";", "\t")
WHOLE = ("name", "models", "baseline", "axes", "assertions", "defaults", "rows", "prompts")
LINES, TABLE, JSON, YAML = "lines", "table", "json", "yaml"
SUFFIXES = {".csv": TABLE, ".tsv": TABLE, ".json": JSON, ".yaml": YAML, ".yml": YAML, ".txt": LINES}
NESTED = (RecursionError, MemoryError)


def read_sheet(data: bytes | str, file_name: str = "") -> Draft:
    """The sheet in a file or in a pasted text. The ending of the name decides the format, else the text itself.

    Raises RequestError with the row and the column of what cannot be read.
    """
    if len(data) > BYTES_LIMIT:
        raise RequestError(f"The sheet has {len(data):,} bytes; it may have at most {BYTES_LIMIT:,}.")
    text = _decoded(data) if isinstance(data, bytes) else data.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    if not text.strip():
        raise RequestError("The sheet is empty. Give it at least one prompt.")
    suffix = PurePath(file_name).suffix.lower()
    if file_name and suffix not in SUFFIXES:
        raise RequestError(
            f"{file_name[-80:]} is no sheet that can be read; name a file that ends in {', '.join(SUFFIXES)}."
        )
    kind = SUFFIXES.get(suffix) or _kind(text)
    draft = _READERS[kind](text)
    if len(draft.rows) > ROWS_LIMIT:
        raise RequestError(f"The sheet has {len(draft.rows):,} rows; it takes at most {ROWS_LIMIT:,}.")
    name = draft.name or PurePath(file_name).stem
    return Draft(draft.rows, name, draft.models, draft.baseline, draft.axes, draft.assertions)


def _decoded(data: bytes) -> str:
    """UTF-8, or UTF-16 with a byte order mark, which Excel calls Unicode text."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(
            f"The sheet holds bytes that are not UTF-8, at byte {error.start + 1:,}. Save it as UTF-8."
        ) from error


def _kind(text: str) -> str:
    """The format of a pasted text."""
    head = text.lstrip()
    first = head.splitlines()[0]
    if head[0] in "{[":
        return JSON
    entry, colon, _ = first.partition(":")
    if first.strip() in ("-", "---") or first.startswith("- ") or (colon and entry.strip() in WHOLE):
        return YAML
    headed = any(word.strip(' "').lower() in ("prompt", "prompts") for word in re.split(r"[,;\t]", first))
    return TABLE if headed or "\t" in first or _delimiter(first) is not None else LINES


# --- Prompts and tables ----------------------------------------------------------------------------------------------


def _read_lines(text: str) -> Draft:
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return Draft(tuple(DraftRow(f"Line {number}", {"prompt": line}) for number, line in lines))


def _delimiter(first: str) -> str | None:
    """The delimiter between headings that are all known and not only remarks; None if the line holds none."""
    for delimiter in DELIMITERS:
        try:
            found = [field_of(heading) for heading in next(csv.reader([first], delimiter=delimiter))]
        except (RequestError, csv.Error):
            continue
        if any(found):
            return delimiter
    return None


def _read_table(text: str) -> Draft:
    lines = text.lstrip("\r\n").splitlines(keepends=True)
    delimiter = _delimiter(lines[0]) or max(DELIMITERS, key=lines[0].count)
    try:
        return Draft(tuple(_table_rows(csv.reader(lines, delimiter=delimiter, strict=True))))
    except csv.Error as error:
        raise RequestError(f"The table cannot be read: {error}. Save it as CSV again.") from error


def _table_rows(table: Any) -> Iterator[DraftRow]:
    headings = next(table)
    while headings and not headings[-1].strip():
        headings.pop()
    try:
        fields = [field_of(heading) for heading in headings]
    except RequestError as error:
        raise RequestError(f"The first line must name the columns. {error}") from error
    twice = next((field for field in fields if field and fields.count(field) > 1), None)
    if twice is not None:
        raise RequestError(f"Two columns are called {twice}; keep one of them.")
    number = 0
    for cells in table:
        if not any(cell.strip() for cell in cells):
            continue
        number += 1
        where = f"Row {number} (line {table.line_num})"
        if any(cell.strip() for cell in cells[len(fields) :]):
            raise RequestError(
                f"{where} has more cells than the table has columns. Put a text with a delimiter in quotes."
            )
        yield DraftRow(where, _filled(zip(fields, cells, strict=False)))


def _filled(cells: Any) -> dict[str, Any]:
    """The cells that hold something, by their fields, as Request takes them."""
    return {
        field: value_of(field, text) if field in FIELDS else text.strip()
        for field, text in cells
        if field and text.strip()
    }


# --- JSON and YAML ---------------------------------------------------------------------------------------------------


class _PlainLoader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML without references: a few lines of them can stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("references (*) are not allowed")
        return super().compose_node(parent, index)


def _read_yaml(text: str) -> Draft:
    try:
        return _from_record(yaml.load(text, _PlainLoader))
    except yaml.YAMLError as error:
        raise RequestError(f"The sheet is no YAML that can be read: {' '.join(str(error).split())}.") from error
    except NESTED as error:
        raise RequestError("The sheet is nested too deep.") from error


def _read_json(text: str) -> Draft:
    try:
        return _from_record(json.loads(text))
    except json.JSONDecodeError as error:
        raise RequestError(
            f"The sheet is no JSON that can be read: {error.msg} in line {error.lineno}, column {error.colno}."
        ) from error
    except (ValueError, *NESTED) as error:  # a number of thousands of digits
        raise RequestError("The sheet holds a number that is too long, or is nested too deep.") from error


def _from_record(record: Any) -> Draft:
    if isinstance(record, list):
        return Draft(tuple(_entries(record, {})))
    if not isinstance(record, Mapping):
        raise RequestError("A sheet is a list of rows, or an object with rows.")
    unknown = [str(name) for name in record if name not in WHOLE]
    if unknown:
        raise RequestError(f"The sheet has an entry {unknown[0][:60]!r}; a sheet has {', '.join(WHOLE)}.")
    listed = [*_list(record, "rows"), *_list(record, "prompts")]
    limits, axes = record.get("assertions") or {}, record.get("axes")
    if not isinstance(limits, Mapping):
        raise RequestError(f"assertions must name limits: {', '.join(ASSERTIONS)}.")
    return Draft(
        tuple(_entries(listed, record.get("defaults") or {})),
        _text(record, "name"),
        _models(record.get("models")),
        _text(record, "baseline"),
        axes_of(axes) if axes else (),
        {str(name): value for name, value in limits.items()},
    )


def _entries(listed: Sequence[Any], defaults: Any) -> Iterator[DraftRow]:
    shared = _values("The defaults", defaults)
    for number, entry in enumerate(listed, 1):
        where = f"Row {number}"
        own = {"prompt": entry} if isinstance(entry, str) else _values(where, entry)
        yield DraftRow(where, {**shared, **own})


def _values(where: str, entry: Any) -> dict[str, Any]:
    """The entries of one row by the fields that they stand for; null is a gap."""
    if not isinstance(entry, Mapping):
        raise RequestError(f"{where} must be a prompt, or an object with a prompt.")
    found: dict[str, Any] = {}
    for name, value in entry.items():
        if name == "assertions" and isinstance(value, Mapping):
            found.update({str(limit): asked for limit, asked in value.items()})
            continue
        try:
            field = field_of(str(name))
        except RequestError as error:
            raise RequestError(f"{where}: {str(error).replace('column', 'entry', 1)}") from error
        if field and value is not None:
            found[field] = value_of(field, value) if field in FIELDS else value
    for name in ABOUT_ROWS:
        if name in found and not isinstance(found[name], (str, int, float)):
            raise RequestError(f"{where}: its {name} must be text.")
    return found


def _list(record: Mapping[str, Any], name: str) -> list[Any]:
    found = record.get(name) or []
    if not isinstance(found, list):
        raise RequestError(f"{name} must be a list.")
    return found


def _text(record: Mapping[str, Any], name: str) -> str:
    found = record.get(name) or ""
    if not isinstance(found, str):
        raise RequestError(f"{name} must be text, not {type(found).__name__}.")
    return found


def _models(given: Any) -> tuple[str, ...]:
    listed = given.split(",") if isinstance(given, str) else given or []
    if not isinstance(listed, list) or not all(isinstance(key, str) for key in listed):
        raise RequestError("models must be a list of keys, as `models` lists them.")
    return tuple(dict.fromkeys(key.strip() for key in listed if key.strip()))


_READERS = {LINES: _read_lines, TABLE: _read_table, JSON: _read_json, YAML: _read_yaml}
