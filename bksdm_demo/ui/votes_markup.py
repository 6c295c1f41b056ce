"""Renders the blind vote as HTML: a pair without names, the pair with names, the ranking and the table of wins.

Before the vote, no word, class or address here says which model or comparison a picture comes from. Words come from
evaluation/votes_words.py, styles from votes.css.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import quote

from bksdm_demo.evaluation.ranking import SETTLED_FROM, SHOWN_FROM, Ranking, Standing
from bksdm_demo.evaluation.sheet import SheetRecord
from bksdm_demo.evaluation.votes import Choice
from bksdm_demo.evaluation.votes_booth import LEFT, RIGHT, Ballot
from bksdm_demo.evaluation.votes_words import (
    basis_words,
    duel_words,
    flip_words,
    interval_meaning,
    interval_words,
    percent,
    place_words,
    score_words,
    share_words,
    state_words,
)
from bksdm_demo.languages import marked, say
from bksdm_demo.parameters.links import SHEET, VOTE
from bksdm_demo.ui.present import picture_alt
from bksdm_demo.ui.sheet_grid import sheet_title
from bksdm_demo.ui.vote_pictures import ballot_address
from bksdm_demo.units import unbroken
from bksdm_demo.wording.comparison import plural

CHOICES = (  # label, the key that presses it, the arrow of that key
    (Choice.LEFT, marked("Left is better"), "ArrowLeft", "←"),
    (Choice.TIE, marked("Equally good"), "ArrowUp", "↑"),
    (Choice.BOTH_BAD, marked("Both bad"), "ArrowDown", "↓"),
    (Choice.RIGHT, marked("Right is better"), "ArrowRight", "→"),
)
QUESTION = marked("Which picture is better?")
KEYS = marked("The arrow keys vote while the focus is on this pair.")
NO_PAIRS = (
    marked("No pair is left to vote on"),
    marked(
        "A pair is two finished pictures of one prompt and seed by two models. Compare more prompts, then come back."
    ),
)
SIDES = {LEFT: (marked("Left"), marked("The left picture")), RIGHT: (marked("Right"), marked("The right picture"))}
WINS = marked("What the model of the row won against that of the column, ties half, and of how many votes.")
WINS_TABLE = marked("Share of votes that each row won against each column")
HEADS = (
    marked("Model"), marked("Place"), marked("Score"), marked("95 % interval"), marked("Votes"), marked("Both bad")
)  # fmt: skip
MARGIN = 0.06  # of the chart's width, on both sides


def ballot_markup(ballot: Ballot, left: int) -> str:
    """Return the pair without names; `left` is how many pairs the visitor has not voted on."""
    token = escape(ballot.token)
    pictures = "".join(
        f'<figure><img src="{escape(ballot_address(ballot.token, side))}" alt="{escape(say(SIDES[side][1]))}">'
        f"<figcaption>{escape(say(SIDES[side][0]))}</figcaption></figure>"
        for side in (LEFT, RIGHT)
    )
    buttons = "".join(
        f'<button type="button" class="bk-tool" data-act="{choice}" data-token="{token}" data-key="{key}"'
        f' aria-keyshortcuts="{key}"><span aria-hidden="true">{arrow}</span> {escape(say(label))}</button>'
        for choice, label, key, arrow in CHOICES
    )
    return (
        '<section class="bk-ballot" tabindex="-1" data-focus aria-labelledby="bk-ballot-title">'
        f'<h2 id="bk-ballot-title">{escape(say(QUESTION))}</h2>'
        f'<p class="bk-ballot-prompt" dir="auto">{escape(ballot.pair.request.prompt)}</p>'
        f'<div class="bk-pair">{pictures}</div>'
        f'<div class="bk-choices" role="group" aria-label="{escape(say("Your vote"))}">{buttons}</div>'
        f'<p class="bk-note">{escape(say(KEYS))} {escape(say("{pairs} left.", pairs=plural(left, "pair")))}</p>'
        "</section>"
    )


def reveal_markup(ballot: Ballot, choice: Choice, ranking: Ranking, names: Mapping[str, str], files: list[str]) -> str:
    """Return the pair with its names after the vote; `files` are the names of the two pictures of their comparison."""
    models = [ballot.picture(side).model for side in (LEFT, RIGHT)]
    shown = [names.get(model, model) for model in models]
    figures = "".join(
        _named_figure(ballot, side, name, file, choice == side)
        for side, name, file in zip((LEFT, RIGHT), shown, files, strict=True)
    )
    said = {
        Choice.LEFT: say("You chose {model}", model=shown[0]),
        Choice.RIGHT: say("You chose {model}", model=shown[1]),
        Choice.TIE: say("You chose neither"),
    }
    words = duel_words(ranking.duel(*models), *shown)
    return (
        '<section class="bk-ballot" aria-labelledby="bk-ballot-title">'
        f'<h2 id="bk-ballot-title">{escape(said.get(choice) or say("You found both bad"))}</h2>'
        f'<p class="bk-ballot-prompt" dir="auto">{escape(ballot.pair.request.prompt)}</p>'
        f'<div class="bk-pair">{figures}</div><p class="bk-verdict" id="bk-verdict">{escape(words)}</p>'
        '<div class="bk-choices"><button type="button" class="bk-tool bk-tool-strong" data-act="next" data-focus'
        f' aria-describedby="bk-ballot-title bk-verdict">{escape(say("Next pair"))}</button>'
        f'<a class="bk-tool" href="?job={escape(quote(ballot.pair.first.job, safe=""))}">'
        f"{escape(say('Open the comparison'))}</a></div>"
        "</section>"
    )


def _named_figure(ballot: Ballot, side: str, name: str, file: str, chosen: bool) -> str:
    address = f"pictures/{quote(ballot.picture(side).job, safe='')}/{quote(file)}"
    alt = picture_alt(ballot.pair.request, name)
    return (
        f'<figure{" data-chosen" if chosen else ""}><img src="{escape(address)}" alt="{escape(alt)}">'
        f"<figcaption>{escape(name)}</figcaption></figure>"
    )


def sheet_pool(sheet: SheetRecord) -> str:
    """Return the line above the pair that says which sheet is voted on, with the way to all comparisons."""
    link = f'<a href="?{SHEET}={escape(quote(sheet.id, safe=""))}" dir="auto">{escape(sheet_title(sheet))}</a>'
    words = escape(say("Only pictures of this sheet: {sheet}", sheet="\0")).replace("\0", link)
    return f'<p class="bk-note">{words} · <a href="?{VOTE}=all">{escape(say("Vote on all comparisons"))}</a></p>'


def nothing_markup() -> str:
    """Return what is shown when there is no pair."""
    title, sentence = NO_PAIRS
    return f'<div class="bk-nothing"><h2>{escape(say(title))}</h2><p>{escape(say(sentence))}</p></div>'


def ranking_markup(ranking: Ranking, names: Mapping[str, str]) -> str:
    """Return the ranking with its chart, and the table of wins."""
    if not ranking.standings:
        return ""
    known = dict(names)
    lines = (basis_words(ranking), interval_meaning(ranking), flip_words(ranking, known))
    notes = "".join(f"<p>{escape(unbroken(line))}</p>" for line in lines if line)
    return (
        '<section class="bk-ranking" aria-labelledby="bk-ranking-title">'
        f'<h2 id="bk-ranking-title">{escape(say("Ranking"))}</h2>'
        f'{_ranking_table(ranking, known)}<div class="bk-note">{notes}</div>'
        f'<h2 id="bk-wins-title">{escape(say("Wins"))}</h2>{_wins_table(ranking, known)}'
        f'<p class="bk-note">{escape(say(WINS))}</p></section>'
    )


def _ranking_table(ranking: Ranking, names: dict[str, str]) -> str:
    heads = "".join(f'<th scope="col">{escape(say(head))}</th>' for head in HEADS)
    scale = _scale(ranking)
    rows = "".join(_ranking_row(standing, names, scale) for standing in ranking.standings)
    return (
        f'<div class="bk-table" tabindex="0" role="group" aria-label="{escape(say("Table of the ranking"))}"'
        ' style="--models:5"><table>'
        f'<caption class="bk-hidden">{escape(say("Models by score"))}</caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _ranking_row(standing: Standing, names: dict[str, str], scale: tuple[float, float]) -> str:
    name = escape(names.get(standing.model, standing.model))
    if not standing.shown:
        wanted = (
            f'<td colspan="3"><span class="bk-toward" style="--share:{min(1.0, standing.votes / SHOWN_FROM):.3f}"'
            f' aria-hidden="true"></span> {score_words(standing)}</td>'
        )
        return f'<tr><th scope="row">{name}</th>{wanted}<td>{standing.votes}</td><td>{percent(standing.bad)}</td></tr>'
    tag = f' <em class="bk-cold">{escape(state_words(standing))}</em>' if standing.preliminary else ""
    votes = (
        say("{votes} of {needed}", votes=standing.votes, needed=SETTLED_FROM)
        if standing.preliminary
        else str(standing.votes)
    )
    return (
        f'<tr><th scope="row">{name}{tag}</th><td>{place_words(standing)}</td>'
        f'<td class="bk-strong">{score_words(standing)}</td>'
        f'<td class="bk-range">{_whisker(standing, scale)}{interval_words(standing)}</td>'
        f"<td>{votes}</td><td>{percent(standing.bad)}</td></tr>"
    )


def _whisker(standing: Standing, scale: tuple[float, float]) -> str:
    low, score, high = (_share(value, scale) for value in (standing.low, standing.score, standing.high))
    return (
        f'<span class="bk-whisker" aria-hidden="true" style="--low:{low:.4f};--score:{score:.4f};--high:{high:.4f}">'
        "</span>"
    )


def _scale(ranking: Ranking) -> tuple[float, float]:
    """Return the lowest and the highest end of all intervals, in points."""
    shown = [standing for standing in ranking.standings if standing.shown]
    lows, highs = [standing.low or 0 for standing in shown], [standing.high or 0 for standing in shown]
    return (min(lows), max(highs)) if shown else (0.0, 1.0)


def _share(value: float | None, scale: tuple[float, float]) -> float:
    low, high = scale
    return MARGIN + (1 - 2 * MARGIN) * ((value or 0) - low) / ((high - low) or 1)


def _wins_table(ranking: Ranking, names: dict[str, str]) -> str:
    models = [standing.model for standing in ranking.standings]
    heads = "".join(f'<th scope="col">{escape(names.get(model, model))}</th>' for model in models)
    rows = "".join(
        f'<tr><th scope="row">{escape(names.get(row, row))}</th>'
        + "".join(f"<td>{_win(ranking, row, column)}</td>" for column in models)
        + "</tr>"
        for row in models
    )
    return (
        f'<div class="bk-table" tabindex="0" role="group" aria-label="{escape(say("Table of wins"))}"'
        f' style="--models:{len(models)}">'
        f'<table><caption class="bk-hidden">{escape(say(WINS_TABLE))}</caption><thead><tr>'
        f'<th scope="col">{escape(say("Model"))}</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _win(ranking: Ranking, row: str, column: str) -> str:
    return "" if row == column else unbroken(share_words(ranking.duel(row, column))) or "–"
