"""Commands about the comparisons that a page has kept: list them, and write a report on one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bksdm_demo.cli import tables
from bksdm_demo.cli.reports import chosen_reports, written_reports
from bksdm_demo.cli.session import answer, kept, sentences, usage
from bksdm_demo.reports.formats import KINDS, gather
from bksdm_demo.reports.json_report import history_report
from bksdm_demo.store.contract import MOST_PER_PAGE, Filter

DataDirOption = Annotated[
    Path | None, typer.Option(help="The page's folder of comparisons.  [default: $BKSDM_DATA_DIR, or as the page's]")
]


def history(
    context: typer.Context,
    text: Annotated[str, typer.Option(metavar="WORDS", help="Only prompts with all of these words.")] = "",
    model: Annotated[str | None, typer.Option(metavar="KEY", help="Only comparisons with this model.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_PER_PAGE, help="The newest so many.")] = 20,
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout.")] = False,
) -> None:
    """List the comparisons that the page on this machine has kept, newest first."""
    with sentences(context), kept(context, data_dir) as services:
        page = services.comparisons.gallery(Filter(model=model, text=text), limit=limit)
        if as_json:
            answer(history_report(page.jobs, page.total))
        else:
            typer.echo(tables.history_table(page.jobs, page.total))


def report(
    context: typer.Context,
    job_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="A kept comparison; `history` lists them. Before one that begins with a dash goes --."
        ),
    ],
    out: Annotated[
        list[Path],
        typer.Option(metavar="FILE." + "|".join(KINDS), help="New file; may be given several times."),
    ],
    base_url: Annotated[
        str, typer.Option(metavar="URL", help="The page's address, for the link that shows the comparison again.")
    ] = "",
    data_dir: DataDirOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file of that name.")] = False,
) -> None:
    """Write everything about a kept comparison into one file: HTML that opens anywhere, ZIP, CSV or JSON."""
    with sentences(context):
        with usage():
            wanted = chosen_reports(out, overwrite)
        with (
            kept(context, data_dir) as services,
            written_reports(wanted, gather(services.comparisons, job_id, base_url)),
        ):
            pass
        for path in wanted:
            typer.echo(str(path))
