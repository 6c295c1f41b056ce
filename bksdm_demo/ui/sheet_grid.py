"""A page of a sheet's rows as HTML: its heading and progress, links, and a grid of small pictures; words and markup.

Styles are in sheets.css. Each picture opens its comparison; sheets.js opens the viewer on it. The grid compares times
with the baseline's of the same row; similarities take longer, and are in the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import quote, urlencode

from bksdm_demo.evaluation.sheet import Place, SheetRecord
from bksdm_demo.evaluation.sheet_results import CellResult
from bksdm_demo.evaluation.sheet_run import Progress
from bksdm_demo.evaluation.sheet_view import row_facts, shared_settings
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.library.catalog import System
from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.reports.folder import cell_name
from bksdm_demo.ui.gallery_view import THUMBNAIL_WIDTH
from bksdm_demo.ui.icons import icon
from bksdm_demo.ui.news import FOLDER as NEWS
from bksdm_demo.ui.present import picture_alt, picture_version
from bksdm_demo.ui.sheet_routes import FOLDER, KINDS, REFRESH_SHEET, sheet_word
from bksdm_demo.units import unbroken
from bksdm_demo.wording.comparison import plural, shorten
from bksdm_demo.wording.outcomes import COUNTED, PHASE_TITLES, tone_of
from bksdm_demo.wording.timing import ONE_RUN, format_ratio, format_seconds

ROWS = 20  # on one page
NOT_STORED = "no longer stored"
SHEETS_LISTED = 8
TITLE_SHOWN = 60  # characters of a prompt


def sheet_grid(sheets: Sheets, record: SheetRecord, first: int, problem: str = "") -> str:
    """Return the heading and the rows from `first`, counted from 0, with the address to ask for news while it runs."""
    systems = sheets.comparisons.catalog.by_key()
    progress = sheets.progress(record.id)
    names = {key: systems[key].name if key in systems else key for key in record.sheet.models}
    shared = shared_settings([row.request for row in record.sheet.rows])
    last = min(first + ROWS, len(record.sheet.rows))
    rows = "".join(_row(sheets, record, index, names, shared) for index in range(first, last))
    news = ""
    if progress is not None:
        address = f"{NEWS}/sheet/{quote(record.id, safe='')}"
        news = f' data-news="{escape(address)}" data-word="{sheet_word(sheets, record)}" data-refresh="{REFRESH_SHEET}"'
    return (
        f'<section class="bk-sheet" data-sheet="{escape(record.id)}" aria-label="Sheet"{news}>'
        f"{_head(record, progress, problem or sheets.problem(record.id))}"
        f'<ol class="bk-sheet-rows" start="{first + 1}" style="--models:{min(len(names), 6)}">{rows}</ol></section>'
    )


def sheet_status(record: SheetRecord, progress: Progress | None) -> str:
    """ "12 of 64 pictures, 1 blocked, drawing row 4 of 16"."""
    counts = record.outcomes
    running = 0 if progress is None or progress.job is None else _ended(progress.job)
    done = counts.get(Phase.DONE.value, 0)
    parts = [f"{done + running if progress is not None else done:,} of {plural(record.sheet.cells, 'picture')}"]
    parts += [f"{counts[phase.value]} {word}" for phase, word in COUNTED.items() if phase.value in counts]
    if progress is not None:
        rows = len(record.sheet.rows)
        parts.append(progress.waiting or f"row {min(progress.rows + 1, rows)} of {rows}")
    return ", ".join(parts)


def unfinished(record: SheetRecord) -> bool:
    """Return whether another run may draw something."""
    final = (Phase.DONE.value, Phase.BLOCKED.value)
    return any(count for outcome, count in record.outcomes.items() if outcome not in final)


def sheet_list(records: list[SheetRecord]) -> str:
    """Return links to the newest sheets; "" without one."""
    items = "".join(
        f'<li><a href="?sheet={quote(record.id, safe="")}" data-sheet-open="{escape(record.id)}">'
        f"{escape(_title(record))}</a> <span>{escape(sheet_status(record, None))}</span></li>"
        for record in records[:SHEETS_LISTED]
    )
    return f'<nav class="bk-sheets" aria-label="Sheets"><h2>Sheets</h2><ul>{items}</ul></nav>' if items else ""


def _ended(job: Job) -> int:
    return sum(cell.phase is Phase.DONE for cell in job.cells)


def _title(record: SheetRecord) -> str:
    """Return the sheet's name, else "red apple and 23 more rows"."""
    others = len(record.sheet.rows) - 1
    first = shorten(record.sheet.rows[0].request.prompt, TITLE_SHOWN)
    return record.sheet.name or (f"{first} and {plural(others, 'more row')}" if others else first)


