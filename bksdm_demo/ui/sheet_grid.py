"""A page of a sheet's rows as HTML: its heading and progress, links, and a grid of small pictures; words and markup.

Styles are in sheets.css. Each picture opens its comparison; sheets.js opens the viewer on it. The grid compares times
with the baseline's of the same row, and pictures too once sheet_measures.py has compared them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote, urlencode

from bksdm_demo.evaluation.sheet import Place, SheetRecord
from bksdm_demo.evaluation.sheet_measures import Measures, measures_of, wanted_rows
from bksdm_demo.evaluation.sheet_results import CellResult
from bksdm_demo.evaluation.sheet_run import Progress
from bksdm_demo.evaluation.sheet_view import row_facts, shared_settings
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.languages import inflected, marked, say
from bksdm_demo.library.catalog import System
from bksdm_demo.parameters.links import VOTE
from bksdm_demo.phrase_book import translated
from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.reports.folder import cell_name
from bksdm_demo.runs.cells import LATER
from bksdm_demo.ui.gallery_view import THUMBNAIL_WIDTH
from bksdm_demo.ui.icons import icon
from bksdm_demo.ui.news import FOLDER as NEWS
from bksdm_demo.ui.present import picture_alt, picture_version
from bksdm_demo.ui.sheet_choice import Choice
from bksdm_demo.ui.sheet_routes import FOLDER, KINDS, REFRESH_SHEET, sheet_word
from bksdm_demo.units import unbroken
from bksdm_demo.wording.comparison import plural, shorten
from bksdm_demo.wording.outcomes import COUNTED, counted_words, phase_title, tone_of
from bksdm_demo.wording.timing import ONE_RUN, format_ratio, format_seconds

ROWS = 20  # on one page
AS_IT_IS = Choice()
WHILE_IT_RUNS = marked("Pictures are compared once the sheet has ended, because that would slow down what is measured.")
NOT_STORED, NOT_DRAWN = marked("no longer stored"), marked("not drawn yet")
SHEETS_LISTED = 8
TITLE_SHOWN = 60  # characters of a prompt


@dataclass(frozen=True)
class Look:
    """How the grid shows a sheet: the rows in order, what was measured, and the columns; `running` as of the sheet."""

    rows: Sequence[int]
    measures: Measures | None
    columns: tuple[int, ...]
    running: bool


def look_at(sheets: Sheets, record: SheetRecord, choice: Choice) -> Look:
    """Choose rows and columns. One model alone is shown beside the baseline. Asks for measures that are missing."""
    models, running = record.sheet.models, sheets.progress(record.id) is not None
    measures = measures_of(sheets).get(record, choice.wanted.measured)
    shown = (record.sheet.baseline, choice.only) if choice.only else models
    columns = tuple(column for column, model in enumerate(models) if model in shown)
    return Look(wanted_rows(record, measures, choice.wanted, running), measures, columns, running)


def sheet_grid(
    sheets: Sheets,
    record: SheetRecord,
    first: int,
    choice: Choice = AS_IT_IS,
    look: Look | None = None,
    votes: bool = False,
) -> str:
    """Return the heading and the rows from `first`, counted from 0, with the address to ask for news while it runs.

    `votes`: visitors may vote here, so a sheet that has ended offers it.
    """
    systems = sheets.comparisons.catalog.by_key()
    progress, look = sheets.progress(record.id), look or look_at(sheets, record, choice)
    names = {key: systems[key].name if key in systems else key for key in record.sheet.models}
    shared = shared_settings([row.request for row in record.sheet.rows])
    rows = "".join(_row(sheets, record, index, names, shared, look) for index in look.rows[first : first + ROWS])
    news = ""
    ready = measures_of(sheets).ready(record.id)
    if progress is not None or ready is not None:
        address = f"{NEWS}/sheet/{quote(record.id, safe='')}"
        news = f' data-news="{escape(address)}" data-word="{sheet_word(sheets, record)}" data-refresh="{REFRESH_SHEET}"'
    return (
        f'<section class="bk-sheet" data-sheet="{escape(record.id)}" aria-label="{escape(say("Sheet"))}"{news}>'
        f"{_head(record, progress, sheets.problem(record.id), choice, votes)}{_view_line(record, look, choice, ready)}"
        f'<ol class="bk-sheet-rows" start="{first + 1}" style="--models:{min(len(look.columns), 6)}">{rows}</ol>'
        "</section>"
    )


def _view_line(record: SheetRecord, look: Look, choice: Choice, ready: int | None) -> str:
    """Return what the filter and the order show; "" where all rows stand in their order."""
    words, rows = [], len(record.sheet.rows)
    if choice.filter:
        words.append(say("{count} of {rows}.", count=f"{len(look.rows):,}", rows=plural(rows, "row")))
    if choice.wanted.measured and look.measures is None:
        words.append(
            say(WHILE_IT_RUNS)
            if look.running
            else say(
                "Comparing the pictures with the baseline's: {count} of {total} rows.",
                count=f"{ready or 0:,}",
                total=f"{rows:,}",
            )
        )
    return f'<p class="bk-sheet-view" role="status">{escape(" ".join(words))}</p>' if words else ""


def sheet_status(record: SheetRecord, progress: Progress | None) -> str:
    """ "12 of 64 pictures, 1 blocked, drawing row 4 of 16"."""
    counts = record.outcomes
    running = 0 if progress is None or progress.job is None else _drawn_since(record, progress.job)
    done = counts.get(Phase.DONE.value, 0)
    shown = done + running if progress is not None else done
    parts = [say("{count} of {pictures}", count=f"{shown:,}", pictures=plural(record.sheet.cells, "picture"))]
    parts += counted_words({phase: counts.get(phase.value, 0) for phase in COUNTED})
    if progress is not None:
        rows = len(record.sheet.rows)
        row = say("row {number} of {count}", number=min(progress.rows + 1, rows), count=rows)
        parts.append(translated(progress.waiting) or row)
    return ", ".join(parts)


def unfinished(record: SheetRecord) -> bool:
    """Return whether another run may draw something."""
    final = (Phase.DONE.value, Phase.BLOCKED.value)
    return any(count for outcome, count in record.outcomes.items() if outcome not in final)


def sheet_list(records: list[SheetRecord]) -> str:
    """Return links to the newest sheets; "" without one."""
    items = "".join(
        f'<li><a href="?sheet={quote(record.id, safe="")}" data-sheet-open="{escape(record.id)}">'
        f"{escape(sheet_title(record))}</a> <span>{escape(sheet_status(record, None))}</span></li>"
        for record in records[:SHEETS_LISTED]
    )
    title = escape(say("Sheets"))
    return f'<nav class="bk-sheets" aria-label="{title}"><h2>{title}</h2><ul>{items}</ul></nav>' if items else ""


def _drawn_since(record: SheetRecord, job: Job) -> int:
    """Count the pictures of a running comparison that the stored record does not have yet."""
    places = [place for row in record.places for place in row if place is not None and place.job == job.id]
    open_ones = [place for place in places if not place.outcome and place.index < len(job.cells)]
    return sum(job.cells[place.index].phase is Phase.DONE for place in open_ones)


def sheet_title(record: SheetRecord) -> str:
    """Return the sheet's name, else "red apple and 23 more rows"."""
    others = len(record.sheet.rows) - 1
    first = shorten(record.sheet.rows[0].request.prompt, TITLE_SHOWN)
    if record.sheet.name or not others:
        return record.sheet.name or first
    return inflected(others, "{prompt} and {count} more row", "{prompt} and {count} more rows", prompt=first)


