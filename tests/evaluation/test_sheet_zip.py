"""The ZIP of a sheet: every picture that may be shown, with its parameters, the other files, and no blocked one."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

from PIL import Image

from bksdm_demo.evaluation.sheet_json import write_sheet_json
from bksdm_demo.evaluation.sheet_zip import write_sheet_zip
from tests.evaluation.sheet_material import BASE, SMALL, TINY, finished_sheet


def test_the_archive_has_all_files_and_only_pictures_that_may_be_shown(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with finished_sheet(tmp_path) as (sheets, results):
        write_sheet_zip(results, sheets, stream)
    with zipfile.ZipFile(stream) as archive:
        assert archive.testzip() is None
        pictures = [name for name in archive.namelist() if name.startswith("pictures/")]
        names = [f"000{row}-{place}-{model}.png" for row in (1, 3) for place, model in ((1, BASE), (3, TINY))]
        assert pictures == [f"pictures/{name}" for name in names]
        assert {*archive.namelist()} - {*pictures} == {"report.html", "sheet.csv", "sheet.json", "junit.xml"}
        with Image.open(io.BytesIO(archive.read(pictures[0]))) as image:
            assert json.loads(image.info["bksdm-demo"])["request"]["prompt"] == "red apple"
        table = list(csv.DictReader(io.StringIO(archive.read("sheet.csv").decode("utf-8-sig"))))
        record = json.loads(archive.read("sheet.json"))
    assert [row["file"] for row in table if row["file"]] == pictures
    assert [cell["file"] for row in record["rows"] for cell in row["pictures"] if cell["file"]] == pictures


def test_the_record_says_what_the_results_say(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with finished_sheet(tmp_path) as (_, results):
        write_sheet_json(results, stream, {})
    record = json.loads(stream.getvalue())
    assert [model["outcomes"] for model in record["models"]] == [dict(model.outcomes) for model in results.models]
    base, small, tiny = record["rows"][0]["pictures"]
    similarity = results.rows[0].cells[2].similarity
    assert similarity is not None
    assert tiny["to_baseline"] == {
        "identical": False, "psnr_db": similarity.psnr, "ssim": similarity.ssim, "haarpsi": similarity.haarpsi,
    }  # fmt: skip
    assert (base["to_baseline"], small["to_baseline"], small["outcome"]) == (None, None, "failed")
    assert record["rows"][1]["pictures"][0]["outcome"] == "blocked"
    assert record["rows"][0]["request"]["prompt"] == "red apple"
    assert {model["model"] for model in record["models"]} == {BASE, SMALL, TINY}
