"""The answers of `lab` as text: speeds with intervals, seconds by phase, and times of stored comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType

from bksdm_demo.cli.console import Rows
from bksdm_demo.evaluation.lab import Measurement, Variant
from bksdm_demo.evaluation.lab_summary import Row, Summary
from bksdm_demo.evaluation.statistics import Estimate, Spread
from bksdm_demo.evaluation.stored_times import StoredRow
from bksdm_demo.records import Request
from bksdm_demo.units import format_bytes
from bksdm_demo.wording.comparison import plural, saving_facts
from bksdm_demo.wording.timing import NOTHING, ONE_RUN, PHASE_LABELS, PHASES, decimals, format_seconds, ratio_words

FEWER_STEPS = (
    "Fewer steps are the other way to the same time, without another model. Compare the pictures, too: smaller models "
    "are worth it only where theirs are better than the reference's with fewer steps."
)


def lab_tables(
    measurement: Measurement, summary: Summary, names: Mapping[str, str], peak_bytes: int | None
) -> RenderableType:
    """Speeds, phases and notes, one below the other."""
    rows, steps = summary.rows, measurement.request.steps
    labels = [variant_words(row.variant, names, steps) for row in rows]
    blocks: list[RenderableType] = [
        _counts(summary, measurement.request),
        "",
        _speeds(labels, rows, names[measurement.reference]),
        "",
        _phases(labels, rows),
        "",
        *summary.sentences,
    ]
    if any(row.variant.matches for row in rows):
        blocks.append(FEWER_STEPS)
    if peak_bytes is not None:
        blocks.append(f"At its peak the process held {format_bytes(peak_bytes)} of memory, all models together.")
    return Group(*blocks)


def variant_words(variant: Variant, names: Mapping[str, str], steps: int) -> str:
    """ "Emoji Base"; "Emoji Original, 12 steps, as long as Emoji Tiny" for the reference with fewer steps."""
    name = names[variant.model]
    if not variant.matches:
        return name
    matched = " and ".join(names[model] for model in variant.matches)
    return f"{name}, {plural(variant.steps, 'step')} (the time of {matched})"


def _counts(summary: Summary, request: Request) -> str:
    left_out = [plural(summary.warm_up, "warm-up round")]
    left_out += [f"{summary.left_out} that loaded a model"] if summary.left_out else []
    rounds = plural(summary.rounds, "interleaved round")
    options = "".join(f", {label.lower()} {value}" for label, value in saving_facts(request))
    settings = f"{plural(request.steps, 'step')}{options}"
    return f"{rounds} of {settings}; left out: {', '.join(left_out)}. Times are without loading."


def _speeds(labels: Sequence[str], rows: Sequence[Row], reference: str) -> Rows:
    heads = (
        "Model",
        "Median",
        "Quartiles",
        f"Speed against {reference}",
        "Fixed",
        "Each step",
        "Load",
        "Memory (estimate)",
    )
    digits = decimals(max(row.drawing.high for row in rows))
    cells = [
        (
            label,
            f"{row.drawing.median:.{digits}f} s",
            _quartiles(row.drawing, digits),
            ratio_words(row.ratio) if row.ratio is not None else "reference",
            format_seconds(row.line.fixed),
            f"{row.line.per_step * 1000:.1f} ms",
            format_seconds(row.cold.load) if row.cold is not None else "",
            format_bytes(row.memory) if row.memory is not None else "",
        )
        for label, row in zip(labels, rows, strict=True)
    ]
    return Rows(heads, cells, {"Model", heads[3]})


def _phases(labels: Sequence[str], rows: Sequence[Row]) -> Rows:
    digits = decimals(max(row.drawing.high for row in rows))
    heads = ("Seconds, median (quartiles)", *(PHASE_LABELS[phase] for phase in PHASES[1:]))
    cells = [
        (label, *(_spread(row.phases[phase], digits) for phase in PHASES[1:]))
        for label, row in zip(labels, rows, strict=True)
    ]
    return Rows(heads, cells, {heads[0]})


def _spread(found: Spread, digits: int) -> str:
    quartiles = f" ({_quartiles(found, digits)})" if found.count > 1 else ""
    return f"{found.median:.{digits}f}{quartiles}"


def _quartiles(found: Spread, digits: int) -> str:
    return f"{found.low:.{digits}f}–{found.high:.{digits}f}" if found.count > 1 else ONE_RUN


def stored_table(rows: Sequence[StoredRow]) -> RenderableType:
    """A table per machine and engine."""
    blocks: list[RenderableType] = []
    for machine, engine in dict.fromkeys((row.place.machine, row.place.engine) for row in rows):
        own = [row for row in rows if (row.place.machine, row.place.engine) == (machine, engine)]
        blocks += ["", f"{machine}: {engine}", _stored(own)]
    return Group(*blocks[1:]) if blocks else "No stored comparison has a picture by a model that was loaded before."


def _stored(rows: Sequence[StoredRow]) -> Rows:
    heads = ("Model", "Steps", "Comparisons", "Pictures", "Median", "Quartiles", "95 % interval")
    digits = decimals(max(row.spread.high for row in rows))
    cells = [
        (
            row.place.model,
            str(row.place.steps),
            str(row.comparisons),
            str(row.pictures),
            f"{row.spread.median:.{digits}f} s",
            _quartiles(row.spread, digits) if row.comparisons > 1 else NOTHING,
            _interval(row.estimate, digits),
        )
        for row in rows
    ]
    return Rows(heads, cells, {"Model"})


def _interval(estimate: Estimate, digits: int) -> str:
    if estimate.low is None or estimate.high is None:
        return NOTHING
    return f"{estimate.low:.{digits}f}–{estimate.high:.{digits}f}"
