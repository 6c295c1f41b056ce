"""The options and arguments that several commands share, as annotations for typer.

An option that is not given is None: the model's recommendation, the settings or chance then decide.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bksdm_demo.engines.base import PRECISIONS
from bksdm_demo.engines.registry import engine_choices
from bksdm_demo.parameters.profiles import PROFILE_NAMES
from bksdm_demo.records import GENERATORS, GUIDANCE_RANGE, SCHEDULERS, SEED_LIMIT, STEPS_RANGE
from bksdm_demo.reports.formats import KINDS


def in_utf8(text: str | None) -> str | None:
    """The text of an argument, which is UTF-8 whatever the locale says. Raises BadParameter for any other bytes."""
    try:
        return None if text is None else os.fsencode(text).decode()
    except UnicodeDecodeError as error:
        raise typer.BadParameter("it holds bytes that are not UTF-8; type it again, or convert it.") from error


def _choices(*names: str) -> str:
    return "|".join(names)


REPORT_FILE = "FILE." + _choices(*KINDS)

PromptArgument = Annotated[
    str,
    typer.Argument(
        callback=in_utf8,
        help="What the picture should show. A warning lists the words beyond the model's text length.",
    ),
]
NegativeOption = Annotated[str, typer.Option("--negative", callback=in_utf8, help="What the picture should not show.")]
SeedOption = Annotated[
    int | None,
    typer.Option(min=0, max=SEED_LIMIT - 1, help="Seed of the start noise.  [default: random, and printed]"),
]
StepsOption = Annotated[
    int | None,
    typer.Option(
        min=STEPS_RANGE[0], max=STEPS_RANGE[1], help="Denoising steps.  [default: the model's recommendation]"
    ),
]
GuidanceOption = Annotated[
    float | None,
    typer.Option(
        min=GUIDANCE_RANGE[0],
        max=GUIDANCE_RANGE[1],
        help="Classifier-free guidance scale; 1 turns guidance off.  [default: the model's recommendation]",
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(metavar=_choices(*SCHEDULERS), help="Sampling method.  [default: the model's recommendation]"),
]
RngOption = Annotated[
    str,
    typer.Option(
        "--rng",
        metavar=_choices(*GENERATORS),
        help="Generator of the start noise: numpy (as in Apple's Swift pipeline) or torch (as in diffusers on a CPU).",
    ),
]
IntervalOption = Annotated[
    str | None,
    typer.Option(
        metavar="A:B",
        help="The share of the steps that guidance acts in, such as 0:0.5 or 0.2:0.8. The other steps run the prompt's "
        "half of the U-Net alone.  [default: 0:1]",
    ),
]
ForecastOption = Annotated[
    bool, typer.Option("--forecast", help="Skip some evaluations of the U-Net, 9 of 20; pictures differ a little.")
]
ProfileOption = Annotated[
    str,
    typer.Option(
        metavar=_choices(*PROFILE_NAMES),
        help="A set of the three options above, chosen by measurement; what is stated beside it counts.",
    ),
]
DeepEveryOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Run the deep layers of the U-Net in every N-th step only, and reuse what they gave. Pictures differ.  "
        "[default: 1]",
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
        help="Arithmetic of the U-Net and the image decoder. int8 rounds the U-Net only, and its pictures differ from "
        "the published model's.  [default: auto]",
    ),
]
ModelsDirOption = Annotated[
    Path | None, typer.Option(help="A folder with more model folders.  [default: $BKSDM_MODELS_DIR]")
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(help="The folder where the page stores comparisons.  [default: $BKSDM_DATA_DIR, or the page's own]"),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result of this program.")]
NoMetadataOption = Annotated[
    bool, typer.Option("--no-metadata", help="Write the pictures without their prompt and parameters.")
]
ReportOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--report",
        metavar=REPORT_FILE,
        help="Also write a report: a new file outside --out. May be given several times.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout.")]
