"""The command that draws a sheet: many requests with several models, resumable, with a report and assertions for CI."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from bksdm_demo.cli import options
from bksdm_demo.cli.console import Listing, Rows, say, show
from bksdm_demo.cli.exit_codes import FAILED, INTERRUPTED, OK, UNAVAILABLE, USAGE, UsageError
from bksdm_demo.cli.run import chosen_systems
from bksdm_demo.cli.session import error_sentences, wrong_usage
from bksdm_demo.cli.sheet_files import STORE, check_sheet_folder, write_sheet_files
from bksdm_demo.cli.sheet_progress import SheetProgress
from bksdm_demo.errors import CancelledError
from bksdm_demo.evaluation.axes import Axis, read_axis
from bksdm_demo.evaluation.sheet import Sheet
from bksdm_demo.evaluation.sheet_draft import Draft
from bksdm_demo.evaluation.sheet_reader import read_sheet
from bksdm_demo.evaluation.sheet_results import NOT_DRAWN, SheetResults, failed, gather_results
from bksdm_demo.evaluation.sheet_starters import STARTERS, starter
from bksdm_demo.evaluation.sheet_view import models_table, status_words
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.operator_limits import UNLIMITED
from bksdm_demo.runs.fairness import NOBODY
from bksdm_demo.settings import QUOTA_RANGE, from_environment
from bksdm_demo.start import Services
from bksdm_demo.store.contract import StoreError
from bksdm_demo.store.sqlite import INDEX_NAME
from bksdm_demo.units import format_bytes

SOME_FAILED = 3
SHEET_EXIT_CODES = f"""\b
Exit codes:
  {OK}    every picture was drawn or blocked, and every assertion holds
  {FAILED}    an assertion does not hold, or a file could not be written
  {USAGE}    wrong usage: an unknown option, a sheet that cannot be read, a folder that cannot be written to
  {SOME_FAILED}    some pictures could not be drawn; every assertion that can be checked holds
  {UNAVAILABLE}    a model is missing or cannot be read
  {INTERRUPTED}  interrupted (Ctrl-C): finished pictures are stored, and the same command goes on"""
STOPPED = "Stopped. Every finished picture is stored; the same command goes on with the others."


def sheet(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV, TSV, JSON, YAML, or a text with a prompt per line; or a starter sheet: " + ", ".join(STARTERS),
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the store, the report and the pictures.")],
    models: Annotated[
        str | None,
        typer.Option(metavar="KEY,KEY,...", help="Models in order.  [default: the sheet's, or the embedded family]"),
    ] = None,
    baseline: Annotated[
        str,
        typer.Option(metavar="KEY", help="The model that the others are compared with.  [default: the first]"),
    ] = "",
    axis: Annotated[
        list[str] | None,
        typer.Option(
            callback=lambda texts: [options.in_utf8(text) for text in texts or []],
            metavar="LINE",
            help='Multiply all rows: "steps 5, 10, 20", "seeds 1..8", "scheduler all". May be given several times.',
        ),
    ] = None,
    limits: Annotated[
        list[str] | None,
        typer.Option(
            "--assert",
            metavar="NAME=VALUE",
            help="Hold every row: max_seconds=5, not_blocked=yes, min_psnr_to_baseline=30, min_haarpsi_to_baseline=0.9",
        ),
    ] = None,
    archive: Annotated[bool, typer.Option("--zip", help="Write everything into DIR/sheet.zip too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check the sheet and say what it costs.")] = False,
    engine: options.EngineOption = None,
    precision: options.PrecisionOption = None,
    models_dir: options.ModelsDirOption = None,
) -> None:
    """Draw a sheet: many requests with several models. The same command goes on where it was stopped or killed.

    DIR gets report.html, sheet.csv, sheet.json, junit.xml and pictures. Cells that are drawn already are not drawn
    again, even if the sheet has changed, as long as model, request and engine are the same.
    """
    with error_sentences(context):
        with wrong_usage():
            draft, axes, asked = _read(file), [read_axis(text) for text in axis or []], _limits(limits or [])
            check_sheet_folder(out)
        with _services(context, out / STORE, dry_run, engine, precision, models_dir) as services:
            made = _completed(services, draft, models, axes, baseline, asked)
            sheets = Sheets(services.comparisons)
            say(f"{made.cells:,} cells: {sheets.cost(made).words}.", sys.stderr)
            if dry_run:
                raise typer.Exit(OK)
            results = _drawn(sheets, made)
            written = write_sheet_files(results, sheets, out, archive=archive)
        table = models_table(results)
        show(
            f"{status_words(results)}.",
            Rows(table.heads, table.rows, {"Model"}),
            Listing(f"Written to {out}: ", [_named(path) for path in written]),
        )
    raise typer.Exit(_code(results))


def _read(file: Path) -> Draft:
    """The sheet of a file, or the starter sheet of that name if there is no such file."""
    if not file.exists() and str(file) in STARTERS:
        return starter(str(file))
    try:
        return read_sheet(file.read_bytes(), file.name)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}.") from error


def _limits(texts: Sequence[str]) -> dict[str, Any]:
    """The assertions of --assert. Raises UsageError for a text without "="."""
    pairs = [text.partition("=") for text in texts]
    for text, (_, sign, _) in zip(texts, pairs, strict=True):
        if not sign:
            raise UsageError(f"--assert is {text!r:.60}; write NAME=VALUE, such as max_seconds=5.")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _completed(
    services: Services,
    draft: Draft,
    models: str | None,
    axes: Sequence[Axis],
    baseline: str,
    limits: dict[str, Any],
) -> Sheet:
    systems = chosen_systems(services.catalog, models if models is not None else ",".join(draft.models) or None)
    keys = [system.key for system in systems]
    return draft.complete(keys, systems[0], axes=axes, baseline=baseline, limits=limits)


@contextmanager
def _services(
    context: typer.Context,
    folder: Path,
    dry_run: bool,
    engine: str | None,
    precision: str | None,
    models_dir: Path | None,
) -> Iterator[Services]:
    """The services over the sheet's own store, which expires nothing. A dry run makes no store."""
    with wrong_usage():
        settings = from_environment(os.environ).override(
            engine=engine, precision=precision, models_dir=models_dir, limits=UNLIMITED
        )
        data_dir = None if dry_run and not (folder / INDEX_NAME).is_file() else folder
        services: Services = context.obj.start(
            replace(settings, data_dir=data_dir, quota_gb=QUOTA_RANGE[1], keep_days=0.0)
        )
    with closing(services):
        if services.comparisons.problem:
            raise StoreError(f"{folder}: {services.comparisons.problem}")
        if services.comparisons.note:
            say(services.comparisons.note, sys.stderr)
        yield services


