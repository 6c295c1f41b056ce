"""Plots the family's version of the paper's result: quality against parameters, for students and their two controls.

    python -m training.plot [--report training/work/evaluation/report.json] [--out assets/emoji/quality.svg]

Reads the report of training.evaluate. Shows top-1 of naming with 95 % intervals; the ceiling line shows what the
autoencoder alone costs. Leaves out a kind of system without a figure in the report.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.workspace import EMOJI, WORK

REPORT, OUT = WORK / "evaluation" / "report.json", EMOJI / "quality.svg"
SHAPES = ("tiny", "small", "base")
PARTS = {"common": "400 common concepts", "all": "whole vocabulary"}
CEILING = "reconstructions"
INK = "#404040"


@dataclass(frozen=True)
class Kind:
    """One line of the plot: the ending of its systems' keys, its name, colour, marker, and a shift in millions."""

    ending: str
    name: str
    colour: str
    marker: str
    shift: float


KINDS = (
    Kind("", "shipped student, twice as long", "#1b6ca8", "o", 0.0),
    Kind("-early", "student: output and features", "#7fb3d9", "o", -0.06),
    Kind("-plain", "control: no features", "#d98324", "s", 0.06),
    Kind("-scratch", "control: from scratch", "#8a8a8a", "^", -0.06),
)


def points(report: Mapping[str, Any], part: str, kind: Kind) -> list[tuple[float, dict[str, float]]]:
    """(millions of parameters, interval in percent) of every shape that the report has, by size."""
    systems, found = report["systems"], report["parts"][part]["systems"]
    keys = [key for shape in SHAPES if (key := f"emoji-{shape}{kind.ending}") in found]
    return sorted((_millions(systems[key]), _percent(found[key]["top1"])) for key in keys)


def _millions(system: Mapping[str, Any]) -> float:
    return system["unet_parameters"] / 1e6


def _percent(interval: Mapping[str, float]) -> dict[str, float]:
    return {name: 100 * interval[name] for name in ("low", "value", "high")}


def _bars(axes: Axes, place: float, interval: Mapping[str, float], kind: Kind, label: str = "") -> None:
    value = interval["value"]
    error = [[value - interval["low"]], [interval["high"] - value]]
    axes.errorbar(place, value, error, fmt=kind.marker, color=kind.colour, capsize=3, lw=1, ms=6, label=label or None)


def panel(axes: Axes, report: Mapping[str, Any], part: str) -> None:
    """One part's figures."""
    found = report["parts"][part]["systems"]
    teacher = Kind("", "emoji-original", "#202020", "D", 0.0)
    _bars(axes, _millions(report["systems"]["emoji-original"]), _percent(found["emoji-original"]["top1"]), teacher)
    for kind in KINDS:
        line = points(report, part, kind)
        if not line:
            continue
        places = [size + kind.shift for size, _ in line]
        axes.plot(places, [one["value"] for _, one in line], color=kind.colour, lw=1, alpha=0.5)
        for number, (place, (_, one)) in enumerate(zip(places, line, strict=True)):
            _bars(axes, place, one, kind, kind.name if number == 0 else "")
    if CEILING in found:
        axes.axhline(100 * found[CEILING]["top1"]["value"], color=INK, lw=0.8, ls=":")
    axes.set_title(f"{PARTS[part]}, {report['parts'][part]['pairs']} pictures each", fontsize=10, color=INK)
    axes.set_xlabel("parameters of the U-Net, millions", color=INK)
    axes.set_ylim(-8, 103)  # the lowest strip holds the names
    axes.grid(axis="y", color="#e4e4e4", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def draw(report: Mapping[str, Any]) -> Figure:
    if "emoji-original" not in report["systems"]:
        raise SystemExit("the report has no emoji-original: run python -m training.evaluate with all systems")
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    panels = figure.subplots(1, len(PARTS), sharey=True)
    for axes, part in zip(panels, PARTS, strict=True):
        panel(axes, report, part)
        shapes = [report["systems"].get(f"emoji-{shape}") for shape in (*SHAPES, "original")]
        for shape, system in zip((*SHAPES, "original"), shapes, strict=True):
            if system is not None:
                axes.annotate(shape, (_millions(system), -7), ha="center", va="bottom", fontsize=8, color=INK)
    panels[0].set_ylabel("named rightly (top-1), %", color=INK)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(KINDS), frameon=False, fontsize=9)
    return figure


def command(drawn: Callable[[Mapping[str, Any]], Figure], report: Path, out: Path, made_by: str) -> None:
    """Read the arguments, and write the figure of a report. `made_by` is the module that makes a missing report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--report", type=Path, default=report)
    parser.add_argument("--out", type=Path, default=out, help="a picture file; the ending says its kind")
    options = parser.parse_args()
    if not options.report.exists():
        raise SystemExit(f"no {options.report}: run python -m {made_by}")
    mpl.rcParams["svg.hashsalt"] = "emoji"  # the same file for the same figures
    kind = {"metadata": {"Date": None}} if options.out.suffix == ".svg" else {}
    drawn(json.loads(options.report.read_text())).savefig(options.out, dpi=150, facecolor="white", **kind)
    print(f"plot: {options.out}")


def main() -> None:
    command(draw, REPORT, OUT, "training.evaluate --packages training/work/controls")


if __name__ == "__main__":
    main()