def _head(record: SheetRecord, progress: Progress | None, problem: str) -> str:
    """Return the title, the status, the bar while it runs, and the links to files and to this sheet."""
    sheet_id, sheet = quote(record.id, safe=""), record.sheet
    bar = ""
    if progress is not None:
        bar = f'<progress max="{len(sheet.rows)}" value="{progress.rows}" aria-label="Rows drawn"></progress>'
    files = "".join(
        f'<a class="bk-tool" href="{FOLDER}/{sheet_id}.{kind}?{escape(urlencode({"baseline": sheet.baseline}))}"'
        f' download>{name}<span class="bk-hidden"> of this sheet, {kind.upper()}</span></a>'
        for kind, (_, name) in KINDS.items()
    )
    link = (
        f'<button type="button" class="bk-tool" data-link="?sheet={sheet_id}">Copy link</button>'
        '<label class="bk-by-hand" hidden>Copy this address: <input type="text" readonly></label>'
    )
    said = f'<p class="bk-notice" role="alert">{escape(problem)}</p>' if problem else ""
    return (
        f'<header><h2 dir="auto">{escape(_title(record))}</h2>'
        f'<p role="status">{escape(sheet_status(record, progress))}</p>{bar}'
        f'<p class="bk-sheet-tools">{files}{link}</p>{said}</header>'
    )


def _row(sheets: Sheets, record: SheetRecord, index: int, names: Mapping[str, str], shared: frozenset[str]) -> str:
    row, places = record.sheet.rows[index], record.places[index]
    found = [_found(sheets, place) for place in places]
    base = record.sheet.models.index(record.sheet.baseline)
    cells = "".join(
        _cell(record, index, column, names, found[column], found[base][1] if column != base else None)
        for column in range(len(places))
    )
    facts = [row.label, row.category, *(f"{label} {value}" for label, value in row_facts(row.request, shared))]
    words = " · ".join(fact for fact in facts if fact)
    return (
        f'<li><h3 dir="auto">{escape(row.request.prompt)}</h3>'
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
) -> str:
    model, place = record.sheet.models[column], record.places[row][column]
    name, (job, cell) = names[model], found
    if job is None or cell is None or place is None:
        title = NOT_STORED if place is not None and place.outcome else "not drawn yet"
        box = f'<span class="bk-cell" title="{title}"><span class="bk-hidden">{escape(name)}: {title}</span></span>'
        return f"<li>{box}{_caption(name, '')}</li>"
    shown = cell.earlier or cell
    if not shown.shown:
        tone, title = tone_of(cell), PHASE_TITLES[cell.phase]
        inside = f'{icon(tone)}<span class="bk-hidden">{escape(name)}: {escape(title)}</span>'
        box = f'<span class="bk-cell" data-tone="{tone}" title="{escape(cell.message or title)}">{inside}</span>'
    else:
        address = f"pictures/{quote(job.id, safe='')}/{cell_name(job, place.index)}?v={picture_version(cell)}"
        alt = picture_alt(record.sheet.rows[row].request, name)
        box = (
            f'<a class="bk-cell" href="?job={quote(job.id, safe="")}" data-open="{escape(job.id)}"'
            f' data-index="{place.index}"><img src="{escape(address)}&amp;width={THUMBNAIL_WIDTH}" alt="{escape(alt)}"'
            ' loading="lazy"></a>'
        )
    own, other = (CellResult(row, model, one, None).seconds for one in (shown, baseline))
    words = COUNTED.get(shown.phase, "") if own is None else format_seconds(own)
    words += f" · {format_ratio(other / own)} ({ONE_RUN})" if own and other else ""
    return f"<li>{box}{_caption(name, words)}</li>"


def _caption(name: str, words: str) -> str:
    return f"<strong>{escape(name)}</strong><span>{escape(unbroken(words))}</span>"


def known_names(systems: Mapping[str, System], keys: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return (display name, key) of these models."""
    return [(systems[key].name if key in systems else key, key) for key in keys]
