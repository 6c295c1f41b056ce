"""Axes of a sheet: "steps 5, 10, 20", "seeds 1..8", "guidance 1..9 by 2", "scheduler all", "prompt a cat | a dog".

An axis is a field of Request and its values. Every row of a sheet is repeated for each value, and several axes
multiply. Values stand between commas; texts, in which a comma separates nothing, stand between bars.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation.sheet import ROWS_LIMIT
from bksdm_demo.evaluation.sheet_values import (
    CHOICES,
    FIELDS,
    DraftRow,
    field_of,
    holds_several,
    is_text,
    value_of,
)
from bksdm_demo.records import Request

COUNT = r"[+-]?\d+(?:\.\d+)?"
RANGE = re.compile(rf"(?P<first>{COUNT})\s*(?:\.\.|…)\s*(?P<last>{COUNT})(?:\s*by\s*(?P<by>{COUNT}))?")
SECOND = "|".join(name.partition("_")[2] for name in FIELDS if "_" in name)  # words, as in "guidance scale"
NAME = rf"[A-Za-z][A-Za-z_-]*(?:[ -](?:{SECOND})s?)?"
HEAD = re.compile(rf"\s*(?P<name>{NAME})(?:\s*[:=]|\s)\s*(?P<values>.+)", re.DOTALL)
EXAMPLES = "Write one as “steps 5, 10, 20”, “seeds 1..8”, “scheduler all” or “prompt a cat | a dog”."


@dataclass(frozen=True)
class Axis:
    """The values of one field, at least one, each once."""

    field: str
    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(dict.fromkeys(self.values)))
        if self.field not in FIELDS:
            raise RequestError(f"{self.field[:60]!r} is no setting that an axis can change. {EXAMPLES}")
        if not self.values:
            raise RequestError(f"The axis {self.field!r} has no value. {EXAMPLES}")
        if len(self.values) > ROWS_LIMIT:
            raise RequestError(f"The axis {self.field!r} has more than {ROWS_LIMIT:,} values, which no sheet takes.")
        for value in self.values:
            Request(**({"prompt": "any"} | {self.field: value}))


def read_axis(text: str) -> Axis:
    """The axis of a line. Raises RequestError with the forms that an axis has."""
    match = HEAD.fullmatch(text)
    if match is None:
        raise RequestError(f"The axis {text.strip()[:60]!r} cannot be read. {EXAMPLES}")
    field = _field(match["name"])
    return Axis(field, tuple(_values(field, match["values"].strip())))


def read_axes(text: str) -> tuple[Axis, ...]:
    """One axis per line or between semicolons. Raises RequestError as `read_axis` does."""
    lines = [line for line in re.split(r"[\n;]", text) if line.strip()]
    return distinct([read_axis(line) for line in lines])


def axes_of(given: Any) -> tuple[Axis, ...]:
    """The axes of a JSON or YAML value: a mapping of a field to its values, or a list of lines."""
    if isinstance(given, Mapping):
        return distinct([_listed(str(name), values) for name, values in given.items()])
    if isinstance(given, str):
        return read_axes(given)
    if isinstance(given, list) and all(isinstance(line, str) for line in given):
        return distinct([read_axis(line) for line in given])
    raise RequestError(f"axes must be a list of lines, or a field with its values. {EXAMPLES}")


def distinct(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """The axes. Raises RequestError if two change the same field."""
    named = [axis.field for axis in axes]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise RequestError(f"Two axes change {twice}; put all its values into one.")
    return tuple(axes)


def multiplied(rows: Sequence[DraftRow], axes: Sequence[Axis]) -> list[DraftRow]:
    """Every row with every combination of values; the last axis changes fastest. Without rows the axes make them.

    Raises RequestError where a row states a field that an axis changes, and for too many rows.
    """
    rows = rows or ([DraftRow("The sheet", {})] if axes else [])
    for row in rows:
        stated = next((axis.field for axis in axes if axis.field in row.values), None)
        if stated is not None:
            raise RequestError(f"{row.where} states {stated}, and so does an axis. Leave one of them out.")
    count = len(rows)
    for axis in axes:
        count *= len(axis.values)
    if count > ROWS_LIMIT:
        raise RequestError(f"The axes make {count:,} rows of {len(rows)}; a sheet takes at most {ROWS_LIMIT:,}.")
    names = [axis.field for axis in axes]
    combinations = [dict(zip(names, values, strict=True)) for values in product(*(axis.values for axis in axes))]
    return [DraftRow(row.where, {**row.values, **values}) for row in rows for values in combinations]


def _field(name: str) -> str:
    try:
        field = field_of(name)
    except RequestError:
        field = ""
    if field not in FIELDS:
        raise RequestError(f"{name[:60]!r} is no setting that an axis can change. {EXAMPLES}")
    return field


def _listed(name: str, values: Any) -> Axis:
    field = _field(name)
    if isinstance(values, str):
        return Axis(field, tuple(_values(field, values)))
    listed = values if isinstance(values, list) else [values]
    return Axis(field, tuple(value_of(field, value) for value in listed))


def _values(field: str, text: str) -> list[Any]:
    if field in CHOICES and text.lower() == "all":
        return list(CHOICES[field])
    if is_text(field):
        return [value_of(field, word.strip()) for word in text.split("|") if word.strip()]
    separator = r"\|" if holds_several(field) else ","
    found: list[Any] = []
    for word in filter(None, map(str.strip, re.split(separator, text))):
        span = None if holds_several(field) else RANGE.fullmatch(word)
        found += [value_of(field, word)] if span is None else _span(field, span)
    return found


def _span(field: str, span: re.Match[str]) -> list[Any]:
    """The values from the first to the last, both included, in steps of 1 or of what `by` says."""
    first, last, by = (float(span[name] or 1) for name in ("first", "last", "by"))
    if by <= 0 or last < first or (last - first) / by >= ROWS_LIMIT:
        raise RequestError(f"The span {span[0]!r} of {field} must rise, with at most {ROWS_LIMIT:,} values.")
    whole = all("." not in (span[name] or "") for name in ("first", "last", "by"))
    values = [first + index * by for index in range(int((last - first) / by + 1e-9) + 1)]
    return [value_of(field, int(value) if whole else round(value, 9)) for value in values]
