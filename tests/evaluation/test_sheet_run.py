"""Runs of sheets over the fake family: a kill before every write redraws nothing, equal cells are drawn once."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bksdm_demo.errors import BusyError, EngineError, RequestError
from bksdm_demo.evaluation.sheet import Marked, Sheet
from bksdm_demo.evaluation.sheet_book import SheetBook
from bksdm_demo.evaluation.sheet_reader import read_sheet
from bksdm_demo.evaluation.sheet_run import Progress
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.records import Phase
from bksdm_demo.runs.allowance import Allowance
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.fairness import NOBODY, Client
from bksdm_demo.store.contract import Retention
from bksdm_demo.store.sqlite import SqliteStore
from tests.fake_files import write_package
from tests.fakes import BLOCKED_WORD, FAMILY, GATE_SECONDS, FakeEngine, fake_comparisons, fake_parts

ROOT = Path(__file__).parents[2]
BASE, TINY = "emoji-base", "emoji-tiny"
ENGINE = {"engine": "fake"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Comparisons]:
    made = fake_comparisons(tmp_path, store=SqliteStore(tmp_path / "data", Retention()))
    yield made
    made.close()


@pytest.fixture
def sheets(service: Comparisons) -> Sheets:
    return Sheets(service, ENGINE)


def sheet_of(text: str, *models: str) -> Sheet:
    return read_sheet(text).complete(models or (BASE, TINY))


def run(sheets: Sheets, sheet: Sheet) -> tuple[str, Progress]:
    record = sheets.create(sheet)
    return record.id, sheets.run(record.id, NOBODY)


def unet_of(service: Comparisons, word: str) -> FakeEngine:
    return fake_parts(service).engine(f"{word}_unet")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forks")
def test_a_process_killed_before_any_write_has_no_cell_drawn_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.evaluation.sheet_child", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=GATE_SECONDS, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) > 10
    assert [line["killed"] for line in lines] == [True] * (len(lines) - 1) + [False]
    assert {line["before"] for line in lines} == {0, 1, 2, 3, 4}
    for line in lines:
        assert (line["status"], line["changed"]) == (0, 0)
        assert line["after"] == 4  # of six cells, two equal two others
        assert line["outcomes"] == ["done"] * 6


def test_equal_cells_are_drawn_once_also_across_sheets(sheets: Sheets, service: Comparisons) -> None:
    first, progress = run(sheets, sheet_of("red apple\nblue car\nred apple"))
    assert (progress.drawn, progress.reused) == (4, 2)
    runs = unet_of(service, "base").runs
    second, progress = run(sheets, sheet_of("blue car\nred apple", TINY, BASE))
    assert (progress.drawn, progress.reused) == (0, 4)
    assert unet_of(service, "base").runs == runs
    places = [sheets.get(sheet_id).places for sheet_id in (first, second)]
    assert places[0][1][0] == places[1][0][1]


def test_another_engine_seed_or_model_file_is_another_cell(
    sheets: Sheets, service: Comparisons, tmp_path: Path
) -> None:
    run(sheets, sheet_of("red apple", TINY))
    assert run(sheets, read_sheet("prompt,seed\nred apple,1").complete([TINY]))[1].drawn == 1
    assert run(Sheets(service, {"engine": "fake", "precision": "int8"}), sheet_of("red apple", TINY))[1].drawn == 1
    unet = tmp_path / "assets" / "emoji" / TINY / f"Stable_Diffusion_version_{TINY}_unet.mlpackage"
    (unet / "Data" / "com.apple.CoreML" / "weights" / "weight.bin").write_bytes(b"retrained")
    assert run(sheets, sheet_of("red apple", TINY))[1].drawn == 1
    assert run(sheets, sheet_of("red apple", TINY))[1].drawn == 0


def test_a_copy_of_a_model_under_another_name_is_not_drawn_again(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for role in ("text_encoder", "vae_decoder", "safety_checker"):
        content = role.encode() * (30 + ("text_encoder", "vae_decoder", "safety_checker").index(role))
        for name in ("one", "two"):
            write_package(models / name / f"Stable_Diffusion_version_{name}_{role}.mlpackage", content)
    for name in ("one", "two"):
        write_package(models / name / f"Stable_Diffusion_version_{name}_unet.mlpackage", b"same")
        (models / name / "vocab.json").write_text("{}")
        (models / name / "merges.txt").write_text("")
    service = fake_comparisons(tmp_path, models_dir=models)
    _, progress = run(Sheets(service, ENGINE), sheet_of("red apple", "one", "two"))
    assert progress.drawn == 1
    service.close()


def test_a_failed_cell_stops_nothing_and_the_next_run_tries_it_once(tmp_path: Path) -> None:
    service = fake_comparisons(tmp_path, {"base_unet": {"failure": EngineError("out of memory")}})
    sheets = Sheets(service, ENGINE)
    sheet_id, progress = run(sheets, sheet_of("red apple\nblue car"))
    assert progress.problem == ""
    assert sheets.get(sheet_id).outcomes == {"failed": 2, "done": 2}
    runs = unet_of(service, "base").runs
    unet_of(service, "base").failure = None
    assert sheets.run(sheet_id, NOBODY).drawn == 2
    assert unet_of(service, "base").runs > runs
    assert sheets.get(sheet_id).outcomes == {"done": 4}
    service.close()


def test_a_blocked_cell_is_an_outcome_and_not_drawn_again(sheets: Sheets) -> None:
    sheet_id, _ = run(sheets, sheet_of(f"a {BLOCKED_WORD}"))
    assert sheets.get(sheet_id).outcomes == {"blocked": 2}
    assert sheets.run(sheet_id, NOBODY).drawn == 0
    place = sheets.get(sheet_id).places[0][0]
    assert place is not None
    with pytest.raises(RequestError, match="no such picture"):
        sheets.picture(place)


def test_a_stopped_sheet_keeps_its_cells_and_goes_on(tmp_path: Path) -> None:
    gate = threading.Event()
    service = fake_comparisons(tmp_path, {"tiny_unet": {"run_gate": gate}})
    sheets = Sheets(service, ENGINE)
    record = sheets.create(sheet_of("red apple\nblue car"))
    sheets.start(record.id, NOBODY)
    with pytest.raises(BusyError, match="running already"):
        sheets.start(record.id, NOBODY)
    while (progress := sheets.progress(record.id)) is None or progress.drawn < 1:
        time.sleep(0.01)
    sheets.stop(record.id)
    gate.set()
    while sheets.progress(record.id) is not None:
        time.sleep(0.01)
    assert sheets.get(record.id).outcomes == {"done": 1, "cancelled": 1, "": 2}
    assert sheets.run(record.id, NOBODY).drawn == 3
    assert sheets.get(record.id).outcomes == {"done": 4}
    service.close()


def test_one_address_cannot_take_every_place(tmp_path: Path) -> None:
    gate = threading.Event()
    with (
        closing(fake_comparisons(tmp_path, {"unet": {"run_gate": gate}})) as service,
        closing(Sheets(service, ENGINE)) as sheets,
    ):
        records = [sheets.create(sheet_of(prompt, TINY)) for prompt in ("a", "b", "c")]
        for record, visitor in zip(records[:2], ("anna", "ben"), strict=True):
            sheets.start(record.id, Client(visitor, "192.0.2.1"))
        with pytest.raises(BusyError, match="2 sheets of your address"):
            sheets.start(records[2].id, Client("chloe", "192.0.2.1"))
        sheets.start(records[2].id, Client("chloe", "192.0.2.2"))
        gate.set()


def test_a_full_queue_is_waited_for(tmp_path: Path) -> None:
    gate = threading.Event()
    service = fake_comparisons(tmp_path, {"original_unet": {"run_gate": gate}}, queue_size=1)
    sheets = Sheets(service, ENGINE)
    record = sheets.create(sheet_of("red apple", TINY))
    held = [service.submit(record.sheet.rows[0].request, FAMILY[:1])]
    while service.waiting:
        time.sleep(0.01)
    held.append(service.submit(record.sheet.rows[0].request, FAMILY[:1]))
    said: list[str] = []

    def watch(progress: Progress) -> None:
        if progress.waiting and not said:
            said.append(progress.waiting)
            gate.set()

    assert sheets.run(record.id, NOBODY, watch).drawn == 1
    assert "queue is full" in said[0]
    for job in held:
        list(service.watch(job.id))
    service.close()


def test_a_model_that_vanishes_stops_only_itself(sheets: Sheets, service: Comparisons, tmp_path: Path) -> None:
    record = sheets.create(sheet_of("red apple\nblue car"))
    unet = tmp_path / "assets" / "emoji" / BASE
    unet.rename(tmp_path / "gone")
    service.catalog.refresh()
    progress = sheets.run(record.id, NOBODY)
    assert progress.drawn == 2
    assert "Emoji Base" in progress.problem
    assert sheets.get(record.id).outcomes == {"done": 2, "": 2}


def test_limits_and_models_are_checked_before_anything_runs(tmp_path: Path) -> None:
    service = fake_comparisons(tmp_path, allowance=Allowance(steps=(1, 30), pictures=2))
    sheets = Sheets(service, ENGINE)
    with pytest.raises(RequestError, match="Row 2: steps is 31; this page allows 1 to 30"):
        sheets.create(read_sheet("prompt,steps\na,5\nb,31").complete([TINY]))
    with pytest.raises(RequestError, match="Row 1: This comparison has 3 pictures"):
        sheets.create(sheet_of("a", *FAMILY[:3]))
    with pytest.raises(Exception, match="no model called 'nobody'"):
        sheets.create(sheet_of("a", "nobody"))
    assert sheets.records() == []
    service.close()


def test_rows_belong_to_who_started_the_sheet(sheets: Sheets, service: Comparisons) -> None:
    record = sheets.create(sheet_of("red apple"), owner="me")
    sheets.run(record.id, Client("me", "192.0.2.1"))
    assert [job.owner for job in service.gallery().jobs] == ["me"]
    for act in (lambda: sheets.start(record.id, Client("you")), lambda: sheets.delete(record.id, "you")):
        with pytest.raises(RequestError, match="Another visitor"):
            act()
    with pytest.raises(RequestError, match="Another visitor"):
        sheets.stop(record.id, "you")
    sheets.delete(record.id, "me")
    with pytest.raises(RequestError, match="no sheet"):
        sheets.get(record.id)
    assert all(cell.phase is Phase.DONE for job in service.gallery().jobs for cell in job.cells)


def service_cells(folder: Path) -> dict[tuple[str, int], str]:
    """The file of every picture; a cell that is drawn again gets another."""
    with closing(sqlite3.connect(folder / "data" / "index.sqlite3")) as connection:
        rows = connection.execute("SELECT job, place, picture FROM columns WHERE picture IS NOT NULL").fetchall()
    return {(job, place): picture for job, place, picture in rows}


def marked(folder: Path, sheet_id: str) -> str:
    """Whether a run is marked in a sheet's record."""
    return str(json.loads((folder / "data" / "sheets" / f"{sheet_id}.json").read_text())["marked"])


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def test_a_sheet_goes_on_after_the_server_ended_but_not_after_a_stop(tmp_path: Path) -> None:
    def open_all(gate: threading.Event) -> tuple[Comparisons, Sheets]:
        store = SqliteStore(tmp_path / "data", Retention())
        service = fake_comparisons(tmp_path, {"tiny_unet": {"run_gate": gate}}, store=store)
        return service, Sheets(service, ENGINE)

    def server_ends(service: Comparisons, sheets: Sheets, gate: threading.Event) -> None:
        sheets.stop_all()
        drain = threading.Thread(target=service.drain)
        drain.start()
        until(lambda: service.draining)
        gate.set()
        drain.join()
        sheets.close()
        service.close()

    gate = threading.Event()
    service, sheets = open_all(gate)
    cut_off, stopped = (sheets.create(sheet_of(text), "me") for text in ("red apple\nblue car", "moon"))
    sheets.start(stopped.id, Client("me", "192.0.2.1"))
    sheets.stop(stopped.id, "me")
    gate.set()
    until(lambda: sheets.progress(stopped.id) is None)
    gate.clear()
    sheets.start(cut_off.id, Client("me", "192.0.2.1"))
    until(lambda: (progress := sheets.progress(cut_off.id)) is not None and progress.drawn == 1)
    server_ends(service, sheets, gate)
    assert [marked(tmp_path, record.id) for record in (cut_off, stopped)] == ["running", ""]
    before = service_cells(tmp_path)
    assert len(before) == 1

    gate = threading.Event()  # the next server ends before anything is drawn
    service, sheets = open_all(gate)
    sheets.go_on_all()
    assert sheets.progress(stopped.id) is None
    until(lambda: service.busy)
    server_ends(service, sheets, gate)
    assert marked(tmp_path, cut_off.id) == "again"

    service, sheets = open_all(gate)  # so it waits for a person in the third
    sheets.go_on_all()
    assert sheets.progress(cut_off.id) is None
    sheets.start(cut_off.id, Client("me"))
    until(lambda: sheets.progress(cut_off.id) is None)
    assert sheets.get(cut_off.id).outcomes == {"done": 4}
    assert before.items() <= service_cells(tmp_path).items()
    server_ends(service, sheets, gate)
    assert marked(tmp_path, cut_off.id) == ""


def test_a_sheet_goes_on_to_its_end_by_itself_unless_it_would_be_drawn_anew(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "data", Retention())
    with closing(fake_comparisons(tmp_path, store=store)) as service:
        first = Sheets(service, ENGINE)
        texts = ("red apple\nblue car", "moon", "sun", "star", "cloud", "rain")
        records = [first.create(sheet_of(text)) for text in texts]
        book = SheetBook(tmp_path / "data" / "sheets")
        for record in records:
            book.save(replace(first.get(record.id), marked=Marked.YES))
        with closing(Sheets(service, ENGINE)) as sheets:
            sheets.go_on_all()  # more than may run at a time
            until(lambda: all(set(sheets.get(record.id).outcomes) == {"done"} for record in records))
            until(lambda: all(marked(tmp_path, record.id) == "" for record in records))
        gone_on = first.get(records[0].id)
        book.save(replace(gone_on, marked=Marked.YES))
        with closing(Sheets(service, {"engine": "another"})) as sheets:
            sheets.go_on_all()
            assert sheets.progress(gone_on.id) is None
            assert sheets.get(gone_on.id).places == gone_on.places
