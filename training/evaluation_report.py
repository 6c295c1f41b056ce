"""The evaluator's report for people: a markdown text, and sheets of all pictures."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from training.bootstrap import Interval
from training.drawing import Album
from training.evaluation_sheet import BAD, BLOCKED, GOOD, TILE, Tile, sheet
from training.judging import Judge, Judged
from training.pairs import Pair

HEADS = (
    "system",
    "U-Net parameters",
    "U-Net package",
    "seconds a picture",
    "top-1 %",
    "top-5 %",
    "ratio to original",
    "dB to the original picture",
    "cosine",
    "dB to emoji-original",
    "blocked",
)
TITLES = {"common": "common concepts", "all": "whole vocabulary"}


def interval(found: Mapping[str, Any] | None) -> Interval:
    """An interval as the report stores it; NaN if there is none."""
    if found is None:
        return Interval(math.nan, math.nan, math.nan)
    low, value, high = (math.nan if found[name] is None else found[name] for name in ("low", "value", "high"))
    return Interval(value, low, high)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(key: str, found: Mapping[str, Any], facts: Mapping[str, Any] | None) -> list[str]:
    """One system's line. A line without facts is the ceiling, not a system."""
    size = ["", "", ""]
    if facts is not None:
        count = facts["unet_parameters"]
        size = ["" if count is None else f"{count / 1e6:.2f} M", f"{facts['unet_bytes'] / 1e6:.2f} MB"]
        size.append(f"{facts['median']:.2f}")
    return [
        key,
        *size,
        interval(found["top1"]).text(1, 100),
        interval(found["top5"]).text(1, 100),
        interval(found.get("ratio")).text(3),
        interval(found["psnr"]).text(1),
        interval(found["cosine"]).text(3),
        interval(found.get("psnr_to_reference")).text(1),
        str(len(found["blocked"])) if facts is not None else "",
    ]


def _order_lines(order: Mapping[str, Any]) -> list[str]:
    lines = []
    for measure, name in (("top1", "top-1"), ("cosine", "cosine")):
        found = order[measure]
        lines.append(f"- by {name}: {found['order']}; nothing overtakes in {100 * found['share']:.0f} % of resamples")
        for pair in found["neighbours"]:
            shares = f"{100 * pair['holds']:.0f} % ahead, {100 * pair['equal']:.0f} % equal"
            lines.append(f"  - {pair['better']} against {pair['worse']}: {shares}, {100 * pair['turned']:.0f} % behind")
    return lines


def markdown(report: Mapping[str, Any]) -> str:
    """The whole report. Intervals are 95 % percentile bootstraps over the pairs."""
    options, machine = report["options"], report["machine"]["cpu"]
    lines = [
        f"{options['pairs']} held-aside (prompt, seed) pairs a part, {options['steps']} steps, seed {options['seed']}; "
        f"95 % percentile bootstrap intervals over the pairs; {machine['name']}, {machine['count']} cores.",
    ]
    for part, found in report["parts"].items():
        rows = [_row(key, one, report["systems"].get(key)) for key, one in found["systems"].items()]
        lines += ["", f"**{TITLES[part].capitalize()}**", "", table(HEADS, rows)]
        if len(report["systems"]) > 1:
            lines += ["", "Order:", "", *_order_lines(found["order"])]
        for key, one in found["systems"].items():
            if wrong := [f"{each['prompt']} ({each['named']})" for each in one["wrong"]]:
                lines += ["", f"{key}, named otherwise: {'; '.join(wrong)}"]
            if one["blocked"]:
                lines += ["", f"{key}, blocked by the safety checker: {'; '.join(one['blocked'])}"]
    return "\n".join([*lines, "", *_composition_lines(report["compositions"])]) + "\n"


def _composition_lines(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """A table of prompts by systems: the parts that were found, the colour, and the three likeliest names."""
    systems = list(found)
    rows = []
    for place, first in enumerate(found[systems[0]]):
        rows.append([first["prompt"], *(_composition_cell(found[key][place]) for key in systems)])
    whole = [f"{sum(each['all'] for each in found[key])} of {len(found[key])}" for key in systems]
    rows.append(["everything that was asked for", *whole])
    return ["**Compositions that no caption of the training has**", "", table(["prompt", *systems], rows)]


def _composition_cell(found: Mapping[str, Any]) -> str:
    marks = [f"{part} {'yes' if there else 'no'}" for part, there in found["parts"].items()]
    colour = [found["colour"]] if found["colour"] else []
    held = ["blocked"] if found["blocked"] else []
    return f"{', '.join([*marks, *colour, *held])} ({', '.join(found['names'])})"


def pair_sheet(
    judge: Judge, albums: Mapping[str, Album], judged: Mapping[str, Judged], pairs: Sequence[Pair]
) -> Image.Image:
    """A row for each pair: the original picture, then every system's, framed if it is named wrongly."""
    rows = []
    for place, pair in enumerate(pairs):
        row = [Tile(judge.original(pair.label), GOOD, (pair.prompt,))]
        for key, album in albums.items():
            seen = judged[key]
            right, held = seen.first[place], seen.blocked[place]
            frame = BLOCKED if held else GOOD if right else BAD
            row.append(Tile(album[pair].image, frame, ("blocked" if held else "" if right else seen.names[place],)))
        rows.append(row)
    return sheet(rows, TILE, blocks=4, title=["original picture", *albums])


def composition_sheet(
    albums: Mapping[str, Album], pairs: Sequence[Pair], found: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Image.Image:
    """A row for each prompt, a column for each system, with the three likeliest names below."""
    blank = np.full((128, 128, 3), 255, np.uint8)
    rows = []
    for place, pair in enumerate(pairs):
        row = [Tile(blank, GOOD, (pair.prompt,))]
        for key, album in albums.items():
            seen = found[key][place]
            row.append(Tile(album[pair].image, GOOD if seen["all"] else BAD, tuple(seen["names"])))
        rows.append(row)
    return sheet(rows, 128, blocks=2, title=["prompt", *albums])
