"""The command line: compare, generate, models, fetch, inspect; of what a page has kept: history, report.

Answers go to stdout (tables, or JSON with --json), progress and errors to stderr, an error as one sentence. Exit codes
are the contract of `EXIT_CODES`. Leaves out serving the page, which is app.py's, and every default that a model
recommends: those come from the catalogue.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from bksdm_demo.cli import history, tables
from bksdm_demo.cli.reports import chosen_reports, drawn_material, written_reports
from bksdm_demo.cli.run import (
    FAILED,
    OK,
    UsageError,
    Wish,
    bring,
    chosen_seeds,
    chosen_systems,
    draw,
    inspect_all,
    job_code,
    list_programs,
)
from bksdm_demo.cli.session import Shell, answer, opened, sentences, usage
from bksdm_demo.engines.base import PRECISIONS
from bksdm_demo.engines.registry import engine_choices
from bksdm_demo.library.sharing import find_sharing
from bksdm_demo.mil.compiled_writer import write_compiled
from bksdm_demo.records import GENERATORS, GUIDANCE_RANGE, SCHEDULERS, SEED_LIMIT, STEPS_RANGE
from bksdm_demo.reports import folder, formats, json_report
from bksdm_demo.reports.contact_sheet import image_of
from bksdm_demo.settings import default_models_dir, from_environment
from bksdm_demo.start import memory_estimates, start

EXIT_CODES = """\b
Exit codes:
  0    all pictures were drawn
  1    a model failed or a file could not be written; the other models' pictures are there
  2    wrong usage: an unknown option, a value out of range, a place that cannot be written to
  3    the safety checker blocked at least one picture, and nothing failed
  4    a model or file is not there or cannot be read
  130  interrupted (Ctrl-C); nothing was written, and of a download what had come is kept"""

app = typer.Typer(
    help="Compare Core ML text-to-image pipelines side by side: the same prompt, the same noise, several models.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and the log instead of sentences.")] = False,
) -> None:
    context.obj = Shell(context.obj or start, debug)


def _choices(*names: str) -> str:
    return "|".join(names)


PromptArgument = Annotated[
    str, typer.Argument(help="What the picture should show. Words that exceed the model's length are told.")
]
NegativeOption = Annotated[str, typer.Option("--negative", help="What the picture should not show.")]
SeedOption = Annotated[
    int | None,
    typer.Option(min=0, max=SEED_LIMIT - 1, help="Start of the noise.  [default: chosen by chance and told]"),
]
StepsOption = Annotated[
    int | None,
    typer.Option(min=STEPS_RANGE[0], max=STEPS_RANGE[1], help="Denoising steps.  [default: as the model recommends]"),
]
GuidanceOption = Annotated[
    float | None,
    typer.Option(
        min=GUIDANCE_RANGE[0],
        max=GUIDANCE_RANGE[1],
        help="Classifier-free guidance scale, without unit; 1 turns it off.  [default: as the model recommends]",
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(metavar=_choices(*SCHEDULERS), help="Sampling method.  [default: as the model recommends]"),
]
RngOption = Annotated[
    str,
    typer.Option(
        "--rng",
        metavar=_choices(*GENERATORS),
        help="Whose noise a seed means: numpy (as Apple's Swift pipeline) or torch (as diffusers on a CPU).",
    ),
]
EngineOption = Annotated[
    str | None,
    typer.Option(metavar=_choices(*engine_choices()), help="What runs the models.  [default: auto]"),
]
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        metavar=_choices(*PRECISIONS),
        help="Arithmetic of the U-Net and decoder; int8 rounds the U-Net alone, away from the published numerics.  "
        "[default: auto]",
    ),
]
ModelsDirOption = Annotated[
    Path | None, typer.Option(help="A folder of further model folders.  [default: $BKSDM_MODELS_DIR]")
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result of this program.")]
BareOption = Annotated[bool, typer.Option("--no-metadata", help="Write pictures without prompt and parameters inside.")]
ReportOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--report",
        metavar="FILE." + _choices(*formats.KINDS),
        help="New file with everything to hand over, outside --out; may be given several times.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout.")]


@app.command(epilog=EXIT_CODES)
def compare(
    context: typer.Context,
    prompt: PromptArgument,
    out: Annotated[Path, typer.Option(help="New folder for the pictures, contact-sheet.png and result.json.")],
    models: Annotated[
        str | None, typer.Option(metavar="KEY,KEY,...", help="Models in order.  [default: the embedded family]")
    ] = None,
    seed: SeedOption = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="N,N,...", help="Several starts: every model draws every seed, a row of pictures each."),
    ] = None,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    scheduler: SchedulerOption = None,
    rng: RngOption = "numpy",
    negative: NegativeOption = "",
    engine: EngineOption = None,
    precision: PrecisionOption = None,
    models_dir: ModelsDirOption = None,
    overwrite: OverwriteOption = False,
    no_metadata: BareOption = False,
    report_files: ReportOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw one prompt with several models from the same noise, one after the other."""
    with sentences(context):
        with usage():
            folder.check_folder(out, overwrite)
            several = chosen_seeds(seeds, seed)
            wanted = chosen_reports(report_files or [], overwrite, out)
        with opened(context, engine, precision, models_dir) as services:
            systems = chosen_systems(services.catalog, models)
            request = Wish(prompt, negative, seed, steps, guidance, scheduler, rng).request(systems[0])
            names = {system.key: system.name for system in systems}
            job = draw(services.comparisons, request, list(names), names, sys.stderr, several)
            environment = services.environment()
        with written_reports(wanted, drawn_material(job, systems, environment, not no_metadata)):
            written = folder.save_job(job, out, environment, names, overwrite, not no_metadata)
        if as_json:
            typer.echo((out / folder.RESULT_NAME).read_text(encoding="utf-8"), nl=False)
        else:
            typer.echo(tables.comparison_table(job, names, folder.picture_names(job)))
            typer.echo(f"Written to {out}: {', '.join(path.name for path in written)}")
            for path in wanted:
                typer.echo(f"Report: {path}")
    raise typer.Exit(job_code(job))


