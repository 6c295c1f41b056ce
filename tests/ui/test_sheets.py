"""The Sheets tab's handlers and markup over fakes: limits of a public page, owners, hostile texts, blocked pictures."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import pytest

from bksdm_demo.evaluation.sheet_reader import read_sheet
from bksdm_demo.evaluation.sheet_run import Progress
from bksdm_demo.evaluation.sheet_starters import STARTERS
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.runs.fairness import NOBODY
from bksdm_demo.store.contract import owner_digest
from bksdm_demo.ui.sheet_choice import Choice, read_choice
from bksdm_demo.ui.sheet_grid import ROWS, sheet_grid, sheet_list
from bksdm_demo.ui.sheet_routes import sheet_word
from bksdm_demo.ui.sheets import PUBLIC_CELLS, SheetHandlers, Shown
from bksdm_demo.ui.visitors import Visitors, Visits
from bksdm_demo.wording.outcomes import tone_of
from tests.fakes import BLOCKED_WORD, fake_comparisons

ME, YOU = "0123456789abcdef" * 2, "fedcba9876543210" * 2
MODELS = ["emoji-base", "emoji-tiny"]
HOSTILE = "<img src=x onerror=alert(1)> & \"'"


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sheets]:
    comparisons = fake_comparisons(tmp_path_factory.mktemp("site"))
    made = Sheets(comparisons)
    yield made
    made.close()
    comparisons.close()


def handlers(sheets: Sheets, own: bool = False) -> SheetHandlers:
    return SheetHandlers(sheets, Visits(Visitors(own), None, None))


def finished(sheets: Sheets, text: str, owner: str = "") -> str:
    record = sheets.create(read_sheet(text).complete(MODELS), owner)
    sheets.run(record.id, NOBODY)
    return record.id


def sent(value: Any) -> Any:
    """What an update changes."""
    return value.get("visible") if isinstance(value, dict) else value


def test_a_starter_sheet_fills_the_rows(sheets: Sheets) -> None:
    for name in STARTERS:
        assert handlers(sheets).choose(name).startswith("prompt,category")


def test_the_price_says_the_cost_or_what_is_wrong(sheets: Sheets) -> None:
    tab = handlers(sheets)
    assert "4 rows: 8 pictures, 24 U-Net evaluations" in tab.price("a new prompt", "seeds 1..4; steps 3", MODELS)
    assert "steps is 0" in tab.price("a", "steps 0", MODELS)
    assert "at least one model" in tab.price("a", "", [])
    assert "no model called" in tab.price("a", "", ["nobody"])
    assert tab.price(" ", "", MODELS) == ""
    assert "2 rows" in tab.price("", "prompt a | b", MODELS)


def test_a_public_page_limits_the_size(sheets: Sheets) -> None:
    axes = f"seeds 1..{PUBLIC_CELLS // 2 + 1}"
    assert f"at most {PUBLIC_CELLS} pictures" in handlers(sheets, own=True).price("a", axes, MODELS)
    assert "pictures" in handlers(sheets).price("a", axes, MODELS)
    refused = handlers(sheets, own=True).draw(ME, "a", axes, MODELS)
    assert f"at most {PUBLIC_CELLS}" in refused.notice
    assert sheets.records() == [] or all(record.sheet.cells <= PUBLIC_CELLS for record in sheets.records())


def test_only_its_owner_may_run_or_stop_a_sheet(sheets: Sheets) -> None:
    tab = handlers(sheets, own=True)
    sheet_id = finished(sheets, "not mine", owner_digest(ME))
    assert "Another visitor" in tab.go_on(YOU, sheet_id, 0, "").notice
    assert "Another visitor" in tab.stop(YOU, sheet_id)[0]
    shown = tab.open(YOU, sheet_id)
    assert (sent(shown.stop), sent(shown.go_on)) == (False, False)
    assert "not mine" in tab.open(ME, sheet_id).listed
    assert "not mine" not in shown.listed


def test_a_link_opens_a_sheet_and_a_job_comes_first(sheets: Sheets) -> None:
    tab, sheet_id = handlers(sheets), finished(sheets, "by link")
    web: Any = SimpleNamespace(query_params={"sheet": sheet_id})
    assert "by link" in Shown(*tab.reopen(ME, web)[1:]).grid
    web = SimpleNamespace(query_params={"sheet": sheet_id, "job": "x"})
    assert not isinstance(Shown(*tab.reopen(ME, web)[1:]).grid, str)
    web = SimpleNamespace(query_params={"sheet": "../../secret"})
    assert "no sheet" in Shown(*tab.reopen(ME, web)[1:]).notice


def test_texts_are_escaped_and_blocked_pictures_have_no_address(sheets: Sheets, tmp_path: Path) -> None:
    sheet_id = finished(sheets, f'prompt,label\n"{HOSTILE.replace(chr(34), chr(34) * 2)}",<b>\na {BLOCKED_WORD},\n')
    text = sheet_grid(sheets, sheets.get(sheet_id), 0)
    assert "<img src=x" not in text
    assert "<b>" not in text
    assert text.count("<img ") == 2
    assert text.count('data-tone="blocked"') == 2
    assert "<img src=x" not in sheet_list(sheets.records())
    assert "data-news" not in text


def test_pages_stay_inside_the_sheet(sheets: Sheets) -> None:
    tab = handlers(sheets)
    sheet_id = finished(sheets, "\n".join(f"row {number}" for number in range(ROWS + 3)))
    assert [tab.after(ME, sheet_id, first, "").first for first in (0, ROWS, 10**5)] == [ROWS, ROWS, ROWS]
    assert [tab.before(ME, sheet_id, first, "").first for first in (ROWS, 0, -5)] == [0, 0, 0]
    assert tab.refresh(ME, sheet_id, float("nan"), "no model").first == 0
    assert f'start="{ROWS + 1}"' in tab.after(ME, sheet_id, 0, "emoji-tiny").grid


def test_news_change_with_the_outcomes(sheets: Sheets) -> None:
    record = sheets.create(read_sheet("news").complete(MODELS))
    before = sheet_word(sheets, record)
    sheets.run(record.id, NOBODY)
    assert sheet_word(sheets, sheets.get(record.id)) != before
    assert sheet_word(sheets, record) == before


def row_numbers(grid: str) -> list[int]:
    return [int(number) for number in re.findall(r'<li value="(\d+)">', grid)]


def test_rows_are_filtered_and_a_model_stands_beside_the_baseline(sheets: Sheets) -> None:
    tab = handlers(sheets)
    sheet_id = finished(sheets, f"one\na {BLOCKED_WORD}\nthree")
    shown = tab.refresh(ME, sheet_id, 0, "", "blocked", "", "")
    assert row_numbers(shown.grid) == [2]
    assert "1 of 3 rows." in shown.grid
    assert shown.address == f"sheet={sheet_id}&filter=blocked"
    assert f'data-link="?sheet={sheet_id}&amp;filter=blocked"' in shown.grid
    assert row_numbers(tab.refresh(ME, sheet_id, 0, "", "failed", "", "").grid) == []
    alone = tab.refresh(ME, sheet_id, 0, "emoji-tiny", "", "", "emoji-tiny")
    assert "Emoji Base" not in alone.grid
    assert alone.grid.count("<strong>Emoji Tiny</strong>") == 3
    strange: list[Any] = [7, None, "none", "no model"]
    assert row_numbers(tab.refresh(ME, sheet_id, 0, *strange).grid) == [1, 2, 3]


def test_an_order_by_difference_comes_once_pictures_are_compared(sheets: Sheets) -> None:
    tab, sheet_id = handlers(sheets), finished(sheets, "red apple\nblue car\ngreen hat")
    web: Any = SimpleNamespace(query_params={"sheet": sheet_id, "sort": "difference"})
    shown = Shown(*tab.reopen(ME, web)[1:])
    assert "Comparing the pictures" in shown.grid
    assert "data-news" in shown.grid
    while "Comparing the pictures" in shown.grid:
        time.sleep(0.01)
        shown = tab.refresh(ME, sheet_id, 0, "", "", "difference", "")
    likeness = [float(text) for text in re.findall(r"HaarPSI (\d\.\d+)", shown.grid)]
    assert len(likeness) == 3
    assert likeness == sorted(likeness)
    assert "data-news" not in shown.grid


def test_a_choice_is_what_the_sheet_has_and_fits_a_link() -> None:
    sheet = read_sheet("a").complete(MODELS)
    wanted = read_choice({"baseline": "emoji-tiny", "sort": "slow", "filter": "nothing", "only": "x"}).of(sheet)
    assert wanted == Choice("emoji-tiny", "", "slow", "")
    assert wanted.query("id") == "sheet=id&baseline=emoji-tiny&sort=slow"
    assert read_choice(dict(parse_qsl(wanted.query("id")))) == wanted
    assert Choice("emoji-base").of(sheet) == Choice()


def third_cell_works(progress: Progress | None) -> bool:
    if progress is None or progress.job is None or progress.drawn < 2:
        return False
    return any(tone_of(cell) == "working" for cell in progress.job.cells)


def test_a_cell_whose_model_is_drawn_later_is_not_drawn_yet_and_nothing_counts_twice(tmp_path: Path) -> None:
    gate = threading.Event()
    tiny = {"tiny_unet": {"run_gate": gate}}
    with (
        closing(fake_comparisons(tmp_path, tiny, expected_memory=lambda system: 900_000)) as service,
        closing(Sheets(service, {"engine": "fake"})) as made,
    ):
        record = made.create(read_sheet("moon\nsun").complete(MODELS))
        made.start(record.id, NOBODY)
        while not third_cell_works(made.progress(record.id)):
            time.sleep(0.01)
        text = sheet_grid(made, made.get(record.id), 0)
        assert "2 of 4 pictures" in text
        assert text.count("<img ") == 2
        assert text.count('title="not drawn yet"') == 1
        assert text.count('data-tone="working"') == 1
        gate.set()