def _drawn(sheets: Sheets, made: Sheet) -> SheetResults:
    """Run the sheet to its end and compare its pictures. Raises CancelledError for an interrupt."""
    record = sheets.create(made, sheet_id=_id_of(made))
    names = {key: system.name for key, system in sheets.comparisons.catalog.by_key().items()}
    try:
        with SheetProgress(sys.stderr, made, names) as progress:
            last = sheets.run(record.id, NOBODY, progress.show)
            if last.problem:
                progress.print(last.problem)
            total = len(made.rows)
            return gather_results(
                sheets,
                sheets.get(record.id),
                report=lambda ready, _: progress.change("comparing pictures", f"row {ready} of {total}", ready / total),
            )
    except KeyboardInterrupt as interrupt:
        raise CancelledError(STOPPED) from interrupt


def _id_of(made: Sheet) -> str:
    """An id that the same rows and models have again, so that a rerun continues the record."""
    content = json.dumps([[asdict(row.request) for row in made.rows], made.models], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _named(path: Path) -> str:
    """ "report.html (1.2 MB)"; a folder has no size."""
    return f"{path.name} ({format_bytes(path.stat().st_size)})" if path.is_file() else path.name


def _code(results: SheetResults) -> int:
    if results.failures:
        return FAILED
    return SOME_FAILED if failed(results) or results.count(NOT_DRAWN) else OK
