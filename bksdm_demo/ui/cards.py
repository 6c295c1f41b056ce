"""The gallery's cards as HTML. The only logic is escaping: words come from keeping.py, looks from gallery.css.

Pictures are named by address and never embedded. A card's buttons say what they do in `data-act`, which gallery.py
hands to the server; deleting asks first, in a fold of the card.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bksdm_demo.records import Job
from bksdm_demo.ui.board import ICONS
from bksdm_demo.ui.gallery_view import CardView, Thumbnail
from bksdm_demo.ui.share import save_menu

_STAR = "M12 3.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.8-5.2 2.8 1-5.8L3.6 9.7l5.8-.8z"
_ICON = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="{}" {}/></svg>'
_LINES = 'fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"'


def gallery_cards(cards: Sequence[tuple[CardView, Job]]) -> str:
    """The cards in their order, each with the job it shows."""
    items = "".join(_card(view, job) for view, job in cards)
    return f'<ol class="bk-gallery" aria-label="Kept comparisons">{items}</ol>'


def empty_gallery(words: tuple[str, str]) -> str:
    """What is said where there is no card."""
    title, sentence = words
    return f'<div class="bk-nothing"><h2>{escape(title)}</h2><p>{escape(sentence)}</p></div>'


def gallery_line(words: str, problem: str = "") -> str:
    """What is kept, and why it is not kept as wanted."""
    alert = f'<p class="bk-notice" role="alert">{escape(problem)}</p>' if problem else ""
    return f'{alert}<p class="bk-note" role="status">{escape(words)}</p>'


def _card(view: CardView, job: Job) -> str:
    thumbnails = "".join(_thumbnail(thumbnail) for thumbnail in view.thumbnails)
    more = f'<span class="bk-more">{escape(view.more)}</span>' if view.more else ""
    status = f'<p class="bk-kept-status">{escape(view.status)}</p>' if view.status else ""
    until = f" · {escape(view.until)}" if view.until else ""
    return (
        f'<li class="bk-kept"><article>'
        f'<a class="bk-kept-open" href="?job={escape(view.id)}" data-open="{escape(view.id)}">'
        f'<span class="bk-strip">{thumbnails}{more}</span>'
        f'<strong class="bk-kept-prompt" dir="auto">{escape(view.prompt)}</strong></a>{status}'
        f"<p>{escape(view.models)}</p><p>{escape(view.settings)}</p>"
        f'<p><time datetime="{escape(view.created)}">{escape(view.when)}</time>{until}</p>'
        f"{_actions(view, job)}</article></li>"
    )


def _thumbnail(thumbnail: Thumbnail) -> str:
    if thumbnail.picture:
        picture = f'<img src="{escape(thumbnail.picture)}" alt="{escape(thumbnail.title)}" loading="lazy">'
        return f'<span class="bk-cell">{picture}</span>'
    icon = _ICON.format(ICONS[thumbnail.tone], _LINES) if thumbnail.tone in ICONS else ""
    return (
        f'<span class="bk-cell" data-tone="{thumbnail.tone}" title="{escape(thumbnail.title)}">{icon}'
        f'<span class="bk-hidden">{escape(thumbnail.title)}</span></span>'
    )


def _actions(view: CardView, job: Job) -> str:
    of = f"of {view.prompt}"
    pressed = "true" if view.starred else "false"
    star = (
        f'<button type="button" class="bk-tool bk-star" data-act="{"unstar" if view.starred else "star"}"'
        f' data-job="{escape(view.id)}" aria-pressed="{pressed}" title="Starred comparisons do not expire">'
        f'{_ICON.format(_STAR, _LINES)}Star<span class="bk-hidden"> {escape(view.prompt)}</span></button>'
    )
    if view.running:
        return f'<div class="bk-kept-actions">{star}</div>'
    delete = (
        '<details class="bk-menu"><summary class="bk-tool">Delete'
        f'<span class="bk-hidden"> {escape(of)}</span></summary><div class="bk-menu-body">'
        "<p>Delete this comparison and its pictures for good?</p>"
        f'<button type="button" class="bk-tool bk-tool-alert" data-act="delete" data-job="{escape(view.id)}">Delete for'
        " good</button></div></details>"
    )
    return f'<div class="bk-kept-actions">{star}{save_menu(job, of)}{delete}</div>'
