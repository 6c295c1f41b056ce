"""Words about a ranking, for the page and the command line alike."""

from __future__ import annotations

from bksdm_demo.evaluation.ranking import SHOWN_FROM, VISITORS, Duel, Ranking, Standing
from bksdm_demo.evaluation.trust import NOT_SIGNED_IN, ONE_SIDE
from bksdm_demo.wording.comparison import plural

REASONS = {ONE_SIDE: "of visitors who favour one side", NOT_SIGNED_IN: "of visitors who did not sign in"}


def place_words(standing: Standing) -> str:
    """ "1", "2–3", or "" for a model without a score."""
    if not standing.shown:
        return ""
    return str(standing.best) if standing.best == standing.worst else f"{standing.best}–{standing.worst}"


def score_words(standing: Standing) -> str:
    """ "1043", or the votes that are missing for a score."""
    if standing.score is None:
        return f"{standing.votes} of {SHOWN_FROM} votes"
    return f"{standing.score:.0f}"


def interval_words(standing: Standing) -> str:
    """ "1021 to 1066", or "" for a model without a score."""
    if standing.low is None or standing.high is None:
        return ""
    return f"{standing.low:.0f} to {standing.high:.0f}"


def state_words(standing: Standing) -> str:
    return "preliminary" if standing.preliminary else ""


def share_words(duel: Duel) -> str:
    """ "64 % of 25": what the first won, ties half; "" without a vote."""
    return "" if duel.share is None else f"{percent(duel.share)} of {duel.votes:.0f}"


def percent(share: float) -> str:
    """ "64 %"."""
    return f"{100 * share:.0f} %"


def duel_words(duel: Duel, first: str, second: str) -> str:
    """ "So far Emoji Base won 12 votes and Emoji Tiny 7; 3 ties, 1 both bad." """
    if not duel.votes and not duel.bad:
        return f"No counted vote compares {first} with {second} yet."
    rest = [plural(round(duel.ties), "tie")] if duel.ties else []
    rest += [f"{duel.bad:.0f} both bad"] if duel.bad else []
    more = f"; {', '.join(rest)}" if rest else ""
    return f"So far {first} won {plural(round(duel.first), 'vote')} and {second} {duel.second:.0f}{more}."


def basis_words(ranking: Ranking) -> str:
    """Say what the ranking rests on, and which votes do not count."""
    if not ranking.cast:
        return "Nobody has voted yet."
    words = f"{plural(ranking.cast, 'vote')} of {plural(ranking.visitors, 'visitor')} who count."
    out = [f"{count} {REASONS[reason]}" for reason, count in ranking.left_out]
    return f"{words} Left out: {', '.join(out)}." if out else words


def interval_meaning(ranking: Ranking) -> str:
    """Say what the intervals are, once there are any."""
    if not any(standing.shown for standing in ranking.standings):
        return f"Scores appear when two models have {SHOWN_FROM} votes each."
    if ranking.drawn == VISITORS:
        return "95 % intervals, from votes of visitors drawn at random."
    return "95 % intervals for these visitors only: they are too few to speak for people in general."


def flip_words(ranking: Ranking, names: dict[str, str]) -> str:
    """Say how firm the first place is; "" without two shown models."""
    if ranking.to_flip is None:
        return ""
    first, second = (names.get(standing.model, standing.model) for standing in ranking.standings[:2])
    return f"Without about {plural(ranking.to_flip, 'vote')}, {second} would be before {first}."
