"""The ZIP report read back with Python's zipfile."""

from __future__ import annotations

import io
import json

import numpy as np
from PIL import Image

from bksdm_demo.errors import RequestError
from tests.reports.report_jobs import MODELS, SECRET, archive_of, job_of, material, mixed_job, png_of, rows_of, written


def test_zip_holds_everything() -> None:
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


def test_zip_without_a_date_and_with_a_missing_picture() -> None:
    job = job_of(models=MODELS[:2], seeds=(1,), created=0.0)

    def gone(index: int) -> bytes:
        if index:
            raise RequestError("It is gone.")
        return png_of(job, index)

    archive = archive_of(written(material(job, picture=gone), "zip"))
    assert archive.namelist()[0] == "01-emoji-original.png"
    assert len(archive.namelist()) == 5
    assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
