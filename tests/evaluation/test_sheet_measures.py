"""Filters and orders of a sheet's rows by what was measured, and measuring in the background over the fake family."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from bksdm_demo.evaluation.sheet import Place, SheetRecord
from bksdm_demo.evaluation.sheet_measures import CellMeasure, Wanted, measures_of, wanted_rows
from bksdm_demo.evaluation.sheet_reader import read_sheet
from tests.evaluation.sheet_material import SMALL, TINY, finished_sheet

OUTCOMES = (("done", "done"), ("blocked", "done"), ("done", "failed"), ("done", ""))
RECORD = SheetRecord(
    "sheet-1234",
    read_sheet("a\nb\nc\nd").complete(["x", "y"]),
    tuple(tuple(Place("k", "j", 0, outcome) for outcome in row) for row in OUTCOMES),
)
NONE = CellMeasure(None, None, None)
BASE = CellMeasure(1.0, None, None)
MEASURES = (
    (BASE, CellMeasure(2.0, 0.5, 0.9)),
    (NONE, NONE),
    (replace(BASE, seconds=9.0), replace(NONE, broken=True)),
    (BASE, CellMeasure(0.5, 2.0, 0.4)),
)


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        (Wanted(), [0, 1, 2, 3]),
        (Wanted("blocked"), [1]),
        (Wanted("blocked", model="y"), []),
        (Wanted("failed"), [2, 3]),
        (Wanted("failed", model="x"), []),
        (Wanted("differs"), [0, 3]),
        (Wanted("assertion"), [2]),
        (Wanted(sort="difference"), [3, 0, 1, 2]),
        (Wanted(sort="slow"), [2, 0, 3, 1]),
        (Wanted(sort="slow", model="y"), [0, 3, 1, 2]),
        (Wanted(sort="speed"), [0, 3, 1, 2]),
        (Wanted("differs", "difference"), [3, 0]),
    ],
)
def test_rows_are_chosen_and_ordered(wanted: Wanted, rows: list[int]) -> None:
    assert wanted_rows(RECORD, MEASURES, wanted) == rows


def test_without_measures_only_outcomes_filter() -> None:
    assert wanted_rows(RECORD, None, Wanted("differs", "difference")) == [0, 1, 2, 3]
    assert wanted_rows(RECORD, None, Wanted("failed")) == [2, 3]
    assert wanted_rows(RECORD, None, Wanted("failed"), running=True) == [2]


def test_a_sheet_is_measured_in_the_background_once(tmp_path: Path) -> None:
    with finished_sheet(tmp_path) as (sheets, results):
        measures = measures_of(sheets)
        assert measures is measures_of(sheets)
        assert measures.get(results.record, ask=False) is None
        assert measures.ready(results.record.id) is None
        while (found := measures.get(results.record)) is None:
            time.sleep(0.01)
        while measures.ready(results.record.id) is not None:
            time.sleep(0.01)
        tiny = results.rows[0].cells[2]
        assert tiny.similarity is not None
        assert found[0][2] == CellMeasure(tiny.seconds, tiny.speed, tiny.similarity.haarpsi)
        assert (found[2][2].broken, found[0][1]) == (True, NONE)
        other = replace(results.record, sheet=results.record.sheet.with_baseline(TINY))
        assert measures.get(other, ask=False) is None
        assert results.record.sheet.models[1] == SMALL
