"""Gaps of rows are filled as everywhere, every field of Request can be a column, and errors name the row."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation.assertions import Assertions
from bksdm_demo.evaluation.sheet_draft import Draft
from bksdm_demo.evaluation.sheet_reader import read_sheet
from bksdm_demo.evaluation.sheet_values import field_of, value_of
from bksdm_demo.library.catalog import EMBEDDED
from bksdm_demo.parameters.links import NAMES
from bksdm_demo.records import Request

EMOJI = EMBEDDED[0]


def test_every_setting_is_a_column_by_its_own_name_and_its_name_in_a_link() -> None:
    for field in fields(Request):
        assert field_of(field.name) == field.name
        assert value_of(field.name, getattr(Request("a"), field.name)) == getattr(Request("a"), field.name)
    assert {field_of(short) for short in NAMES.values()} <= {field.name for field in fields(Request)}


def test_a_row_says_every_setting() -> None:
    header = "prompt,negative,seed,steps,guidance,scheduler,generator,label,category,max_seconds,min_psnr"
    (row,) = read_sheet(f"{header}\na,b,4,5,6,Euler a,torch,L,C,7,30").complete(["m"]).rows
    assert row.request == Request("a", "b", 4, 5, 6.0, "euler-ancestral", "torch")
    assert (row.label, row.category) == ("L", "C")
    assert row.assertions == Assertions(max_seconds=7.0, min_psnr_to_baseline=30.0)


def test_gaps_are_filled_with_the_recommendation_and_seed_0() -> None:
    (row,) = read_sheet("a").complete(["m"], EMOJI).rows
    assert row.request == Request("a", seed=0, steps=20, guidance_scale=EMOJI.guidance_scale)


def test_assertions_of_a_row_win_over_the_sheets_and_the_callers_over_both() -> None:
    draft = read_sheet('{"assertions": {"max_seconds": 5}, "rows": ["a", {"prompt": "b", "max_seconds": 9}]}')
    made = draft.complete(["m"])
    assert [row.assertions.max_seconds for row in made.rows] == [5, 9]
    made = draft.complete(["m"], limits={"max_seconds": "3", "not_blocked": "yes"})
    assert [row.assertions.max_seconds for row in made.rows] == [3.0, 9]
    assert all(row.assertions.not_blocked for row in made.rows)


def test_models_and_baseline_are_the_files_unless_given() -> None:
    draft = replace(read_sheet("a"), models=("x", "y"), baseline="y")
    assert (draft.complete().models, draft.complete().baseline) == (("x", "y"), "y")
    assert draft.complete(["z"], baseline="z").models == ("z",)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("prompt,steps\na,5\nb,999", r"Row 2 \(line 3\): steps is 999"),
        ("prompt,seed\na,x", r"Row 1 \(line 2\): seed must be a whole number, not 'x'"),
        ("steps\n5", r"Row 1 \(line 2\): It has no prompt"),
        ("prompt,max_seconds\na,fast", r"Row 1 \(line 2\): max_seconds is 'fast'"),
        ('[{"prompt": 3}]', "Row 1: prompt must be text"),
        ('[{"prompt": "a", "steps": 5.5}]', "Row 1: steps must be a whole number"),
    ],
)
def test_a_wrong_value_is_named_with_its_row(text: str, word: str) -> None:
    with pytest.raises(RequestError, match=word):
        read_sheet(text).complete(["m"])


@pytest.mark.parametrize(
    ("draft", "models", "baseline", "word"),
    [
        (Draft(), ["m"], "", "no row"),
        (read_sheet("a"), [], "", "at least one model"),
        (read_sheet("a"), ["m"], "n", "baseline 'n'"),
        (read_sheet("a\n" * 1000), [str(number) for number in range(9)], "", "9,000 pictures"),
    ],
)
def test_a_sheet_needs_rows_models_and_a_baseline_among_them(
    draft: Draft, models: list[str], baseline: str, word: str
) -> None:
    with pytest.raises(RequestError, match=word):
        draft.complete(models, baseline=baseline)