@app.command(epilog=EXIT_CODES)
def generate(
    context: typer.Context,
    prompt: PromptArgument,
    model: Annotated[str, typer.Option(metavar="KEY", help="The model; `models` lists them.")],
    out: Annotated[Path, typer.Option(metavar="FILE.png", help="New PNG file.")],
    seed: SeedOption = None,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    scheduler: SchedulerOption = None,
    rng: RngOption = "numpy",
    negative: NegativeOption = "",
    engine: EngineOption = None,
    precision: PrecisionOption = None,
    models_dir: ModelsDirOption = None,
    overwrite: OverwriteOption = False,
    no_metadata: BareOption = False,
    as_json: JsonOption = False,
) -> None:
    """Draw one picture with one model."""
    with sentences(context):
        with usage():
            folder.check_picture_path(out, overwrite)
        with opened(context, engine, precision, models_dir) as services:
            system = services.catalog.get(model)
            request = Wish(prompt, negative, seed, steps, guidance, scheduler, rng).request(system)
            job = draw(services.comparisons, request, [system.key], {system.key: system.name}, sys.stderr)
            environment = services.environment()
        (cell,) = job.cells
        drawn = cell.result is not None and image_of(cell) is not None
        if cell.result is not None and drawn:
            folder.save_picture(cell.result, out, environment, system.name, overwrite, not no_metadata)
        if as_json:
            files = {0: str(out)} if drawn else {}
            answer(json_report.job_report(job, {system.key: system.name}, files, environment))
        elif drawn:
            typer.echo(str(out))
    raise typer.Exit(job_code(job))


@app.command(epilog=EXIT_CODES)
def models(context: typer.Context, models_dir: ModelsDirOption = None, as_json: JsonOption = False) -> None:
    """List the models: size on disk (1 MB = 1,000,000 bytes), weights, where they are, and which parts they share."""
    with sentences(context), opened(context, None, None, models_dir) as services:
        systems = services.catalog.systems()
        sharing = find_sharing(systems)
        if as_json:
            answer(json_report.systems_report(systems, sharing))
        else:
            typer.echo(tables.systems_table(systems, sharing))


@app.command(epilog=EXIT_CODES)
def fetch(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="A published model; `models` lists them.")],
    attention: Annotated[
        str | None, typer.Option(metavar="KIND", help="Another conversion of it, such as original.")
    ] = None,
    models_dir: Annotated[
        Path | None,
        typer.Option(help="Where to put it.  [default: $BKSDM_MODELS_DIR, or this system's folder for data]"),
    ] = None,
) -> None:
    """Download a published model from the hub, verified; after an interrupt it goes on where it stopped."""
    with sentences(context):
        with usage():
            settings = from_environment(os.environ)
        folder = models_dir or settings.models_dir or default_models_dir(os.environ)
        need = memory_estimates(settings).get(key)
        typer.echo(str(bring(key, folder, attention, sys.stderr, need).folder))


@app.command(epilog=EXIT_CODES)
def inspect(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="An .mlpackage or .mlmodelc, or a folder with some in it.")],
    load: Annotated[
        bool, typer.Option("--load", help="Load each package once: the last word on whether this machine runs it.")
    ] = False,
    mil: Annotated[
        bool, typer.Option("--mil", help="List the program itself, whole, as MIL text; of several files one by one.")
    ] = False,
    mlmodelc: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write the .mlpackage in the shape of a compiled model, without Apple's own files."
        ),
    ] = None,
    engine: EngineOption = None,
    precision: PrecisionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a Core ML file holds: inputs, outputs, operations, weights by width, and what cannot run here.

    Exits with 1 when this machine cannot run a package.
    """
    if mil or mlmodelc:
        with sentences(context):
            if (mil and mlmodelc) or as_json or load:
                raise UsageError("--mil and --mlmodelc go with no other question; ask one at a time.")
            if mlmodelc:
                typer.echo(str(write_compiled(path, mlmodelc)))
            else:
                list_programs(path, sys.stdout)
        raise typer.Exit(OK)
    with sentences(context), opened(context, engine, precision, None) as services:
        inspections = inspect_all(path, services.cache.open_part if load else None)
        if as_json:
            answer(json_report.packages_report([inspection.as_json() for inspection in inspections]))
        else:
            texts = [tables.facts_text(inspection.facts, inspection.refusal) for inspection in inspections]
            typer.echo("\n\n\n".join(texts))
    raise typer.Exit(OK if all(inspection.runs for inspection in inspections) else FAILED)


app.command(epilog=EXIT_CODES)(history.history)
app.command(epilog=EXIT_CODES)(history.report)
