"""Renders the board, one comparison as HTML: a heading, a row per seed, a cell per model. The only logic is escaping.

Words come from present.py, styles from board.css; board.js and viewer.js handle the buttons. The markup links pictures
and never embeds them, so it cannot contain a blocked one. Gradio's HTML component applies only the differences to the
page, so finished pictures do not flicker while others are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from bksdm_demo.languages import marked, say
from bksdm_demo.library.catalog import System
from bksdm_demo.phrase_book import translated
from bksdm_demo.records import Job
from bksdm_demo.ui.hints import hint
from bksdm_demo.ui.icons import ICONS, icon
from bksdm_demo.ui.news import board_news
from bksdm_demo.ui.present import (
    PROMPT_SHOWN,
    CellView,
    RowView,
    ToolsView,
    job_facts,
    preview_views,
    row_views,
    status_words,
    tools_view,
)
from bksdm_demo.ui.share import share_tools
from bksdm_demo.ui.terms import fact_meaning, meaning, term
from bksdm_demo.units import unbroken
from bksdm_demo.wording.comparison import plural, reading_notes, shorten

NO_PROGRESS = '<div class="bk-progress" aria-hidden="true"></div>'  # keeps the room of the progress to come
SIMILARITY = '<p class="bk-similarity"></p>'  # board.js fills it
MEASURES = marked("How alike?")  # explains the numbers below the pictures
EARLY = '<canvas class="bk-early" hidden></canvas>'  # early.js draws into it
LONG_PROMPT = 60  # characters; a longer heading uses a smaller font

HOW = (
    (
        marked("Same noise"),
        marked(
            "The seed and the generator fix the starting noise. Every model starts from the same numbers and takes "
            "the same steps."
        ),
    ),
    (
        marked("Same files"),
        marked("The Core ML packages run unchanged: through Core ML on a Mac, through OpenVINO elsewhere."),
    ),
    (
        marked("Honest times"),
        marked(
            "Loading, encoding, denoising, decoding and the safety check are timed separately. Speed excludes "
            "loading, because a model loads only once."
        ),
    ),
)


def job_board(job: Job, systems: Mapping[str, System], now: float = 0.0) -> str:
    """Return the board of a job, running or finished; `now` as in cell_views."""
    rows = row_views(job, systems, now)
    running = "false" if job.finished else "true"
    return (
        f'<section class="bk-board" aria-label="{escape(say("Comparison"))}" aria-busy="{running}"'
        f' data-job="{escape(job.id)}" data-prompt="{escape(shorten(job.request.prompt, PROMPT_SHOWN))}"'
        f"{board_news(job, now)}>"
        f"{_heading(job, systems)}{''.join(_row(row) for row in rows)}</section>"
    )


def empty_board(systems: Sequence[System]) -> str:
    """Return the board before a first run: the chosen models with their descriptions."""
    if not systems:
        return _message_board(
            say("No model is chosen"), say("Choose at least one model. Choose two or more to compare them.")
        )
    if len(systems) > 1:
        ready = say("Ready to compare {models}", models=plural(len(systems), "model"))
    else:
        ready = say("Ready to run {model}", model=systems[0].name)
    press = say("Press Compare, or Ctrl + Enter in the prompt field")
    heading = (
        f'<header class="bk-head"><p class="bk-status">{escape(press)}</p>'
        f'<h2 class="bk-prompt bk-quiet">{escape(ready)}</h2></header>'
    )
    cells = _cells(preview_views(systems))
    return f'<section class="bk-board" aria-label="{escape(say("Comparison"))}">{heading}{cells}{_how()}</section>'


def _how() -> str:
    """Return what makes a comparison fair."""
    items = "".join(f"<div><dt>{escape(say(what))}</dt><dd>{escape(say(why))}</dd></div>" for what, why in HOW)
    return f'<dl class="bk-how">{items}</dl>'


def _message_board(title: str, sentence: str) -> str:
    return (
        f'<section class="bk-board" aria-label="{escape(say("Comparison"))}"><header class="bk-head">'
        f'<h2 class="bk-prompt bk-quiet">{escape(title)}</h2><p class="bk-status">{escape(sentence)}</p>'
        "</header></section>"
    )


def notice(sentence: str) -> str:
    """Return an alert to show beside the pressed button, in the visitor's language; "" for an empty sentence."""
    return f'<p class="bk-notice" role="alert" dir="auto">{escape(translated(sentence))}</p>' if sentence else ""