def _head(record: SheetRecord, progress: Progress | None, problem: str, choice: Choice, votes: bool) -> str:
    """Return the title, the status, the bar while it runs, and the links to files and to this sheet."""
    sheet_id, sheet = quote(record.id, safe=""), record.sheet
    bar = ""
    if progress is not None:
        label = escape(say("Rows drawn"))
        bar = f'<progress max="{len(sheet.rows)}" value="{progress.rows}" aria-label="{label}"></progress>'
    files = "".join(
        f'<a class="bk-tool" href="{FOLDER}/{sheet_id}.{kind}?{escape(urlencode({"baseline": sheet.baseline}))}"'
        f" download>{escape(say(name))}"
        f'<span class="bk-hidden"> {escape(say("of this sheet, {kind}", kind=kind.upper()))}</span></a>'
        for kind, (_, name) in KINDS.items()
    )
    link = (
        f'<button type="button" class="bk-tool" data-link="?{escape(choice.query(record.id))}">'
        f"{escape(say('Copy link'))}</button>"
        f'<label class="bk-by-hand" hidden>{escape(say("Copy this address:"))} <input type="text" readonly></label>'
    )
    pairs = progress is None and len(sheet.models) > 1 and record.outcomes.get(Phase.DONE.value, 0) > 1
    vote = (
        f'<a class="bk-tool" href="?{VOTE}={sheet_id}">{escape(say("Vote on it blind"))}</a>' if votes and pairs else ""
    )
    said = f'<p class="bk-notice" role="alert">{escape(translated(problem))}</p>' if problem else ""
    return (
        f'<header><h2 dir="auto">{escape(sheet_title(record))}</h2>'
        f'<p role="status">{escape(sheet_status(record, progress))}</p>{bar}'
        f'<p class="bk-sheet-tools">{files}{link}{vote}</p>{said}</header>'
    )


