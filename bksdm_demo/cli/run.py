"""The commands that draw: compare several models, or generate one picture.

Ctrl-C stops a comparison after the current step and writes nothing. A second Ctrl-C stops at once.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TextIO

import typer

from bksdm_demo.cli import options, tables
from bksdm_demo.cli.console import Listing, answer_path, say, show
from bksdm_demo.cli.exit_codes import UsageError, job_code
from bksdm_demo.cli.progress import DrawingProgress
from bksdm_demo.cli.report_files import drawn_material, report_kinds, reports_written
from bksdm_demo.cli.session import error_sentences, open_services, print_json, wrong_usage
from bksdm_demo.environment import unet_precisions
from bksdm_demo.errors import ModelUnavailableError, RequestError
from bksdm_demo.library.catalog import Availability, Catalog, System
from bksdm_demo.parameters.partial_request import PartialRequest, interval
from bksdm_demo.parameters.profiles import EXACT, with_profile
from bksdm_demo.records import Job, Request
from bksdm_demo.reports import folder, json_report
from bksdm_demo.reports.contact_sheet import image_of
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.wording.comparison import reading_notes

ROUNDED = "The U-Net ran in int8: these pictures differ from the published model's."
HEARTBEAT = 1.0  # seconds between two looks at a job, so that Ctrl-C works on every system


def compare(
    context: typer.Context,
    prompt: options.PromptArgument,
    out: Annotated[Path, typer.Option(help="New folder for the pictures, contact-sheet.png and result.json.")],
    models: Annotated[
        str | None, typer.Option(metavar="KEY,KEY,...", help="Models in order.  [default: the embedded family]")
    ] = None,
    seed: options.SeedOption = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="N,N,...", help="Several seeds: every model draws each of them, one row per seed."),
    ] = None,
    steps: options.StepsOption = None,
    guidance: options.GuidanceOption = None,
    scheduler: options.SchedulerOption = None,
    rng: options.RngOption = "numpy",
    negative: options.NegativeOption = "",
    guidance_interval: options.IntervalOption = None,
    forecast: options.ForecastOption = False,
    deep_every: options.DeepEveryOption = None,
    profile: options.ProfileOption = EXACT,
    engine: options.EngineOption = None,
    precision: options.PrecisionOption = None,
    models_dir: options.ModelsDirOption = None,
    overwrite: options.OverwriteOption = False,
    no_metadata: options.NoMetadataOption = False,
    report_files: options.ReportOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Draw one prompt with several models from the same noise, one after the other."""
    with error_sentences(context):
        with wrong_usage():
            folder.check_folder(out, overwrite)
            several = chosen_seeds(seeds, seed)
            kinds = report_kinds(report_files or [], overwrite, out)
        with open_services(context, engine, precision, models_dir) as services:
            systems = chosen_systems(services.catalog, models)
            one_seed = () if seed is None else (seed,)
            partial = PartialRequest(prompt, negative, steps, guidance, scheduler, rng, one_seed)
            partial = with_savings(partial, guidance_interval, forecast, deep_every)
            request = with_profile(partial, profile, services.choices["engine"]).complete(systems[0])
            names = {system.key: system.name for system in systems}
            job = draw(services.comparisons, request, list(names), names, sys.stderr, several)
            environment = services.environment()
        with reports_written(kinds, drawn_material(job, systems, environment, not no_metadata)):
            written = folder.save_job(job, out, environment, names, overwrite, not no_metadata)
        if as_json:
            typer.echo((out / folder.RESULT_NAME).read_text(encoding="utf-8"), nl=False)
        else:
            show(
                tables.comparison_table(job, names, folder.picture_names(job)),
                Listing(f"Written to {out}: ", [path.name for path in written]),
                *(f"Report: {path}" for path in kinds),
            )
    raise typer.Exit(job_code(job))


