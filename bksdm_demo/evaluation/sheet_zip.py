"""A sheet as one ZIP: `report.html`, `sheet.csv`, `sheet.json`, `junit.xml`, and every picture that may be shown.

The pictures are the stored PNG files with their parameters inside; they are not compressed again. One picture at a time
is in memory. All files have the date of the sheet.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import BinaryIO, cast

from bksdm_demo.errors import DemoError
from bksdm_demo.evaluation.junit import write_junit
from bksdm_demo.evaluation.sheet_csv import write_sheet_csv
from bksdm_demo.evaluation.sheet_json import write_sheet_json
from bksdm_demo.evaluation.sheet_report import write_sheet_html
from bksdm_demo.evaluation.sheet_results import SheetResults
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.reports.folder import picture_name

PICTURES = "pictures"
REPORT, TABLE, RECORD, JUNIT = "report.html", "sheet.csv", "sheet.json", "junit.xml"
PICTURE = re.compile(r"\d{4}-\d+-[a-z0-9-]+\.png")
FIRST_DATE = datetime(1980, 1, 1, tzinfo=UTC)  # of a ZIP


def picture_file(row: int, column: int, model: str) -> str:
    """ "0001-2-emoji-base.png": the row and the model by number, counted from 1, and the letters of its key."""
    return f"{row + 1:04d}-{column + 1}-{picture_name(0, model).partition('-')[2]}"


def shown_pictures(results: SheetResults, sheets: Sheets) -> Iterator[tuple[tuple[int, str], str, bytes]]:
    """Each picture that may be shown, as (row and model, name of its file, PNG), unless its file is missing."""
    for row in results.rows:
        for column, cell in enumerate(row.cells):
            if cell.place is None or cell.cell is None or not cell.cell.shown:
                continue
            try:
                data = sheets.picture(cell.place)
            except DemoError:
                continue
            yield (row.index, cell.model), picture_file(row.index, column, cell.model), data


def write_sheet_zip(
    results: SheetResults, sheets: Sheets, stream: BinaryIO, report: Callable[[], None] = lambda: None
) -> None:
    """Write the archive. `report` is called after each picture, and after each picture of the page."""
    files: dict[tuple[int, str], str] = {}
    with zipfile.ZipFile(stream, "w") as archive:
        for place, name, data in shown_pictures(results, sheets):
            files[place] = f"{PICTURES}/{name}"
            archive.writestr(_entry(results, files[place], zipfile.ZIP_STORED), data)
            report()
        writers: dict[str, Callable[[BinaryIO], None]] = {
            REPORT: lambda file: write_sheet_html(results, sheets, file, report),
            TABLE: lambda file: write_sheet_csv(results, file, files),
            RECORD: lambda file: write_sheet_json(results, file, files),
            JUNIT: lambda file: write_junit(results, file),
        }
        for name, write in writers.items():
            with archive.open(_entry(results, name, zipfile.ZIP_DEFLATED), "w") as file:
                write(cast(BinaryIO, file))


def _entry(results: SheetResults, name: str, method: int) -> zipfile.ZipInfo:
    moment = max(datetime.fromtimestamp(results.record.created, UTC), FIRST_DATE)
    entry = zipfile.ZipInfo(name, moment.timetuple()[:6])
    entry.compress_type = method
    entry.external_attr = 0o644 << 16
    return entry
