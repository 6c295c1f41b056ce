"""The service beside running: costs, records on disk, ids from outside, and sheets that continue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bksdm_demo.errors import BusyError, RequestError
from bksdm_demo.evaluation import sheet_book
from bksdm_demo.evaluation.sheet import Place, SheetRecord, no_places
from bksdm_demo.evaluation.sheet_book import SheetBook
from bksdm_demo.evaluation.sheet_cost import Cost, Speed, cost_of, evaluations_of, known_speeds
from bksdm_demo.evaluation.sheet_keys import settings_of
from bksdm_demo.evaluation.sheet_reader import read_sheet
from bksdm_demo.evaluation.sheet_record import read_record, record_text
from bksdm_demo.evaluation.sheets import Sheets, engine_facts
from bksdm_demo.records import Cell, Job, Phase, Request, Result, Timings, Verdict
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.fairness import NOBODY
from bksdm_demo.store.contract import Retention, StoreError
from bksdm_demo.store.sqlite import SqliteStore
from tests.fakes import fake_comparisons

SHEET = read_sheet("prompt,steps,label,category,max_seconds\nred apple,4,A,food,5\nblue car,8,,,").complete(["x", "y"])
PLACED = SheetRecord(
    "sheet-1234", SHEET, ((Place("k", "job", 1, "done"), None), (None, Place("l", "job-2", 0))), 5.0, "owner"
)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Comparisons]:
    made = fake_comparisons(tmp_path, store=SqliteStore(tmp_path / "data", Retention()))
    yield made
    made.close()


def test_a_record_is_read_as_it_was_written() -> None:
    assert read_record(record_text(PLACED)) == PLACED


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"schema_version":1', '"schema_version":2'),
        ('"steps":4', '"steps":4000'),
        ('"index":1', '"index":-1'),
        ('"outcome":"done"', '"outcome":"stolen"'),
        ('"models":["x","y"]', '"models":["x"]'),
        ('"baseline":"x"', '"baseline":"z"'),
        ('"key":"k"', '"key":7'),
        ("}", "]"),
    ],
)
def test_a_damaged_record_is_refused_and_the_others_stay(tmp_path: Path, old: str, new: str) -> None:
    book = SheetBook(tmp_path / "sheets")
    book.save(PLACED)
    book.save(replace(PLACED, id="sheet-5678"))
    path = tmp_path / "sheets" / "sheet-1234.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    again = SheetBook(tmp_path / "sheets")
    with pytest.raises(StoreError, match="sheet-1234 cannot be read"):
        again.get("sheet-1234")
    assert [record.id for record in again.records()] == ["sheet-5678"]


@pytest.mark.parametrize("sheet_id", ["", "../../etc/passwd", "sheet-1234/../x", "short", "x" * 65, "sheet.1234"])
def test_an_id_from_outside_is_no_path(tmp_path: Path, sheet_id: str) -> None:
    with pytest.raises(RequestError, match="no sheet"):
        SheetBook(tmp_path / "sheets").get(sheet_id)


def test_a_record_that_another_process_changed_is_read_again(tmp_path: Path) -> None:
    one, other = SheetBook(tmp_path), SheetBook(tmp_path)
    one.save(PLACED)
    assert other.get(PLACED.id) == PLACED
    one.save(PLACED.placed(1, (Place("m", "job-3", 0, "done"), None)))
    assert other.get(PLACED.id).places[1][0] == Place("m", "job-3", 0, "done")
    assert other.place("k") == Place("k", "job", 1, "done")


def test_two_processes_do_not_run_one_sheet(tmp_path: Path) -> None:
    one, other = SheetBook(tmp_path), SheetBook(tmp_path)
    one.save(PLACED)
    with one.running(PLACED.id):
        for book in (one, other):
            with pytest.raises(BusyError, match="running already"), book.running(PLACED.id):
                pass
    with other.running(PLACED.id):
        pass


def test_the_oldest_sheets_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_book, "KEPT", 2)
    book = SheetBook(tmp_path)
    for number in range(4):
        book.save(replace(PLACED, id=f"sheet-{number:04d}", created=float(number)))
    assert [record.id for record in book.records()] == ["sheet-0003", "sheet-0002"]
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["sheet-0002.json", "sheet-0003.json"]


def test_sheets_are_listed_by_owner_newest_first(service: Comparisons) -> None:
    moment = iter((1.0, 2.0, 3.0))
    sheets = Sheets(service, {}, clock=lambda: next(moment))
    made = [sheets.create(read_sheet("a").complete(["emoji-tiny"]), owner) for owner in ("me", "you", "me")]
    assert [record.id for record in sheets.records("me")] == [made[2].id, made[0].id]
    assert len(sheets.records()) == 3


def test_a_sheet_with_the_same_id_continues(service: Comparisons) -> None:
    sheets = Sheets(service, {})
    first = sheets.create(read_sheet("a").complete(["emoji-tiny"]), sheet_id="my-sheet-1")
    sheets.run(first.id, NOBODY)
    held = read_sheet("a").complete(["emoji-tiny"], limits={"max_seconds": 5})
    again = Sheets(service, {}).create(held, sheet_id="my-sheet-1")
    assert again.places == sheets.get(first.id).places
    assert again.sheet.rows[0].assertions.max_seconds == 5
    with pytest.raises(RequestError, match="other rows or models"):
        sheets.create(read_sheet("b").complete(["emoji-tiny"]), sheet_id="my-sheet-1")


def test_sheets_in_memory_end_with_the_process(tmp_path: Path) -> None:
    service = fake_comparisons(tmp_path)
    sheets = Sheets(service, {})
    record = sheets.create(read_sheet("a").complete(["emoji-tiny"]))
    assert sheets.run(record.id, NOBODY).drawn == 1
    assert sheets.get(record.id).outcomes == {"done": 1}
    assert not list(tmp_path.rglob("*.json.*"))
    service.close()


# --- Costs ------------------------------------------------------------------------------------------------------------


def test_a_sheet_costs_its_steps_times_models_as_the_queue_counts() -> None:
    assert evaluations_of(Request("a", steps=7), 3) == 21
    assert cost_of(SHEET, [], {}) == Cost(4, 0, 24, 0.0, ("x", "y"))


def test_seconds_are_those_of_known_models() -> None:
    cost = cost_of(SHEET, [(0, 0)], {"x": Speed(2.0, 1.0)})
    assert cost == Cost(3, 1, 20, 8 * 2.0 + 1.0, ("y",))
    assert "about 17 s and the time of y, which is unknown here; 1 picture drawn already" in cost.words
    both = cost_of(SHEET, [], {"x": Speed(1, 0), "y": Speed(1, 0)})
    assert both.words == "4 pictures, 24 U-Net evaluations, about 24 s"


def test_speeds_are_medians_of_what_was_drawn_here() -> None:
    def drawn(denoise: float, phase: Phase = Phase.DONE) -> Cell:
        timings = Timings(load=9.0, encode=0.5, denoise=denoise, decode=0.5, total=99.0)
        return Cell("x", phase, result=Result("x", Request("a"), Verdict(False), timings))

    jobs = [Job("1", Request("a", steps=4), (drawn(8.0), Cell("y", Phase.FAILED)))]
    jobs += [Job("2", Request("a", steps=2), (drawn(2.0), drawn(12.0)))]
    assert known_speeds(jobs) == {"x": Speed(2.0, 1.0)}


def test_a_stored_run_prices_the_next_one(service: Comparisons) -> None:
    sheets = Sheets(service, {})
    assert "unknown" in sheets.cost(read_sheet("a").complete(["emoji-tiny"])).words
    sheets.run(sheets.create(read_sheet("a\na").complete(["emoji-tiny"])).id, NOBODY)
    assert sheets.cost(read_sheet("a").complete(["emoji-tiny"])).words == "Every picture is drawn already: 1"
    cost = sheets.cost(read_sheet("a\nb\nb").complete(["emoji-tiny"]))
    assert (cost.cells, cost.reused, cost.evaluations, cost.unknown) == (1, 2, 20, ())


# --- Keys -------------------------------------------------------------------------------------------------------------


def test_a_setting_at_its_default_and_the_kind_of_a_number_do_not_count() -> None:
    assert settings_of(Request("a", steps=20, guidance_scale=7.5)) == {"prompt": "a"}
    assert settings_of(Request("a", guidance_scale=3)) == settings_of(Request("a", guidance_scale=3.0))
    assert settings_of(Request("a", seed=0)) != settings_of(Request("a", seed=1))


def test_the_engine_is_what_decides_pictures_and_its_versions() -> None:
    environment = {
        "engine": "openvino",
        "precision": "auto",
        "threads": 4,
        "cpu": {"name": "fast"},
        "demo_version": "1",
        "packages": {"openvino": "2026.4", "gradio": "6", "coremltools": None},
    }
    assert engine_facts(environment) == {
        "engine": "openvino",
        "precision": "auto",
        "demo_version": "1",
        "openvino": "2026.4",
    }
    assert engine_facts({}) == {}


def test_no_places_fit_their_sheet() -> None:
    assert no_places(SHEET) == ((None, None), (None, None))
