"""A comparison as one ZIP: the pictures, the contact sheet, `report.html`, `timings.csv` and `result.json`.

All files have the date of the comparison. Pictures are not compressed again, because a PNG does not get smaller.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from typing import BinaryIO

from bksdm_demo.records import Cell
from bksdm_demo.reports.contact_sheet import draw_sheet
from bksdm_demo.reports.csv_report import write_csv
from bksdm_demo.reports.folder import RESULT_NAME, SHEET_NAME, cell_name
from bksdm_demo.reports.html_report import write_html
from bksdm_demo.reports.json_report import job_report
from bksdm_demo.reports.material import Material

PAGE_NAME = "report.html"
TABLE_NAME = "timings.csv"


def write_zip(material: Material, stream: BinaryIO) -> None:
    """Write the archive with one picture at a time in memory; the contact sheet needs all of them."""
    job = material.job
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        files = {}
        for index in range(len(job.cells)):
            if (data := material.png(index)) is not None:
                files[index] = cell_name(job, index)
                archive.writestr(_entry(material, files[index], zipfile.ZIP_STORED), data)
        archive.writestr(_entry(material, SHEET_NAME, zipfile.ZIP_STORED), _sheet(material))
        with archive.open(_entry(material, PAGE_NAME), "w") as page:
            write_html(material, page)  # type: ignore[arg-type]
        with archive.open(_entry(material, TABLE_NAME), "w") as table:
            write_csv(material, table, files)  # type: ignore[arg-type]
        record = job_report(job, material.names, files, job.environment, SHEET_NAME)
        archive.writestr(_entry(material, RESULT_NAME), json.dumps(record, indent=2, allow_nan=False) + "\n")


def _entry(material: Material, name: str, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    """The header of one file in the archive. ZIP dates start in 1980."""
    moment = max(datetime.fromtimestamp(material.job.created, UTC), datetime(1980, 1, 1, tzinfo=UTC))
    entry = zipfile.ZipInfo(name, moment.timetuple()[:6])
    entry.compress_type = method
    entry.external_attr = 0o644 << 16
    return entry


def _sheet(material: Material) -> bytes:
    cells = tuple(_with_pixels(material, index) for index in range(len(material.job.cells)))
    sheet = draw_sheet(replace(material.job, cells=cells), material.names, material.job.environment)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _with_pixels(material: Material, index: int) -> Cell:
    cell = material.job.cells[index]
    if cell.result is None:
        return cell
    return replace(cell, result=replace(cell.result, image=material.pixels(index)))
