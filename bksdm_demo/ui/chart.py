"""Renders the timing section as HTML: stacked bars drawn with CSS, and a table with the same numbers.

The markup gives lengths in seconds and the browser divides them by the longest bar. A checkbox can therefore exclude
loading without asking the server.
"""

from __future__ import annotations

from html import escape

from bksdm_demo.languages import joined, marked, say
from bksdm_demo.ui.terms import row_meaning, term
from bksdm_demo.ui.timing import Bar, Row, Segment, TimingView
from bksdm_demo.units import unbroken
from bksdm_demo.wording.timing import NOTHING, PHASE_LABELS, PHASES, format_seconds

CHART = marked("Stacked bars of the seconds in each phase. The table has the same numbers.")


def timing_section(view: TimingView | None) -> str:
    """Return the chart and the table; "" without a view."""
    if view is None:
        return ""
    notes = (view.fewer_steps, _explanation(view))
    note = "".join(f'<p class="bk-note">{escape(sentence)}</p>' for sentence in notes if sentence)
    wait = " disabled" if view.running else ""
    more = f'<button type="button" class="bk-tool" data-measure{wait}>{escape(view.more)}</button>' if view.more else ""
    return (
        '<section class="bk-timing" aria-labelledby="bk-timing-title"><header>'
        f'<h2 id="bk-timing-title">{escape(say("Where the time went"))}</h2>'
        f'<label class="bk-toggle"><input type="checkbox" checked> {escape(say("Include loading"))}</label>'
        f'{more}<button type="button" class="bk-tool" data-copy-table>{escape(say("Copy table"))}</button></header>'
        f'<div class="bk-timing-body" style="--models:{len(view.names)}"><div>{_chart(view)}{note}</div>'
        f"{_table(view)}</div></section>"
    )


def _explanation(view: TimingView) -> str:
    sentences = [
        view.runs,
        say("Drawing is encode + denoise + decode + safety. Loading is separate, because a model loads only once."),
        say("A model that had to be loaded is marked cold."),
    ]
    if view.baseline:
        sentences.append(say("Speed compares drawing times with {model}, the first to finish.", model=view.baseline))
    if view.baseline and view.runs and any(row.spreads for row in view.rows if row.phase):
        sentences.append(say("Small numbers: quartiles below a time, 95 % interval below a speed."))
    elif view.baseline and view.runs:
        sentences.append(say("Small numbers: 95 % interval below a speed."))
    return joined(*sentences)


def _chart(view: TimingView) -> str:
    drawing = max(bar.drawing for bar in view.bars) or 1.0
    total = max(bar.total for bar in view.bars) or 1.0
    legend = "".join(
        f'<li data-phase="{phase}"><i class="bk-swatch" data-phase="{phase}"></i>'
        f"{escape(say(PHASE_LABELS[phase]))}</li>"
        for phase in PHASES
    )
    rows = "".join(_bar(bar) for bar in view.bars)
    return (
        f'<div class="bk-chart" style="--drawing:{drawing:.6f};--total:{total:.6f}">'
        f'<div role="img" aria-label="{escape(say(CHART))}">'
        f'<ul class="bk-legend" aria-hidden="true">{legend}</ul>{rows}</div></div>'
    )


def _bar(bar: Bar) -> str:
    segments = "".join(_segment(segment) for segment in bar.segments)
    cold = f'<em class="bk-cold">{escape(say("cold"))}</em>' if bar.cold else ""
    return (
        f'<div class="bk-row"><span class="bk-row-name">{escape(bar.name)}{cold}</span>'
        f'<span class="bk-track">{segments}</span><span class="bk-row-sum">'
        f'<b class="bk-with">{_seconds(bar, bar.total)}</b><b class="bk-without">{_seconds(bar, bar.drawing)}</b>'
        "</span></div>"
    )


def _seconds(bar: Bar, seconds: float) -> str:
    return unbroken(format_seconds(seconds)) if bar.segments else NOTHING


def _segment(segment: Segment) -> str:
    return (
        f'<i class="bk-segment" data-phase="{segment.phase}" style="--seconds:{segment.seconds:.6f}"'
        f' title="{escape(segment.label)}"></i>'
    )


def _table(view: TimingView) -> str:
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in view.names)
    rows = "".join(_row(row) for row in view.rows)
    return (
        f'<div class="bk-table" tabindex="0" role="group" aria-label="{escape(say("Table of phase times"))}"><table>'
        f'<caption class="bk-hidden">{escape(say("Seconds in each phase, by model"))}</caption>'
        f'<thead><tr><th scope="col">{escape(say("Seconds"))}</th>{names}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(row: Row) -> str:
    swatch = f'<i class="bk-swatch" data-phase="{row.phase}"></i>' if row.phase else ""
    sure = row.spreads or ("",) * len(row.cells)
    cells = "".join(_table_cell(cell, spread) for cell, spread in zip(row.cells, sure, strict=True))
    strong = ' class="bk-strong"' if row.strong else ""
    return f'<tr{strong}><th scope="row">{swatch}{term(row.label, row_meaning(row.label))}</th>{cells}</tr>'


def _table_cell(cell: str, spread: str) -> str:
    small = f" <small>{escape(spread)}</small>" if spread else ""
    return f"<td>{escape(cell)}{small}</td>"
