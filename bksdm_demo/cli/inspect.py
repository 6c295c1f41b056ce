"""The command about one Core ML file: its facts, its program as MIL text, or the file written in compiled shape."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bksdm_demo.cli import options, tables
from bksdm_demo.cli.console import answer_path, show
from bksdm_demo.cli.exit_codes import FAILED, OK, UsageError
from bksdm_demo.cli.session import error_sentences, open_services, print_json
from bksdm_demo.library.inspection import find_models, inspect_all, write_listing
from bksdm_demo.mil.compiled_writer import write_compiled
from bksdm_demo.reports.json_report import packages_report


def inspect(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="An .mlpackage or .mlmodelc, or a folder that contains some.")],
    load: Annotated[
        bool, typer.Option("--load", help="Load each model once: the only sure test that this machine runs it.")
    ] = False,
    mil: Annotated[
        bool, typer.Option("--mil", help="Print the whole program as MIL text; for a folder, one program per model.")
    ] = False,
    mlmodelc: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write the .mlpackage as a compiled model, without Apple's own files."),
    ] = None,
    engine: options.EngineOption = None,
    precision: options.PrecisionOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Show what a Core ML file holds: inputs, outputs, operations, weights by width, and what cannot run here.

    The exit code is 1 when this machine cannot run a model.
    """
    if mil or mlmodelc:
        with error_sentences(context):
            if (mil and mlmodelc) or as_json or load:
                raise UsageError("--mil and --mlmodelc cannot be combined with each other, --json or --load.")
            if mlmodelc:
                answer_path(write_compiled(path, mlmodelc))
            else:
                write_listing(find_models(path), sys.stdout)
        raise typer.Exit(OK)
    with error_sentences(context), open_services(context, engine, precision, None) as services:
        inspections = inspect_all(path, services.cache.open_part if load else None)
        if as_json:
            print_json(packages_report([inspection.as_json() for inspection in inspections]))
        else:
            for number, inspection in enumerate(inspections):
                show(
                    *(["", ""] if number else []),
                    tables.facts_text(inspection.facts, inspection.refusal, inspection.run_mode),
                )
    raise typer.Exit(OK if all(inspection.runs for inspection in inspections) else FAILED)
