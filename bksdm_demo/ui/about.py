"""Renders the About tab, the model card, as HTML. Text: about_text.py. Drawing: blocks.py. Styles: about.css."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

import gradio as gr

from bksdm_demo.languages import say
from bksdm_demo.phrase_book import translated
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.store.contract import StoreError, Usage
from bksdm_demo.ui.about_text import (
    BIAS,
    BIBTEX,
    BK_SDM,
    CITATION_INTRO,
    EMOJI,
    EMOJI_AFTER,
    EMOJI_FIGURES,
    EMOJI_HEADER,
    EMOJI_NOTE,
    FAIRNESS,
    LICENCES,
    LIMITATIONS,
    MISUSE,
    SAFETY,
    SCORES,
    SCORES_HEADER,
    SCORES_NOTE,
    USES,
    Content,
    Section,
    privacy,
)
from bksdm_demo.ui.blocks import blocks_figure
from bksdm_demo.ui.unet_map import unet_map

_LINK = re.compile(r"\[([^\]]+)\]\((https://[^)\s]+)\)")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")
_CODE = re.compile(r"`([^`]+)`")


def build_about(comparisons: Comparisons, own: bool = False) -> None:
    """Lay out the tab. With `own`, each visitor's gallery lists only their own comparisons."""
    gr.HTML(about_page(_usage(comparisons), own), apply_default_css=False, elem_id="bk-card")


def _usage(comparisons: Comparisons) -> Usage | None:
    try:
        return comparisons.usage()
    except StoreError:
        return None


def about_page(usage: Usage | None, own: bool = False) -> str:
    """The whole card. `usage` gives the retention of comparisons; None means that it cannot be read."""
    privacy_section = privacy(usage.retention if usage else None, stored=bool(usage and usage.place), own=own)
    sections = (
        ("what", say("What BK-SDM is"), _prose(BK_SDM) + unet_map() + blocks_figure() + _scores()),
        *((each.key, each.title, _prose(each.contents)) for each in (FAIRNESS, USES, MISUSE, LIMITATIONS, BIAS)),
        *((each.key, each.title, _prose(each.contents)) for each in (SAFETY, privacy_section)),
        (EMOJI.key, EMOJI.title, _emoji(EMOJI)),
        (LICENCES.key, LICENCES.title, _prose(LICENCES.contents)),
        ("citation", say("Citation"), _citation()),
    )
    titles = [escape(translated(title)) for _, title, _ in sections]
    links = "".join(
        f'<li><a href="#bk-card-{key}">{title}</a></li>' for (key, _, _), title in zip(sections, titles, strict=True)
    )
    body = "".join(
        f'<section aria-labelledby="bk-card-{key}"><h2 id="bk-card-{key}" tabindex="-1">{title}</h2>{markup}</section>'
        for (key, _, markup), title in zip(sections, titles, strict=True)
    )
    return (
        f'<div class="bk-card"><nav class="bk-card-nav" aria-label="{escape(say("On this tab"))}"><ul>{links}</ul>'
        f'</nav><div class="bk-card-body">{body}</div></div>'
    )


def inline(text: str) -> str:
    """Turn the marks of one text, in the visitor's language, into HTML and escape everything else."""
    said = escape(translated(text), quote=True)
    markup = _LINK.sub(r'<a href="\2" target="_blank" rel="noreferrer">\1</a>', said)
    return _CODE.sub(r"<code>\1</code>", _STRONG.sub(r"<strong>\1</strong>", markup))


def _prose(contents: Sequence[Content]) -> str:
    return "".join(_content(content) for content in contents)


def _content(content: Content) -> str:
    if isinstance(content, str):
        return f"<p>{inline(content)}</p>"
    return f"<ul>{''.join(f'<li>{inline(text)}</li>' for text in content)}</ul>"


def _scores() -> str:
    return _table(say("What it costs in quality"), SCORES_HEADER, SCORES, SCORES_NOTE)


def _emoji(section: Section) -> str:
    table = _table(say("The family in figures"), EMOJI_HEADER, EMOJI_FIGURES, EMOJI_NOTE)
    return _prose(section.contents) + table + _prose(EMOJI_AFTER)


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], note: str) -> str:
    """The first cell names the row; the rest are figures."""
    head = "".join(f'<th scope="col">{escape(translated(name))}</th>' if name else "<td></td>" for name in header)
    cells = ["".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) for row in rows]
    body = "".join(
        f'<tr><th scope="row">{escape(translated(row[0]))}</th>{figures}</tr>'
        for row, figures in zip(rows, cells, strict=True)
    )
    return (
        f'<div class="bk-card-table" tabindex="0" role="region" aria-label="{escape(title)}"><table>'
        f"<caption>{escape(title)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f'<p class="bk-card-note">{inline(note)}</p>'
    )


def _citation() -> str:
    return (
        f"<p>{inline(CITATION_INTRO)}</p>"
        '<div class="bk-cite"><button type="button" class="bk-tool" data-copies="bk-bibtex">'
        f"{escape(say('Copy'))}</button>"
        f'<pre id="bk-bibtex" tabindex="0" aria-label="{escape(say("BibTeX entry"))}">{escape(BIBTEX)}</pre></div>'
    )