def generate(
    context: typer.Context,
    prompt: options.PromptArgument,
    model: Annotated[str, typer.Option(metavar="KEY", help="The model; `models` lists them.")],
    out: Annotated[Path, typer.Option(metavar="FILE.png", help="New PNG file.")],
    seed: options.SeedOption = None,
    steps: options.StepsOption = None,
    guidance: options.GuidanceOption = None,
    scheduler: options.SchedulerOption = None,
    rng: options.RngOption = "numpy",
    negative: options.NegativeOption = "",
    guidance_interval: options.IntervalOption = None,
    forecast: options.ForecastOption = False,
    deep_every: options.DeepEveryOption = None,
    profile: options.ProfileOption = EXACT,
    engine: options.EngineOption = None,
    precision: options.PrecisionOption = None,
    models_dir: options.ModelsDirOption = None,
    overwrite: options.OverwriteOption = False,
    no_metadata: options.NoMetadataOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """Draw one picture with one model."""
    with error_sentences(context):
        with wrong_usage():
            folder.check_picture_path(out, overwrite)
        with open_services(context, engine, precision, models_dir) as services:
            system = services.catalog.get(model)
            one_seed = () if seed is None else (seed,)
            partial = PartialRequest(prompt, negative, steps, guidance, scheduler, rng, one_seed)
            partial = with_savings(partial, guidance_interval, forecast, deep_every)
            request = with_profile(partial, profile, services.choices["engine"]).complete(system)
            job = draw(services.comparisons, request, [system.key], {system.key: system.name}, sys.stderr)
            environment = services.environment()
        (cell,) = job.cells
        drawn = cell.result is not None and image_of(cell) is not None
        if cell.result is not None and drawn:
            folder.save_picture(cell.result, out, environment, system.name, overwrite, not no_metadata)
        if as_json:
            files = {0: str(out)} if drawn else {}
            print_json(json_report.job_report(job, {system.key: system.name}, files, environment))
        elif drawn:
            answer_path(out)
    raise typer.Exit(job_code(job))


def chosen_systems(catalog: Catalog, keys: str | None) -> list[System]:
    """The systems of a comma-separated list, each once; without a list, the available ones of the embedded family.

    Raises RequestError for an empty list, ModelUnavailableError for a system that is not on this machine.
    """
    if keys is None:
        found = [system for system in catalog.systems() if system.availability is Availability.EMBEDDED]
        if not found:
            raise ModelUnavailableError("The embedded family is missing; name other models with --models.")
        return found
    wanted = dict.fromkeys(key.strip() for key in keys.split(",") if key.strip())
    if not wanted:
        raise RequestError("--models names no model; give keys with commas between them, as `models` lists them.")
    return [catalog.get(key) for key in wanted]


def chosen_seeds(text: str | None, seed: int | None) -> tuple[int, ...]:
    """The whole numbers of a comma-separated list, () for no list.

    Raises UsageError for anything else, and where a single seed is given as well.
    """
    if text is None:
        return ()
    if seed is not None:
        raise UsageError("--seed and --seeds are both given; give only one of them.")
    words = [word.strip() for word in text.split(",") if word.strip()]
    try:
        seeds = tuple(int(word) for word in words)
    except ValueError as error:
        raise UsageError(f"--seeds is {text!r}; give whole numbers with commas between them, such as 1,2,3.") from error
    if not seeds:
        raise UsageError("--seeds names no seed; give whole numbers with commas between them, such as 1,2,3.")
    return seeds


def with_savings(
    partial: PartialRequest, guidance_interval: str | None, forecast: bool, deep_every: int | None
) -> PartialRequest:
    """The partial request with the options that save evaluations; None for those that nobody stated."""
    acts = None if guidance_interval is None else interval(guidance_interval)
    return replace(partial, guidance_interval=acts, forecast=forecast or None, deep_every=deep_every)


def draw(
    comparisons: Comparisons,
    request: Request,
    keys: Sequence[str],
    names: Mapping[str, str],
    stream: TextIO,
    seeds: Sequence[int] = (),
) -> Job:
    """Run a comparison to its end with progress on `stream`. The job comes back with its pictures in memory.

    KeyboardInterrupt stops it after the current step and is raised again then; a second one at once.
    """
    submitted = comparisons.submit(request, keys, seeds=seeds)
    drawn = submitted.seeds
    say(f"{'Seeds' if len(drawn) > 1 else 'Seed'} {', '.join(map(str, drawn))}", stream)
    with DrawingProgress(stream, names) as progress:
        try:
            finished = _follow(comparisons, submitted, progress)
        except KeyboardInterrupt:
            progress.print("Stopping after the current step; press Ctrl-C again to stop at once.")
            _follow(comparisons, comparisons.cancel(submitted.id), progress)
            raise
    for note in reading_notes(finished):
        say(note, stream)
    if "int8" in unet_precisions(finished.environment):
        say(ROUNDED, stream)
    return comparisons.with_pictures(finished)


def _follow(comparisons: Comparisons, job: Job, progress: DrawingProgress) -> Job:
    newest = job
    for newest in comparisons.watch(job.id, HEARTBEAT):
        progress.show(newest)
    return newest
