"""The commands about stored comparisons: list those that the page stored, and write a report on one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bksdm_demo.cli import options, tables
from bksdm_demo.cli.console import answer_path, show
from bksdm_demo.cli.report_files import report_kinds, reports_written
from bksdm_demo.cli.session import error_sentences, open_stored, print_json, wrong_usage
from bksdm_demo.reports.formats import gather_material
from bksdm_demo.reports.json_report import history_report
from bksdm_demo.store.contract import MOST_PER_PAGE, Filter


def history(
    context: typer.Context,
    text: Annotated[
        str, typer.Option(metavar="WORDS", callback=options.in_utf8, help="Only prompts with all of these words.")
    ] = "",
    model: Annotated[
        str | None, typer.Option(metavar="KEY", callback=options.in_utf8, help="Only comparisons with this model.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_PER_PAGE, help="How many to list, newest first.")] = 20,
    data_dir: options.DataDirOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """List the comparisons that the page on this machine stored, newest first."""
    with error_sentences(context), open_stored(context, data_dir) as services:
        page = services.comparisons.gallery(Filter(model=model, text=text), limit=limit)
        if as_json:
            print_json(history_report(page))
        else:
            show(tables.history_table(page))


def report(
    context: typer.Context,
    job_id: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            callback=options.in_utf8,
            help="A stored comparison; `history` lists them. Put -- before an id that begins with a dash.",
        ),
    ],
    out: Annotated[
        list[Path],
        typer.Option(metavar=options.REPORT_FILE, help="New file; may be given several times."),
    ],
    base_url: Annotated[
        str,
        typer.Option(
            metavar="URL",
            callback=options.in_utf8,
            help="The page's address, for the link that opens the comparison again.",
        ),
    ] = "",
    data_dir: options.DataDirOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file of that name.")] = False,
) -> None:
    """Write a stored comparison into one file: HTML that opens anywhere, ZIP, CSV or JSON."""
    with error_sentences(context):
        with wrong_usage():
            kinds = report_kinds(out, overwrite)
        with (
            open_stored(context, data_dir) as services,
            reports_written(kinds, gather_material(services.comparisons, job_id, base_url)),
        ):
            pass
        for path in kinds:
            answer_path(path)
