"""The command that measures: several models in interleaved rounds, or the times of stored comparisons.

Ctrl-C stops at once and writes nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bksdm_demo.cli import options
from bksdm_demo.cli.console import say, show
from bksdm_demo.cli.exit_codes import UsageError
from bksdm_demo.cli.lab_tables import lab_tables, stored_table
from bksdm_demo.cli.run import chosen_systems, with_savings
from bksdm_demo.cli.session import error_sentences, open_services, open_stored, print_json, wrong_usage
from bksdm_demo.evaluation.lab import ROUNDS_RANGE, measure
from bksdm_demo.evaluation.lab_files import lab_report, write_json, write_samples
from bksdm_demo.evaluation.lab_summary import summarise
from bksdm_demo.evaluation.stored_times import stored_report, stored_rows
from bksdm_demo.parameters.partial_request import PartialRequest
from bksdm_demo.parameters.profiles import EXACT, with_profile
from bksdm_demo.records import Job
from bksdm_demo.reports.folder import check_file, exported_files
from bksdm_demo.start import Services
from bksdm_demo.store.contract import MOST_PER_PAGE

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes; of getrusage's ru_maxrss


def lab(
    context: typer.Context,
    prompt: Annotated[
        str | None,
        typer.Argument(callback=options.in_utf8, help="What the pictures should show; they are not kept."),
    ] = None,
    models: Annotated[
        str | None, typer.Option(metavar="KEY,KEY,...", help="Models.  [default: the embedded family]")
    ] = None,
    repeat: Annotated[int, typer.Option(min=ROUNDS_RANGE[0], max=ROUNDS_RANGE[1], help="Measured rounds.")] = 10,
    reference: Annotated[
        str | None, typer.Option(metavar="KEY", help="The model that speeds refer to.  [default: the first]")
    ] = None,
    seed: options.SeedOption = 0,
    steps: options.StepsOption = None,
    guidance: options.GuidanceOption = None,
    scheduler: options.SchedulerOption = None,
    guidance_interval: options.IntervalOption = None,
    forecast: options.ForecastOption = False,
    deep_every: options.DeepEveryOption = None,
    profile: options.ProfileOption = EXACT,
    engine: options.EngineOption = None,
    precision: options.PrecisionOption = None,
    models_dir: options.ModelsDirOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="New file for every time, the summary and the machine.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="New file with a row per picture.")] = None,
    stored: Annotated[
        bool, typer.Option("--stored", help="Measure nothing; show the times of the page's stored comparisons.")
    ] = False,
    data_dir: options.DataDirOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files of these names.")] = False,
    as_json: options.JsonOption = False,
) -> None:
    """Measure models in interleaved rounds: medians, speeds with 95 % intervals, and the reference with fewer steps."""
    with error_sentences(context):
        if stored:
            with open_stored(context, data_dir) as services:
                _show_stored(services, as_json)
            return
        if prompt is None:
            raise UsageError("The prompt is missing; say what to draw, or pass --stored to see stored times.")
        files = [path for path in (out, csv) if path is not None]
        with wrong_usage():
            for path in files:
                check_file(path, overwrite)
            if len(set(files)) < len(files):
                raise UsageError(f"{files[0]} is named twice; name each file once.")
        with open_services(context, engine, precision, models_dir) as services:
            systems = chosen_systems(services.catalog, models)
            partial = PartialRequest(prompt, "", steps, guidance, scheduler, None, (seed or 0,))
            partial = with_savings(partial, guidance_interval, forecast, deep_every)
            request = with_profile(partial, profile, services.choices["engine"]).complete(systems[0])
            names = {system.key: system.name for system in systems}
            measurement = measure(
                services.cache,
                request,
                list(names),
                repeat,
                reference,
                lambda line: say(line, sys.stderr),
            )
            peak = peak_bytes(services)
            environment = services.environment()
        summary = summarise(measurement)
        record = lab_report(measurement, summary, environment, peak)
        with exported_files(files) as streams:
            if out is not None:
                write_json(record, streams[out])
            if csv is not None:
                write_samples(measurement, streams[csv])
        if as_json:
            print_json(record)
        else:
            show(lab_tables(measurement, summary, names, peak), *(f"Written: {path}" for path in files))


def peak_bytes(services: Services) -> int | None:
    """The most memory that this process has held, in bytes; None if unknown, as where models run in others."""
    if services.processes is not None or resource is None:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT


def _show_stored(services: Services, as_json: bool) -> None:
    jobs: list[Job] = []
    offset = 0
    while (page := services.comparisons.gallery(offset=offset, limit=MOST_PER_PAGE)).total > offset:
        jobs += page.jobs
        offset += MOST_PER_PAGE
    rows = stored_rows(jobs)
    if as_json:
        print_json(stored_report(rows))
    else:
        show(stored_table(rows))