def remark(sentence: str) -> str:
    """Return a sentence for the same place that is not an alert."""
    return f'<p class="bk-notice" data-tone="remark" role="status" dir="auto">{escape(translated(sentence))}</p>'


def _heading(job: Job, systems: Mapping[str, System]) -> str:
    facts = "".join(
        f'<div><dt>{term(label, fact_meaning(label, value))}</dt><dd dir="auto">{escape(value)}</dd></div>'
        for label, value in _unbroken_facts(job_facts(job, systems))
    )
    long = " bk-long" if len(job.request.prompt) > LONG_PROMPT else ""
    warnings = "".join(
        f'<p class="bk-cut" dir="auto">{escape(sentence)}</p>'
        for sentence in (*reading_notes(job), translated(job.note))
        if sentence
    )
    return (
        '<header class="bk-head">'
        f'<p class="bk-status" role="status">{escape(status_words(job, systems))}</p>'
        f'<h2 class="bk-prompt{long}" dir="auto">{escape(shorten(job.request.prompt, PROMPT_SHOWN))}</h2>'
        f'<dl class="bk-facts">{facts}</dl>{_hint(job)}{warnings}{_tools(job, tools_view(job, systems))}</header>'
    )


def _hint(job: Job) -> str:
    """Return what to look for, where the prompt is one of the hard examples and there is something to compare."""
    words = hint(job.request.prompt) if len(job.models) > 1 else ""
    return f'<p class="bk-hint">{escape(words)}</p>' if words else ""


