"""Plots what compression costs: pictures that are right, by kind of prompt, against the seconds that a picture takes.

    python -m training.scenes.plot [--report training/work/scenes-evaluation/report.json] [--out FILE]

Reads the report of training.scenes.evaluate. Filled marks are prompts of trained combinations, hollow ones of
combinations that no training had; bars are 95 % intervals. Names carry the U-Net's parameters, in millions. Shown are
the original with all and with fewer steps, the students, and both kinds of controls, as far as the report has them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.plot import INK, command
from training.scenes.evaluate import OUT as FOLDER
from training.scenes.prompts import COUNTS, NEVER, TRAINED

GRID = "#e4e4e4"
COLUMNS = 3


@dataclass(frozen=True)
class Sort:
    """Systems of one colour and mark: their name in the legend, and a pattern of their keys."""

    name: str
    keys: str
    colour: str
    mark: str


ORIGINAL = Sort("original", "emoji-original", "#202020", "D")
STUDENTS = Sort("student", "emoji-(base|small|tiny)", "#1b6ca8", "o")
SORTS = (
    ORIGINAL,
    Sort("original, fewer steps", r"emoji-original, \d+ steps", "#202020", "v"),
    STUDENTS,
    Sort("control: no features", "emoji-.*-plain", "#d98324", "s"),
    Sort("control: from scratch", "emoji-.*-scratch", "#8a8a8a", "^"),
)


def systems_of(report: Mapping[str, Any], sort: Sort) -> list[str]:
    """The keys of the report's systems of a sort, the slowest first."""
    found = [key for key in report["costs"] if re.fullmatch(sort.keys, key)]
    return sorted(found, key=lambda key: -report["costs"][key]["seconds"])


def points(report: Mapping[str, Any], kind: str, sort: Sort) -> Iterator[tuple[str, str, float, dict[str, float]]]:
    """(key, part, seconds, interval in percent) of every system of a sort and both parts."""
    for key in systems_of(report, sort):
        for part, share in report["shares"][key][kind].items():
            percent = {name: 100 * share[name] for name in ("low", "value", "high")}
            yield key, part, report["costs"][key]["seconds"], percent


def panel(axes: Axes, report: Mapping[str, Any], kind: str) -> None:
    """One kind of prompt."""
    for sort in SORTS:
        for key, part, seconds, share in points(report, kind, sort):
            axes.errorbar(
                seconds * (1.012 if part == NEVER else 0.988),
                share["value"],
                [[share["value"] - share["low"]], [share["high"] - share["value"]]],
                fmt=sort.mark,
                color=sort.colour,
                mfc="white" if part == NEVER else sort.colour,
                capsize=2,
                lw=0.8,
                ms=5,
            )
            if part == TRAINED and sort in (ORIGINAL, STUDENTS):
                millions = report["costs"][key]["parameters"] / 1e6
                name = f"{key.removeprefix('emoji-')}\n{millions:.1f}"
                axes.annotate(name, (seconds, -14), ha="center", va="bottom", fontsize=7, color=INK)
    axes.set_title(kind, fontsize=10, color=INK)
    axes.set_ylim(-16, 105)  # the lowest strip holds the names
    axes.grid(axis="y", color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def draw(report: Mapping[str, Any]) -> Figure:
    if not report["costs"]:
        raise SystemExit("the report has no system: run python -m training.scenes.evaluate")
    figure = Figure(figsize=(10, 8), layout="constrained")
    panels = figure.subplots(-(-len(COUNTS) // COLUMNS), COLUMNS, sharex=True, sharey=True)
    for axes, kind in zip(panels.flat, COUNTS, strict=True):
        panel(axes, report, kind)
    figure.supxlabel("seconds a picture; below the names: parameters of the U-Net, millions", color=INK, fontsize=10)
    figure.supylabel("right, %", color=INK, fontsize=10)
    shown = [sort for sort in SORTS if systems_of(report, sort)]
    marks = [mpl.lines.Line2D([], [], ls="", marker=sort.mark, color=sort.colour, label=sort.name) for sort in shown]
    marks.append(mpl.lines.Line2D([], [], ls="", marker="o", color=INK, mfc="white", label="hollow: never trained"))
    figure.legend(handles=marks, loc="outside upper center", ncols=len(marks), frameon=False, fontsize=9)
    return figure


def main() -> None:
    command(draw, FOLDER / "report.json", FOLDER / "quality.svg", "training.scenes.evaluate")


if __name__ == "__main__":
    main()
