"""Markup for the list of published models, one card with buttons each, and for the models loaded at the start.

Words come from downloads/status.py, events from background.py, styles from form.css.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import gradio as gr

from bksdm_demo.downloads.status import SWITCHED_OFF, OfferView
from bksdm_demo.languages import say
from bksdm_demo.units import unbroken


class Shelf(NamedTuple):
    """The components that events update; cards and buttons are in the order of the offers."""

    panel: gr.Accordion
    cards: tuple[gr.HTML, ...]
    downloads: tuple[gr.Button, ...]
    cancels: tuple[gr.Button, ...]


def build_shelf(keys: Sequence[str], allowed: bool) -> Shelf:
    """Lay out a card and two buttons for each key; the first watching event fills them."""
    cards, downloads, cancels = [], [], []
    with gr.Accordion(say("Published models"), open=False, visible=bool(keys), elem_id="bk-shelf") as panel:
        if not allowed:
            code = "python -m bksdm_demo fetch KEY"
            gr.HTML(
                f'<p class="bk-note">{escape(say(SWITCHED_OFF))} <code>{code}</code>.</p>',
                apply_default_css=False,
                elem_classes="bk-offers-off",
            )
        for key in keys:
            with gr.Column(elem_id=f"bk-offer-{key}", elem_classes="bk-offer-row", min_width=0):
                cards.append(gr.HTML(apply_default_css=False))
                with gr.Row(elem_classes="bk-offer-buttons"):
                    downloads.append(_button(say("Download"), "bk-download"))
                    cancels.append(_button(say("Cancel"), "bk-stop"))
    return Shelf(panel, tuple(cards), tuple(downloads), tuple(cancels))


def _button(label: str, kind: str) -> gr.Button:
    return gr.Button(label, size="sm", visible=False, min_width=0, scale=0, elem_classes=f"bk-small-button {kind}")


def offer_card(view: OfferView) -> str:
    """Return the card of one system: its facts and the progress of its download."""
    facts = " · ".join(escape(unbroken(fact)) for fact in view.facts)
    warning = f'<p class="bk-offer-warning">{escape(view.warning)}</p>' if view.warning else ""
    return (
        f'<article class="bk-offer" data-tone="{view.tone}"><h4>{escape(view.name)}</h4><p>{facts}</p>{warning}'
        f"{_licence(view)}{_line(view)}</article>"
    )


def _licence(view: OfferView) -> str:
    card = f' · <a href="{escape(view.card_url)}" target="_blank" rel="noopener">{escape(say("model card"))}</a>'
    licence = f'<a href="{escape(view.licence_url)}" target="_blank" rel="noopener">{escape(view.licence)}</a>'
    terms = licence
    if view.download:
        terms = say("By downloading you accept {licence} and its use restrictions", licence=licence)
    return f"<p>{terms}{card}</p>"


def _line(view: OfferView) -> str:
    if not view.line:
        return ""
    role = ' role="alert"' if view.tone == "failed" else ""
    return f'<p class="bk-offer-line" dir="auto"{role}>{escape(unbroken(view.line))}</p>{_bar(view)}'


def _bar(view: OfferView) -> str:
    if view.tone != "working":
        return ""
    width = 0.0 if view.progress is None else view.progress
    now = "" if view.progress is None else f' aria-valuenow="{100 * width:.0f}"'
    return (
        f'<div class="bk-progress" role="progressbar" aria-label="{escape(view.name)}" aria-valuemin="0"'
        f' aria-valuemax="100"{now}><span style="transform:scaleX({width:.3f})"></span></div>'
    )


def warming_list(lines: Sequence[tuple[str, str]], active: bool, news: str = "") -> str:
    """List the models loaded at the start. The list exists while anything is active; `news` are its attributes then."""
    items = "".join(f'<li data-tone="{tone}" dir="auto">{escape(unbroken(line))}</li>' for tone, line in lines)
    state = "true" if active else "false"
    return f'<ul class="bk-warming" data-active="{state}" aria-live="off"{news}>{items}</ul>' if items or active else ""
