"""What a sheet found, over the fake family: similarities, speeds, assertions, and what a report of it counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bksdm_demo.evaluation.assertions import Answer
from bksdm_demo.evaluation.sheet_results import NOT_DRAWN, SheetResults, failed, gather_results
from bksdm_demo.evaluation.sheet_view import (
    models_table,
    row_facts,
    shared_settings,
    sheet_view,
    speed_words,
    status_words,
)
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.intervals import Estimate
from bksdm_demo.parameters.png_writer import decode_png
from bksdm_demo.records import Request
from bksdm_demo.reports.similarity import compare_pictures
from tests.evaluation.sheet_material import BASE, HOSTILE, SMALL, TINY, finished_sheet


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sheets, SheetResults]]:
    with finished_sheet(tmp_path_factory.mktemp("sheet")) as found:
        yield found


def test_outcomes_are_counted(made: tuple[Sheets, SheetResults]) -> None:
    _, results = made
    assert [model.outcomes for model in results.models] == [
        {"done": 2, "blocked": 1},
        {"failed": 3},
        {"done": 2, "blocked": 1},
    ]
    assert (failed(results), results.count("done"), results.count(NOT_DRAWN)) == (3, 4, 0)


def test_pictures_are_compared_with_the_baselines_of_their_row(made: tuple[Sheets, SheetResults]) -> None:
    sheets, results = made
    base, small, tiny = results.rows[0].cells
    assert base.place is not None
    assert tiny.place is not None
    pixels = [decode_png(sheets.picture(place)) for place in (tiny.place, base.place)]
    assert tiny.similarity == compare_pictures(pixels[0], pixels[1])
    assert base.similarity is small.similarity is None
    assert results.rows[0].difference == pytest.approx(1 - tiny.similarity.haarpsi)
    assert results.rows[1].difference == 0.0  # both are blocked


def test_speed_is_the_baselines_time_over_the_own(made: tuple[Sheets, SheetResults]) -> None:
    base, small, tiny = made[1].rows[0].cells
    assert base.seconds is not None
    assert tiny.seconds is not None
    assert tiny.speed == pytest.approx(base.seconds / tiny.seconds)
    assert small.speed is None
    assert base.speed is None


def test_rows_with_a_fresh_model_do_not_count_in_the_speed(made: tuple[Sheets, SheetResults]) -> None:
    _, results = made
    assert [row.cells[2].cold for row in results.rows] == [True, False, False]
    assert results.models[2].speed is not None
    assert results.models[2].speed.count == 2
    assert results.models[2].seconds is not None
    assert results.models[2].seconds.count == 2


def test_assertions_hold_fail_or_cannot_be_checked(made: tuple[Sheets, SheetResults]) -> None:
    answers = [[[str(one.answer) for one in cell.checked] for cell in row.cells] for row in made[1].rows]
    holds, fails, unknown = str(Answer.HOLDS), str(Answer.FAILS), str(Answer.UNKNOWN)
    assert answers == [
        [[holds, holds], [unknown, unknown], [holds, holds]],
        [[fails], [unknown], [fails]],
        [[], [unknown], [fails]],  # 90 dB apart from the baseline
    ]
    assert made[1].failures == 3


def test_another_baseline_compares_anew(made: tuple[Sheets, SheetResults]) -> None:
    sheets, results = made
    record = replace(results.record, sheet=results.record.sheet.with_baseline(TINY))
    turned = gather_results(sheets, record)
    assert turned.rows[0].cells[2].similarity is None
    assert turned.rows[0].cells[0].similarity is not None
    none = gather_results(sheets, replace(record, sheet=record.sheet.with_baseline(SMALL)))
    assert not any(cell.similarity or cell.speed for row in none.rows for cell in row.cells)


def test_a_cell_that_is_gone_is_not_drawn(made: tuple[Sheets, SheetResults]) -> None:
    sheets, results = made
    place = results.record.places[0][0]
    assert place is not None
    lost = results.record.placed(0, (replace(place, job="gone"), None, replace(place, index=99)))
    assert [cell.outcome for cell in gather_results(sheets, lost).rows[0].cells] == [NOT_DRAWN] * 3


# --- In words ---------------------------------------------------------------------------------------------------------


def test_the_status_names_all_outcomes(made: tuple[Sheets, SheetResults]) -> None:
    assert status_words(made[1]) == "4 pictures, 2 blocked, 3 failed, 3 assertions fail"


def test_the_table_of_models(made: tuple[Sheets, SheetResults]) -> None:
    table = models_table(made[1])
    assert table.heads[-1] == "Assertions"
    assert [row[:4] for row in table.rows] == [
        ("Emoji Base", "2", "1", "0"),
        ("Emoji Small", "0", "0", "3"),
        ("Emoji Tiny", "2", "1", "0"),
    ]
    assert table.rows[0][5] == "baseline"
    assert table.rows[1][4:9] == ("–",) * 5
    assert table.rows[2][9] == "2 fail"


def test_a_speed_has_its_interval_or_says_how_few_rows_it_has() -> None:
    assert speed_words(Estimate(1.421, 1.38, 1.469, 9)) == "1.42× (1.38× to 1.47×)"
    assert speed_words(Estimate(1.421, None, None, 1)) == "1.42×, one row"
    assert speed_words(Estimate(1.421, None, None, 3)) == "1.42×, 3 rows"
    assert speed_words(None) == "–"


def test_settings_that_all_rows_share_are_said_once() -> None:
    requests = [Request("a", seed=1, steps=5), Request("b", seed=2, steps=5)]
    shared = shared_settings(requests)
    assert shared == {"negative_prompt", "steps", "guidance_scale", "scheduler", "generator"} | (
        shared & set(Request.__dataclass_fields__) - {"seed", "prompt"}
    )
    assert row_facts(requests[1], shared) == (("Seed", "2"),)


def test_rows_can_be_found_and_sorted(made: tuple[Sheets, SheetResults]) -> None:
    view = sheet_view(made[1])
    assert [row.outcomes.split()[0] for row in view.rows] == ["done", "blocked", "done"]
    assert "failed" in view.rows[0].outcomes
    assert "differs" in view.rows[0].outcomes
    assert "assertion" in view.rows[2].outcomes
    assert [value for value, _ in view.outcomes] == ["blocked", "failed", "assertion", "differs"]
    assert "fruit" in view.rows[0].words
    assert HOSTILE.casefold() in view.rows[2].words
    assert view.categories == ("food", "things")
    assert view.rows[1].difference == 0.0
    assert {BASE, SMALL, TINY} == set(made[1].names)