def _unbroken_facts(facts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Keep numbers and units together, but leave the visitor's own words as they are."""
    return [(label, value if label == say("Without") else unbroken(value)) for label, value in facts]


def _tools(job: Job, tools: ToolsView) -> str:
    """Return the controls of the whole comparison; while it runs, those to come have their place and are disabled."""
    running, several = not job.finished, len(job.models) > 1
    wait = "" if tools.look else " disabled"
    look = (
        f'<button type="button" class="bk-tool" data-look aria-haspopup="dialog"{wait}>'
        f"{escape(tools.look or say('Look closely'))}</button>"
    )
    rest = f'<button type="button" class="bk-tool bk-tool-strong" data-rest>{escape(tools.rest)}</button>'
    options = "".join(f'<option value="{place}">{escape(name)}</option>' for place, name in tools.references)
    select = (
        f'<label class="bk-reference">{escape(say("Compare with"))} '
        f"<select data-reference{'' if tools.references else ' disabled'}>"
        f'<option value="">{escape(say("nothing"))}</option>{options}</select></label>'
    )
    measures = f'<span class="bk-measures">{term(say(MEASURES), meaning("similarity"))}</span>'
    parts = (
        rest if tools.rest else "",
        look if tools.look or running else "",
        select + measures if tools.references or (running and several) else "",
    )
    return f'<div class="bk-tools">{"".join(parts)}{share_tools(job)}</div>'


def _row(row: RowView) -> str:
    if not row.title:
        return _cells(row.cells, "h3")
    return (
        f'<section class="bk-seed" aria-label="{escape(row.title)}"><h3 class="bk-seed-title">{escape(row.title)}</h3>'
        f"{_cells(row.cells, 'h4')}</section>"
    )


def _cells(views: Sequence[CellView], heading: str = "h3") -> str:
    cells = "".join(_cell(view, heading) for view in views)
    return f'<ol class="bk-columns" style="--columns:{min(len(views), 4)}">{cells}</ol>'


def _cell(view: CellView, heading: str) -> str:
    return (
        f'<li class="bk-column" data-tone="{view.tone}" data-index="{view.index}" data-seed="{view.seed}"'
        f' data-model="{view.model}" tabindex="-1"><figure><div class="bk-frame">{_frame(view)}</div>'
        f'<figcaption style="--lines:{_lines(view)}">{_caption(view, heading)}</figcaption></figure></li>'
    )


def _lines(view: CellView) -> float:
    """Return the lines below the times: the facts, the loading time, and the range over previews."""
    return len(view.facts) + 1 + (2.5 if view.previewed else 0)


def _frame(view: CellView) -> str:
    """Return the square of a cell: its picture, or words in its place."""
    if view.picture:
        return (
            f'<button type="button" class="bk-picture" aria-haspopup="dialog" title="{escape(say("Look closely"))}">'
            f'<img src="{escape(view.picture)}" alt="{escape(view.alt)}" draggable="false">'
            f"{EARLY if view.previewed and view.finished else ''}</button>"
        )
    if view.tone == "empty":
        return f'<div class="bk-say"><p>{escape(view.detail)}</p></div>'
    if view.tone in ICONS:
        return (
            f'<div class="bk-say">{icon(view.tone)}<strong>{escape(view.title)}</strong>'
            f'<p dir="auto">{escape(view.detail)}</p></div>'
        )
    return _backdrop(view) + _progress(view)


def _backdrop(view: CellView) -> str:
    """Return the picture behind the progress. Its alt text is empty, because the caption describes the cell."""
    if not view.backdrop:
        return ""
    return f'<img class="bk-backdrop" data-kind="{view.backdrop_kind}" src="{escape(view.backdrop)}" alt="">'


def _progress(view: CellView) -> str:
    percent = "" if view.progress is None else f'aria-valuenow="{view.progress:.0%}"'.replace("%", "")
    width = 0.0 if view.progress is None else view.progress
    bar = (
        f'<div class="bk-progress" role="progressbar" aria-label="{escape(view.name)}" aria-valuemin="0"'
        f' aria-valuemax="100" {percent}><span style="transform:scaleX({width:.3f})"></span></div>'
    )
    return (
        f'<div class="bk-wait"><strong>{term(view.title, view.meaning)}</strong>'
        f"<span>{escape(unbroken(view.detail))}</span>"
        f"{bar if view.tone == 'working' else NO_PROGRESS}</div>"
    )


def _caption(view: CellView, heading: str) -> str:
    speed = f'<span class="bk-speed">{escape(view.speed)}</span>' if view.speed else ""
    measure = f'<p class="bk-measure"><span class="bk-seconds">{escape(unbroken(view.seconds))}</span>{speed}</p>'
    facts = [*view.facts, *([view.loading] if view.loading else [])]
    lines = "".join(f"<li>{escape(unbroken(fact))}</li>" for fact in facts)
    note = f'<p class="bk-message" dir="auto">{escape(view.note)}</p>'
    return (
        f"<{heading}>{escape(view.name)}</{heading}>{measure if view.seconds else ''}"
        f'<ul class="bk-small">{lines}</ul>{note if view.note else ""}'
        f"{SIMILARITY if view.picture else ''}{_scrub(view)}{_actions(view)}"
    )


def _scrub(view: CellView) -> str:
    """Return the range that shows a picture while it was drawn; early.js shows it where this browser kept previews.

    Not before the comparison is finished, as each refresh of the board would undo what early.js sets.
    """
    if not (view.previewed and view.picture and view.finished):
        return ""
    label = escape(say("While it was drawn"))
    hidden = f'<span class="bk-hidden">: {escape(view.name)}</span>'
    return (
        f'<label class="bk-scrub" hidden><span>{label}{hidden}</span>'
        '<input type="range" min="0" max="0" value="0" step="1"></label>'
    )


def _actions(view: CellView) -> str:
    save = (
        f'<a href="{escape(view.picture)}" download="{escape(view.file_name)}"'
        f' title="{escape(say("The PNG contains its settings"))}">{escape(say("Save PNG"))}'
        f'<span class="bk-hidden"> {escape(say("of {model}", model=view.name))}</span></a>'
    )
    copy = (
        f'<button type="button" data-copy-picture="{escape(view.picture)}">{escape(say("Copy"))}'
        f'<span class="bk-hidden"> {escape(say("the picture of {model}", model=view.name))}</span></button>'
    )
    again = (
        f'<button type="button" data-again="{view.index}">{escape(view.again)}'
        f'<span class="bk-hidden">: {escape(view.name)}</span></button>'
    )
    parts = (save + copy if view.picture else "", again if view.again else "")
    return f'<p class="bk-cell-actions">{"".join(parts)}</p>' if any(parts) else ""
