"""A sheet of a text, axes and models, and its state as data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bksdm_demo.errors import ModelUnavailableError, RequestError
from bksdm_demo.evaluation.sheet_order import read_order, sheet_state
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.runs.fairness import NOBODY
from tests.fakes import FAMILY, fake_comparisons

MODELS = list(FAMILY[:2])


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sheets]:
    service = fake_comparisons(Path(tmp_path_factory.mktemp("orders")))
    with closing(service), closing(Sheets(service)) as found:
        yield found


def test_the_axes_multiply_the_rows_and_the_first_model_recommends(sheets: Sheets) -> None:
    made = read_order(sheets, "red apple\nblue car", "steps 5, 10", MODELS, 8)
    assert [(row.request.prompt, row.request.steps) for row in made.rows] == [
        (prompt, steps) for prompt in ("red apple", "blue car") for steps in (5, 10)
    ]
    assert {row.request.guidance_scale for row in made.rows} == {3.0}
    with pytest.raises(RequestError, match="at most 7 pictures"):
        read_order(sheets, "red apple\nblue car", "steps 5, 10", MODELS, 7)


def test_the_rows_may_come_from_the_axes_and_the_models_from_the_text(sheets: Sheets) -> None:
    assert [row.request.prompt for row in read_order(sheets, " ", "prompt a | b", MODELS, 9).rows] == ["a", "b"]
    named = f'{{"rows": ["a"], "models": ["{MODELS[1]}"]}}'
    assert read_order(sheets, named, "", [], 9).models == (MODELS[1],)
    with pytest.raises(ModelUnavailableError, match="nothing"):
        read_order(sheets, "a", "", ["nothing"], 9)


def test_the_state_counts_what_is_drawn_and_what_is_missing(sheets: Sheets) -> None:
    record = sheets.create(read_order(sheets, "red apple", "", MODELS, 9))
    before = sheet_state(sheets, record.id, "")
    assert (before["state"], before["outcomes"], before["missing"], before["files"]) == ("ended", {}, 2, None)
    sheets.run(record.id, NOBODY)
    after = sheet_state(sheets, record.id, "http://page/")
    assert (after["outcomes"], after["missing"]) == ({"done": 2}, 0)
    assert after["url"] == f"http://page/?sheet={record.id}"
    assert after["files"]["csv"] == f"http://page/sheets/{record.id}.csv"
