"""Serves what a sheet gives to take along, its report, table and assertions, and the word that changes with its grid.

The unguessable id of the sheet is the only access control, as for comparisons. A report may take minutes, so one is
made at a time.
"""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from starlette.requests import Request as WebRequest
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from bksdm_demo.errors import BusyError, DemoError, RequestError
from bksdm_demo.evaluation.junit import write_junit
from bksdm_demo.evaluation.sheet import SheetRecord
from bksdm_demo.evaluation.sheet_csv import write_sheet_csv
from bksdm_demo.evaluation.sheet_json import write_sheet_json
from bksdm_demo.evaluation.sheet_measures import measures_of
from bksdm_demo.evaluation.sheet_report import write_sheet_html
from bksdm_demo.evaluation.sheet_results import SheetResults, gather_results
from bksdm_demo.evaluation.sheet_zip import write_sheet_zip
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.languages import marked, say
from bksdm_demo.phrase_book import said
from bksdm_demo.reports.similarity_cache import SimilarityCache
from bksdm_demo.ui.news import FOLDER as NEWS
from bksdm_demo.ui.news import answer_word, server_word

logger = logging.getLogger(__name__)

FOLDER = "sheets"
REFRESH_SHEET = "bk-sheet-refresh"  # id of the hidden button
KINDS = {  # ending -> media type, name of the link
    "html": ("text/html; charset=utf-8", marked("Report")),
    "zip": ("application/zip", "ZIP"),
    "csv": ("text/csv; charset=utf-8", marked("Table")),
    "json": ("application/json", "JSON"),
    "xml": ("application/xml", "JUnit"),
}
UNKNOWN_KIND = f"There is no such file of a sheet; choose one of {', '.join(KINDS)}."
IN_MEMORY = 8_000_000  # bytes of a file; a larger one waits on the disk while it is sent
PIECE = 256 * 1024  # bytes sent at once
NO_ROOM = marked("The server has no room to make this file. Ask for a smaller one, or try again later.")
OTHERS_FIRST = "The report of a sheet is being made. Try again in a minute."


def sheet_routes(sheets: Sheets) -> list[Route]:
    """Return the routes "/sheets/ID.KIND", optionally with "?baseline=KEY", and "/news/sheet/ID"."""
    similarities = measures_of(sheets).similarities
    one_at_a_time = threading.Lock()

    def serve(request: WebRequest) -> Response:
        sheet_id, _, kind = str(request.path_params["name"]).rpartition(".")
        try:
            if kind not in KINDS:
                raise RequestError(UNKNOWN_KIND)
            record = with_baseline(sheets.get(sheet_id), request.query_params.get("baseline", ""))
            if not one_at_a_time.acquire(blocking=False):
                raise BusyError(OTHERS_FIRST)
            try:
                file = _made(sheets, record, kind, similarities)
            finally:
                one_at_a_time.release()
        except DemoError as error:
            status = 503 if isinstance(error, BusyError) else 404
            return PlainTextResponse(said(error), status_code=status)
        except OSError:
            logger.exception("A sheet's %s cannot be made", kind)
            return PlainTextResponse(say(NO_ROOM), status_code=503)
        name = f"sheet-{datetime.fromtimestamp(record.created, UTC):%Y%m%d-%H%M%S}.{kind}"
        headers = {
            "Content-Length": str(file.tell()),
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Security-Policy": "sandbox",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        return StreamingResponse(_pieces(file), media_type=KINDS[kind][0], headers=headers)

    def news(request: WebRequest) -> Response:
        sheet_id = request.path_params["sheet"]
        return answer_word(lambda: sheet_word(sheets, sheets.get(sheet_id)), server_word(sheets.comparisons))

    return [
        Route(f"/{FOLDER}/{{name}}", serve, methods=["GET"]),
        Route(f"/{NEWS}/sheet/{{sheet}}", news, methods=["GET"]),
    ]


def _made(sheets: Sheets, record: SheetRecord, kind: str, similarities: SimilarityCache) -> BinaryIO:
    """Return the whole file, at its end. A large one lies on the disk, without a name."""
    results = gather_results(sheets, record, similarities)
    file = cast(BinaryIO, SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115 – closed when it is sent
    try:
        _write(results, sheets, kind, file)
    except BaseException:
        file.close()
        raise
    return file


def _write(results: SheetResults, sheets: Sheets, kind: str, file: BinaryIO) -> None:
    if kind == "html":
        write_sheet_html(results, sheets, file)
    elif kind == "zip":
        write_sheet_zip(results, sheets, file)
    elif kind == "csv":
        write_sheet_csv(results, file, {})
    elif kind == "json":
        write_sheet_json(results, file, {})
    else:
        write_junit(results, file)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield the file piece by piece, then close it."""
    with file:
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece


def with_baseline(record: SheetRecord, model: str) -> SheetRecord:
    """Return the record as it looks against another baseline; "" is its own. Raises RequestError for no such model."""
    return replace(record, sheet=record.sheet.with_baseline(model)) if model else record


def sheet_word(sheets: Sheets, record: SheetRecord) -> str:
    """Return a word that changes with all that the grid shows of a sheet."""
    progress = sheets.progress(record.id)
    job = None if progress is None else progress.job
    cells = [] if job is None else [(cell.phase.value, cell.step * 4 // max(1, cell.steps)) for cell in job.cells]
    running = None if progress is None else (progress.rows, progress.problem, progress.waiting)
    shown = (record.outcomes, running, job and job.id, cells, measures_of(sheets).ready(record.id))
    return f"{zlib.crc32(repr(shown).encode()):08x}"