def _row(
    sheets: Sheets, record: SheetRecord, index: int, names: Mapping[str, str], shared: frozenset[str], look: Look
) -> str:
    row, places = record.sheet.rows[index], record.places[index]
    found = [_found(sheets, place) for place in places]
    base = record.sheet.models.index(record.sheet.baseline)
    cells = "".join(
        _cell(record, index, column, names, found[column], found[base][1] if column != base else None, look)
        for column in look.columns
    )
    facts = [row.label, row.category, *(f"{label} {value}" for label, value in row_facts(row.request, shared))]
    words = " · ".join(fact for fact in facts if fact)
    return (
        f'<li value="{index + 1}"><h3 dir="auto"><span>{index + 1}</span> {escape(row.request.prompt)}</h3>'
        f"{f'<p>{escape(words)}</p>' if words else ''}"
        f'<ul class="bk-sheet-cells">{cells}</ul></li>'
    )


def _found(sheets: Sheets, place: Place | None) -> tuple[Job | None, Cell | None]:
    """Return the comparison of a cell and the cell now; None twice for one that is not drawn yet, or gone."""
    job = sheets.job(place)
    if job is None or place is None or place.index >= len(job.cells):
        return None, None
    return job, job.cells[place.index]


def _cell(
    record: SheetRecord,
    row: int,
    column: int,
    names: Mapping[str, str],
    found: tuple[Job | None, Cell | None],
    baseline: Cell | None,
    look: Look,
) -> str:
    model, place = record.sheet.models[column], record.places[row][column]
    name, (job, cell) = names[model], found
    later = cell is not None and cell.phase is Phase.INTERRUPTED and cell.message == LATER
    if job is None or cell is None or place is None or later:
        title = escape(say(NOT_STORED if place is not None and place.outcome and not later else NOT_DRAWN))
        box = f'<span class="bk-cell" title="{title}"><span class="bk-hidden">{escape(name)}: {title}</span></span>'
        return f"<li>{box}{_caption(name, '')}</li>"
    shown = cell.earlier or cell
    if not shown.shown:
        tone, title = tone_of(cell), phase_title(cell.phase)
        inside = f'{icon(tone)}<span class="bk-hidden">{escape(name)}: {escape(title)}</span>'
        why = escape(translated(cell.message) or title)
        box = f'<span class="bk-cell" data-tone="{tone}" title="{why}">{inside}</span>'
    else:
        address = f"pictures/{quote(job.id, safe='')}/{cell_name(job, place.index)}?v={picture_version(cell)}"
        alt = picture_alt(record.sheet.rows[row].request, name)
        box = (
            f'<a class="bk-cell" href="?job={quote(job.id, safe="")}" data-open="{escape(job.id)}"'
            f' data-index="{place.index}"><img src="{escape(address)}&amp;width={THUMBNAIL_WIDTH}" alt="{escape(alt)}"'
            ' loading="lazy"></a>'
        )
    own, other = (CellResult(row, model, one, None).seconds for one in (shown, baseline))
    words = say(COUNTED.get(shown.phase, "")) if own is None else format_seconds(own)
    words += f" · {format_ratio(other / own)} ({say(ONE_RUN)})" if own and other else ""
    alike = None if look.measures is None else look.measures[row][column].haarpsi
    words += f" · HaarPSI {alike:.2f}" if alike is not None else ""
    return f"<li>{box}{_caption(name, words)}</li>"


def _caption(name: str, words: str) -> str:
    return f"<strong>{escape(name)}</strong><span>{escape(unbroken(words))}</span>"


def known_names(systems: Mapping[str, System], keys: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return (display name, key) of these models."""
    return [(systems[key].name if key in systems else key, key) for key in keys]
