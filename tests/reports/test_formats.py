"""Reports of every kind over a live service and a stored one: names, media types, and no blocked picture."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bksdm_demo.errors import EngineError, RequestError
from bksdm_demo.records import Job, Phase, Request
from bksdm_demo.reports.formats import DESCRIPTIONS, KINDS, MEDIA_TYPES, Kind, build_report
from bksdm_demo.reports.json_report import job_report
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.store.sqlite import open_store
from tests.fakes import BLOCKED_WORD, FAMILY, REFUSED_WORD, fake_comparisons
from tests.reports.report_jobs import ENVIRONMENT, archive_of, job_of, material, mixed_job, rows_of, written

FILE_NAME = re.compile(r"comparison-\d{8}-\d{6}\.(html|zip|csv|json)")


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


# --- The service -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_live_comparison_and_the_same_one_from_the_store(service: Comparisons, tmp_path: Path, kind: str) -> None:
    job = run(service)
    live = build_report(service, job.id, kind)
    assert FILE_NAME.fullmatch(live.name)
    assert live.name.endswith(f".{kind}")
    assert live.media_type == MEDIA_TYPES[Kind(kind)]
    service.close()
    again = fake_comparisons(tmp_path, store=open_store(tmp_path / "kept"))
    try:
        stored = build_report(again, job.id, kind)
    finally:
        again.close()
    assert stored.name == live.name
    if kind == "zip":
        ours, theirs = (
            [(entry.filename, entry.file_size) for entry in archive_of(data).infolist()]
            for data in (stored.data, live.data)
        )
        assert ours == theirs
    elif kind == "html":
        assert len(stored.data) == len(live.data)
    else:
        assert stored.data == live.data


def test_an_unknown_kind_and_an_unknown_comparison_are_refused(service: Comparisons) -> None:
    with pytest.raises(RequestError, match="'pdf'; choose one of html, zip, csv, json"):
        build_report(service, run(service).id, "pdf")
    with pytest.raises(RequestError, match="no comparison with this id"):
        build_report(service, "../../etc/passwd", "html")
    assert set(DESCRIPTIONS) == set(MEDIA_TYPES) == set(Kind)


@pytest.mark.parametrize("word", [BLOCKED_WORD, REFUSED_WORD])
@pytest.mark.parametrize("kind", KINDS)
def test_a_blocked_comparison_has_no_picture_in_any_report(service: Comparisons, kind: str, word: str) -> None:
    data = build_report(service, run(service, f"a {word}").id, kind).data
    assert b"data:image" not in data
    if kind == "zip":
        assert archive_of(data).namelist() == ["contact-sheet.png", "report.html", "timings.csv", "result.json"]
    if kind == "csv":
        failing = "yes" if word == REFUSED_WORD else ""  # the last model fails as soon as it draws
        assert [row["blocked"] for row in rows_of(data)] == ["yes", "yes", "yes", failing] * 2


def test_only_the_link_of_a_stored_comparison_names_it(service: Comparisons) -> None:
    job = run(service)
    assert (
        f"https://example.org/?job={job.id}".encode()
        in build_report(service, job.id, "html", "https://example.org/").data
    )
    assert job.id.encode() not in build_report(service, job.id, "html").data


# --- JSON ------------------------------------------------------------------------------------------------------------


def test_json_is_the_record_of_a_result() -> None:
    job = mixed_job()
    made = json.loads(written(material(job), "json"))
    assert made == json.loads(json.dumps(job_report(job, material(job).names, {}, ENVIRONMENT)))
    assert [model["status"] for model in made["models"]][4:] == ["done", "blocked", "failed", "done"]


def test_the_precision_is_the_one_that_the_u_net_reported(service: Comparisons) -> None:
    rows = rows_of(build_report(service, run(service, seeds=(1,)).id, "csv").data)
    stem = "Stable_Diffusion_version_emoji-base_unet"
    assert [row["precision"] for row in rows] == ["auto", "auto", "auto", ""]
    made = replace(
        material(service.get(run(service, seeds=(1,)).id)),
        systems={system.key: system for system in service.catalog.systems()},
    )
    reported = {**ENVIRONMENT, "parts": {f"emoji-base/{stem}": {"engine": "openvino", "precision": "bf16"}}}
    assert replace(made, job=replace(made.job, environment=reported)).precision(1) == "bf16"


@pytest.mark.parametrize("kind", KINDS)
def test_a_comparison_without_any_picture_yet(kind: str) -> None:
    job = job_of(seeds=(1,))
    waiting = tuple(cell.at(Phase.QUEUED, result=None) for cell in job.cells)
    assert written(material(replace(job, cells=waiting)), kind)
