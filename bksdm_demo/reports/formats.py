"""A comparison as one file to hand over: HTML that opens anywhere, ZIP, CSV or JSON.

The page, the command line and the API ask here. A job may be live, stored or half finished: a report tells what there
is and says what is missing. A withheld picture is said and never in any of the files. File names hold the date and
nothing else. Pictures are read one by one where the format allows, so that many of them take little memory.
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
from bksdm_demo.library.catalog import System
from bksdm_demo.records import Job
from bksdm_demo.reports.csv_report import write_csv
from bksdm_demo.reports.html_report import write_html
from bksdm_demo.reports.json_report import job_report
from bksdm_demo.reports.material import Lookup, Material, settled
from bksdm_demo.reports.zip_report import write_zip
from bksdm_demo.runs.comparisons import Comparisons


class Kind(StrEnum):
    """What a report may be; the value is the ending of its file name."""

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
    Kind.HTML: "One page that opens anywhere, without this demo and without a network",
    Kind.ZIP: "All of it: pictures, contact sheet, page, table and record",
    Kind.CSV: "A row for each picture, for a spreadsheet",
    Kind.JSON: "The whole record, for a program",
}


@dataclass(frozen=True)
class ReportFile:
    """A finished report; `name` is safe for any file system and says nothing but the date."""

    name: str
    data: bytes
    media_type: str


def build_report(comparisons: Comparisons, job_id: str, kind: str, base_url: str = "") -> ReportFile:
    """The report on a comparison in memory.

    `kind` is one of KINDS; `base_url` the address of this server's page, where it is known, for the link that
    reproduces the comparison. Raises RequestError for an unknown id or kind, StoreError where the store fails.
    """
    chosen = kind_named(kind)
    material = gather(comparisons, job_id, base_url)
    stream = io.BytesIO()
    write_report(material, chosen, stream)
    return ReportFile(file_name(material.job, chosen), stream.getvalue(), MEDIA_TYPES[chosen])


def gather(comparisons: Comparisons, job_id: str, base_url: str = "") -> Material:
    """What a report on a live or stored comparison is made of. Raises RequestError for an unknown id, StoreError."""
    systems = {system.key: system for system in comparisons.catalog.systems()}
    return material_of(
        comparisons.get(job_id), systems, lambda index: comparisons.picture(job_id, index), base_url, kept=True
    )


def material_of(
    job: Job, systems: Mapping[str, System], picture: Lookup, base_url: str = "", *, kept: bool = False
) -> Material:
    """The same for a snapshot at hand; `picture` gives the PNG of a cell that may be shown.

    `kept` says that the server at `base_url` keeps the job, so that the link may name it.
    """
    return Material(settled(job), systems, picture, base_url, time.time(), kept)


def write_report(material: Material, kind: str, stream: BinaryIO) -> None:
    """Write the report from the stream's present place on. Raises RequestError for an unknown kind."""
    chosen = kind_named(kind)
    if chosen is Kind.HTML:
        write_html(material, stream)
    elif chosen is Kind.ZIP:
        write_zip(material, stream)
    elif chosen is Kind.CSV:
        write_csv(material, stream)
    else:
        record = job_report(material.job, material.names, {}, material.job.environment)
        stream.write((json.dumps(record, indent=2, allow_nan=False) + "\n").encode())


def kind_named(kind: str) -> Kind:
    """The kind of that name. Raises RequestError naming those there are."""
    try:
        return Kind(kind)
    except ValueError as error:
        raise RequestError(f"There is no report of kind {kind!r}; choose one of {', '.join(KINDS)}.") from error


def file_name(job: Job, kind: Kind) -> str:
    """ "comparison-20261123-064000.html", the time being that of the comparison in UTC."""
    return f"comparison-{datetime.fromtimestamp(job.created, UTC):%Y%m%d-%H%M%S}.{kind.value}"
