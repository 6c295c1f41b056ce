"""Renders the gallery's cards as HTML. The only logic is escaping.

Words come from gallery_view.py, styles from gallery.css. The markup links pictures and never embeds them. Each button
names its action in `data-act`, which gallery.py sends to the server. Delete asks for confirmation first.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bksdm_demo.languages import marked, say
from bksdm_demo.parameters.links import SHEET
from bksdm_demo.phrase_book import translated
from bksdm_demo.records import Job
from bksdm_demo.ui.gallery_view import CardView, Thumbnail
from bksdm_demo.ui.icons import icon
from bksdm_demo.ui.share import save_menu
from bksdm_demo.units import unbroken

DELETE_JOB = marked("Delete this comparison and its pictures for good?")
DELETE_SHEET = marked("Delete this sheet, its comparisons and their pictures for good? Starred comparisons stay.")


def gallery_cards(cards: Sequence[tuple[CardView, Job]], unreadable: Sequence[tuple[str, str]] = ()) -> str:
    """Return the cards in the given order, each with the job it shows, then one for each comparison without a record.

    `unreadable` are ids with the words to show.
    """
    items = "".join(_card(view, job) for view, job in cards)
    items += "".join(_unreadable_card(job_id, words) for job_id, words in unreadable)
    return f'<ol class="bk-gallery" aria-label="{escape(say("Saved comparisons"))}">{items}</ol>'


def empty_gallery(words: tuple[str, str]) -> str:
    """Return the title and sentence shown when there is no card."""
    title, sentence = words
    return f'<div class="bk-nothing"><h2>{escape(say(title))}</h2><p>{escape(say(sentence))}</p></div>'


def gallery_line(words: str, problem: str = "") -> str:
    """Return the line below the cards: what is stored, and a problem with the storage if there is one."""
    alert = f'<p class="bk-notice" role="alert">{escape(translated(problem))}</p>' if problem else ""
    return f'{alert}<p class="bk-note" role="status">{escape(unbroken(words))}</p>'


def _card(view: CardView, job: Job) -> str:
    thumbnails = "".join(_thumbnail(thumbnail) for thumbnail in view.thumbnails)
    more = f'<span class="bk-more">{escape(view.more)}</span>' if view.more else ""
    status = f'<p class="bk-kept-status">{escape(view.status)}</p>' if view.status else ""
    until = f" · {escape(view.until)}" if view.until else ""
    return (
        f'<li class="bk-kept"><article>'
        f'<a class="bk-kept-open" {_target(view)}>'
        f'<span class="bk-strip">{thumbnails}{more}</span>'
        f'<strong class="bk-kept-prompt" dir="auto">{escape(view.prompt)}</strong></a>{status}'
        f"<p>{escape(view.models)}</p><p>{escape(view.settings)}</p>"
        f'<p><time datetime="{escape(view.created)}">{escape(view.when)}</time>{until}</p>'
        f"{_actions(view, job)}</article></li>"
    )


def _target(view: CardView) -> str:
    """Return where a click leads: to the comparison, which opens on this page, or to the sheet."""
    if view.sheet:
        return f'href="?{SHEET}={escape(view.sheet)}"'
    return f'href="?job={escape(view.id)}" data-open="{escape(view.id)}"'


def _thumbnail(thumbnail: Thumbnail) -> str:
    if thumbnail.picture:
        picture = f'<img src="{escape(thumbnail.picture)}" alt="{escape(thumbnail.title)}" loading="lazy">'
        return f'<span class="bk-cell">{picture}</span>'
    return (
        f'<span class="bk-cell" data-tone="{thumbnail.tone}" title="{escape(thumbnail.title)}">{icon(thumbnail.tone)}'
        f'<span class="bk-hidden">{escape(thumbnail.title)}</span></span>'
    )


def _unreadable_card(job_id: str, words: str) -> str:
    return (
        f'<li class="bk-kept"><article><p class="bk-kept-status">{escape(words)}</p><p>{escape(job_id)}</p>'
        f'<div class="bk-kept-actions">{_delete_menu(job_id, say("of {prompt}", prompt=job_id))}</div></article></li>'
    )


def _actions(view: CardView, job: Job) -> str:
    of = say("of {prompt}", prompt=view.prompt)
    if view.sheet:
        menu = "" if view.running else _delete_menu(view.sheet, of, "delete-sheet", DELETE_SHEET)
        return f'<div class="bk-kept-actions">{menu}</div>'
    pressed = "true" if view.starred else "false"
    star = (
        f'<button type="button" class="bk-tool bk-star" data-act="{"unstar" if view.starred else "star"}"'
        f' data-job="{escape(view.id)}" aria-pressed="{pressed}"'
        f' title="{escape(say("Starred comparisons do not expire"))}">'
        f'{icon("star")}{escape(say("Star"))}<span class="bk-hidden"> {escape(view.prompt)}</span></button>'
    )
    if view.running:
        return f'<div class="bk-kept-actions">{star}</div>'
    return f'<div class="bk-kept-actions">{star}{save_menu(job, of)}{_delete_menu(view.id, of)}</div>'


def _delete_menu(job_id: str, of: str, act: str = "delete", question: str = DELETE_JOB) -> str:
    """Return the button that asks before it deletes; `of` names the comparison for screen readers."""
    return (
        f'<details class="bk-menu"><summary class="bk-tool">{escape(say("Delete"))}'
        f'<span class="bk-hidden"> {escape(of)}</span></summary><div class="bk-menu-body">'
        f"<p>{escape(say(question))}</p>"
        f'<button type="button" class="bk-tool bk-tool-alert" data-act="{act}" data-job="{escape(job_id)}">'
        f"{escape(say('Delete for good'))}</button></div></details>"
    )
