"""A comparison as one report file: HTML that opens anywhere, ZIP, CSV or JSON.

The page, the command line and the API write reports through this module. The job may be running, finished or stored;
the report says what is missing. A blocked picture is named as blocked and is in none of the files. File names contain
only the date. Where the format allows it, one picture at a time is in memory.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import BinaryIO

from bksdm_demo.errors import RequestError
from bksdm_demo.languages import marked
from bksdm_demo.library.catalog import System
from bksdm_demo.records import Job
from bksdm_demo.reports.csv_report import write_csv
from bksdm_demo.reports.html_report import write_html
from bksdm_demo.reports.json_report import job_report
from bksdm_demo.reports.material import Lookup, Material, settled
from bksdm_demo.reports.zip_report import write_zip
from bksdm_demo.runs.comparisons import Comparisons


class Kind(StrEnum):
    """The kinds of reports; the value is the ending of the file name."""

    HTML = "html"
    ZIP = "zip"
    CSV = "csv"
    JSON = "json"


KINDS = tuple(kind.value for kind in Kind)
MEDIA_TYPES = {
    Kind.HTML: "text/html; charset=utf-8",
    Kind.ZIP: "application/zip",
    Kind.CSV: "text/csv; charset=utf-8",
    Kind.JSON: "application/json",
}
DESCRIPTIONS = {
    Kind.HTML: marked("One page that opens anywhere, without this demo and without a network"),
    Kind.ZIP: marked("Everything: pictures, contact sheet, page, table and record"),
    Kind.CSV: marked("A spreadsheet with a row for each picture"),
    Kind.JSON: marked("The whole record, for a program"),
}


@dataclass(frozen=True)
class ReportFile:
    """A finished report; `name` contains only the date and is safe on every file system."""

    name: str
    data: bytes
    media_type: str


def build_report(comparisons: Comparisons, job_id: str, kind: str, base_url: str = "") -> ReportFile:
    """The report on a comparison in memory.

    `kind` is one of KINDS. `base_url` is the address of this server's page, if known, for the link that draws the
    comparison again. Raises RequestError for an unknown id or kind, StoreError if the store fails.
    """
    chosen = parse_kind(kind)
    material = gather_material(comparisons, job_id, base_url)
    stream = io.BytesIO()
    write_report(material, chosen, stream)
    return ReportFile(file_name(material.job, chosen), stream.getvalue(), MEDIA_TYPES[chosen])


def gather_material(comparisons: Comparisons, job_id: str, base_url: str = "") -> Material:
    """The material for a report on a live or stored comparison. Raises RequestError for an unknown id, StoreError."""
    systems = comparisons.catalog.by_key()
    return make_material(
        comparisons.get(job_id), systems, lambda index: comparisons.picture(job_id, index), base_url, stored=True
    )


def make_material(
    job: Job, systems: Mapping[str, System], picture: Lookup, base_url: str = "", *, stored: bool = False
) -> Material:
    """The material for a report on this snapshot; `picture` returns the PNG of a cell that may be shown.

    `stored` says that the server at `base_url` stores the job, so that the link may name it.
    """
    return Material(settled(job), systems, picture, base_url, time.time(), stored)


def write_report(material: Material, kind: str, stream: BinaryIO) -> None:
    """Write the report at the stream's current position. Raises RequestError for an unknown kind."""
    chosen = parse_kind(kind)
    if chosen is Kind.HTML:
        write_html(material, stream)
    elif chosen is Kind.ZIP:
        write_zip(material, stream)
    elif chosen is Kind.CSV:
        write_csv(material, stream)
    else:
        record = job_report(material.job, material.names, {}, material.job.environment)
        stream.write((json.dumps(record, indent=2, allow_nan=False) + "\n").encode())


def parse_kind(kind: str) -> Kind:
    """The kind with this name. Raises RequestError with the list of kinds."""
    try:
        return Kind(kind)
    except ValueError as error:
        raise RequestError(f"There is no report of kind {kind[:20]!r}; choose one of {', '.join(KINDS)}.") from error


def file_name(job: Job, kind: Kind) -> str:
    """ "comparison-20261123-064000.html", with the time of the comparison in UTC."""
    return f"comparison-{datetime.fromtimestamp(job.created, UTC):%Y%m%d-%H%M%S}.{kind.value}"
