"""Reports of every kind over a live service and a stored one, read back with Python's csv, json and zipfile."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bksdm_demo.errors import EngineError, RequestError
from bksdm_demo.parameters.png_writer import plain_png
from bksdm_demo.records import Job, Phase, Request
from bksdm_demo.reports.csv_report import FORMULA_STARTS, HEADS, harmless
from bksdm_demo.reports.formats import DESCRIPTIONS, KINDS, MEDIA_TYPES, Kind, build_report, write_report
from bksdm_demo.reports.json_report import job_report
from bksdm_demo.reports.material import Material
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.store.sqlite import open_store
from tests.fakes import BLOCKED_WORD, FAMILY, fake_comparisons
from tests.reports.report_jobs import ENVIRONMENT, MODELS, SECRET, job_of, material, mixed_job, picture, png_of

PERSONAL = re.compile(r"comparison-\d{8}-\d{6}\.(html|zip|csv|json)")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Comparisons]:
    broken = {"emoji-tiny_unet": {"failure": EngineError("It broke.")}}
    made = fake_comparisons(tmp_path, broken, environment=lambda: ENVIRONMENT, store=open_store(tmp_path / "kept"))
    yield made
    made.close()


def run(service: Comparisons, prompt: str = "red apple", seeds: tuple[int, ...] = (1, 2)) -> Job:
    submitted = service.submit(Request(prompt, steps=2), FAMILY, seeds=seeds)
    *_, last = service.watch(submitted.id)
    return last


def written(made: Material, kind: str) -> bytes:
    stream = io.BytesIO()
    write_report(made, kind, stream)
    return stream.getvalue()


def rows_of(data: bytes) -> list[dict[str, str]]:
    assert data.startswith(b"\xef\xbb\xbf")  # for Excel
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def archive_of(data: bytes) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    return archive


# --- The service -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_live_comparison_and_the_same_one_out_of_the_store(service: Comparisons, tmp_path: Path, kind: str):
    job = run(service)
    live = build_report(service, job.id, kind)
    assert PERSONAL.fullmatch(live.name)
    assert live.name.endswith(f".{kind}")
    assert live.media_type == MEDIA_TYPES[Kind(kind)]
    service.close()
    again = fake_comparisons(tmp_path, store=open_store(tmp_path / "kept"))
    try:
        stored = build_report(again, job.id, kind)
    finally:
        again.close()
    assert stored.name == live.name
    assert len(stored.data) == len(live.data) or kind == "zip"
    if kind in ("csv", "json"):
        assert stored.data == live.data


def test_an_unknown_kind_and_an_unknown_comparison_are_refused(service: Comparisons):
    with pytest.raises(RequestError, match="'pdf'; choose one of html, zip, csv, json"):
        build_report(service, run(service).id, "pdf")
    with pytest.raises(RequestError, match="no comparison with this id"):
        build_report(service, "../../etc/passwd", "html")
    assert set(DESCRIPTIONS) == set(MEDIA_TYPES) == set(Kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_blocked_comparison_has_no_picture_in_any_report(service: Comparisons, kind: str):
    data = build_report(service, run(service, f"a {BLOCKED_WORD}").id, kind).data
    assert b"data:image" not in data
    if kind == "zip":
        assert archive_of(data).namelist() == ["contact-sheet.png", "report.html", "timings.csv", "result.json"]
    if kind == "csv":
        assert [row["blocked"] for row in rows_of(data)] == ["yes", "yes", "yes", ""] * 2


def test_only_the_link_of_a_stored_comparison_names_it(service: Comparisons):
    job = run(service)
    assert (
        f"https://example.org/?job={job.id}".encode()
        in build_report(service, job.id, "html", "https://example.org/").data
    )
    assert job.id.encode() not in build_report(service, job.id, "html").data


# --- JSON ------------------------------------------------------------------------------------------------------------


def test_json_is_the_record_of_a_result():
    job = mixed_job()
    made = json.loads(written(material(job), "json"))
    assert made == json.loads(json.dumps(job_report(job, material(job).names, {}, ENVIRONMENT)))
    assert [model["status"] for model in made["models"]][4:] == ["done", "blocked", "failed", "done"]


# --- CSV -------------------------------------------------------------------------------------------------------------


def test_csv_has_a_row_for_each_picture_with_all_that_decided_and_was_measured():
    rows = rows_of(written(material(mixed_job()), "csv"))
    assert len(rows) == 8
    assert tuple(rows[0]) == HEADS
    second = rows[1]
    expected = {
        "created": "2026-11-23T06:40:00Z",
        "prompt": "red apple",
        "seed": "7",
        "steps": "3",
        "scheduler": "dpmpp-2m",
    }
    expected |= {"model": "emoji-base", "name": "Emoji Base", "outcome": "done", "blocked": "no", "steps_run": "3"}
    expected |= {"denoise_seconds": "0.4", "drawing_seconds": "0.56", "step_seconds": "0.100000;0.120000;0.080000"}
    expected |= {
        "median_step_seconds": "0.1",
        "cold": "yes",
        "engine": "fake",
        "size_bytes": "2000000",
        "weights": "6-bit palettized",
    }
    assert {key: second[key] for key in expected} == expected
    assert 0 < float(second["psnr_db"]) < 20
    assert [rows[0][key] for key in ("psnr_db", "ssim", "file")] == ["", "", ""]
    assert [row["outcome"] for row in rows[4:]] == ["done", "blocked", "failed", "done"]
    assert (rows[5]["blocked"], rows[5]["reason"], rows[5]["width"]) == ("yes", "It resembles a weapon.", "")
    assert (rows[6]["message"], rows[6]["total_seconds"]) == ("The U-Net <b>broke</b>.", "")


def test_csv_shows_equal_pictures():
    job = job_of(models=MODELS[:2], seeds=(1,))
    made = material(job, picture=lambda index: plain_png(picture(0)))
    assert float(rows_of(written(made, "csv"))[1]["psnr_db"]) == inf


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_text_that_a_spreadsheet_would_run_is_made_harmless(start: str):
    prompt = f'{start}HYPERLINK("http://evil.example","x"),"\r\n{start}1'
    (row, *_) = rows_of(written(material(job_of(Request(prompt, negative_prompt=f"  {prompt}"))), "csv"))
    assert row["prompt"] == f"'{prompt}"
    assert row["negative_prompt"] == f"'  {prompt}"
    assert row["seed"] == "7"


def test_harmless_text_stays():
    assert [harmless(text) for text in ("red apple", "", "a=b", "'quoted'")] == ["red apple", "", "a=b", "'quoted'"]


def test_csv_keeps_letters_quotes_and_line_breaks():
    prompt = 'пёс, "café"\n猫; 🙂 \ud800'
    (row, *_) = rows_of(written(material(job_of(Request(prompt))), "csv"))
    assert row["prompt"] == prompt.replace("\ud800", "?")


def test_the_precision_is_the_one_that_the_u_net_reported(service: Comparisons):
    rows = rows_of(build_report(service, run(service, seeds=(1,)).id, "csv").data)
    stem = "Stable_Diffusion_version_emoji-base_unet"
    assert [row["precision"] for row in rows] == ["auto", "auto", "auto", ""]
    made = replace(
        material(service.get(run(service, seeds=(1,)).id)),
        systems={system.key: system for system in service.catalog.systems()},
    )
    told = {**ENVIRONMENT, "parts": {f"emoji-base/{stem}": {"engine": "openvino", "precision": "bf16"}}}
    assert replace(made, job=replace(made.job, environment=told)).precision(1) == "bf16"


# --- ZIP -------------------------------------------------------------------------------------------------------------


def test_zip_holds_everything():
    job = mixed_job()
    archive = archive_of(written(material(job), "zip"))
    shown = [index for index in range(8) if index not in (5, 6)]
    names = [f"{index + 1:02d}-{job.cells[index].model}-seed-{job.cells[index].seed}.png" for index in shown]
    assert archive.namelist() == [*names, "contact-sheet.png", "report.html", "timings.csv", "result.json"]
    for name, index in zip(names, shown, strict=True):
        assert archive.read(name) == png_of(job, index)
    result = json.loads(archive.read("result.json"))
    assert [model["file"] for model in result["models"] if model["file"]] == names
    assert [row["file"] for row in rows_of(archive.read("timings.csv")) if row["file"]] == names
    assert archive.read("report.html") == written(material(job, made=0.0), "html")
    with Image.open(io.BytesIO(archive.read("contact-sheet.png"))) as sheet:
        assert not (np.asarray(sheet) == SECRET).all(axis=-1).any()
    assert {entry.date_time for entry in archive.infolist()} == {(2026, 11, 23, 6, 40, 0)}


def test_zip_without_a_date_and_with_a_picture_gone():
    job = job_of(models=MODELS[:2], seeds=(1,), created=0.0)

    def gone(index: int) -> bytes:
        if index:
            raise RequestError("It is gone.")
        return png_of(job, index)

    archive = archive_of(written(material(job, picture=gone), "zip"))
    assert archive.namelist()[0] == "01-emoji-original.png"
    assert len(archive.namelist()) == 5
    assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_comparison_of_which_nothing_is_drawn_yet(kind: str):
    job = job_of(seeds=(1,))
    waiting = tuple(cell.at(Phase.QUEUED, result=None) for cell in job.cells)
    assert written(material(replace(job, cells=waiting)), kind)
