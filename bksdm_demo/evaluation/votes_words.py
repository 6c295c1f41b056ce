"""Words about a ranking, for the page and the command line alike."""

from __future__ import annotations

from bksdm_demo.evaluation.ranking import SHOWN_FROM, VISITORS, Duel, Ranking, Standing
from bksdm_demo.evaluation.trust import NOT_SIGNED_IN, ONE_SIDE
from bksdm_demo.languages import joined, marked, say
from bksdm_demo.wording.comparison import plural

REASONS = {
    ONE_SIDE: marked("{count} of visitors who favour one side"),
    NOT_SIGNED_IN: marked("{count} of visitors who did not sign in"),
}


def place_words(standing: Standing) -> str:
    """ "1", "2–3", or "" for a model without a score."""
    if not standing.shown:
        return ""
    return str(standing.best) if standing.best == standing.worst else f"{standing.best}–{standing.worst}"


def score_words(standing: Standing) -> str:
    """ "1043", or the votes that are missing for a score."""
    if standing.score is None:
        return say("{votes} of {needed} votes", votes=standing.votes, needed=SHOWN_FROM)
    return f"{standing.score:.0f}"


def interval_words(standing: Standing) -> str:
    """ "1021 to 1066", or "" for a model without a score."""
    if standing.low is None or standing.high is None:
        return ""
    return say("{low} to {high}", low=f"{standing.low:.0f}", high=f"{standing.high:.0f}")


def state_words(standing: Standing) -> str:
    return say("preliminary") if standing.preliminary else ""


def share_words(duel: Duel) -> str:
    """ "64 % of 25": what the first won, ties half; "" without a vote."""
    if duel.share is None:
        return ""
    return say("{share} of {votes}", share=percent(duel.share), votes=f"{duel.votes:.0f}")


def percent(share: float) -> str:
    """ "64 %"."""
    return f"{100 * share:.0f} %"


def duel_words(duel: Duel, first: str, second: str) -> str:
    """ "So far Emoji Base won 12 votes and Emoji Tiny 7; 3 ties, 1 both bad." """
    if not duel.votes and not duel.bad:
        return say("No counted vote compares {first} with {second} yet.", first=first, second=second)
    rest = [plural(round(duel.ties), "tie")] if duel.ties else []
    rest += [say("{count} both bad", count=f"{duel.bad:.0f}")] if duel.bad else []
    values = {
        "first": first,
        "votes": plural(round(duel.first), "vote"),
        "second": second,
        "count": f"{duel.second:.0f}",
    }
    if rest:
        return say("So far {first} won {votes} and {second} {count}; {rest}.", rest=", ".join(rest), **values)
    return say("So far {first} won {votes} and {second} {count}.", **values)


def basis_words(ranking: Ranking) -> str:
    """Say what the ranking rests on, and which votes do not count."""
    if not ranking.cast:
        return say("Nobody has voted yet.")
    votes, visitors = plural(ranking.cast, "vote"), plural(ranking.visitors, "visitor")
    words = say("{votes} of {visitors} who count.", votes=votes, visitors=visitors)
    out = [say(REASONS[reason], count=count) for reason, count in ranking.left_out]
    return joined(words, say("Left out: {list}.", list=", ".join(out)) if out else "")


def interval_meaning(ranking: Ranking) -> str:
    """Say what the intervals are, once there are any."""
    if not any(standing.shown for standing in ranking.standings):
        return say("Scores appear when two models have {count} votes each.", count=SHOWN_FROM)
    if ranking.drawn == VISITORS:
        return say("95 % intervals, from votes of visitors drawn at random.")
    return say("95 % intervals for these visitors only: they are too few to speak for people in general.")


def flip_words(ranking: Ranking, names: dict[str, str]) -> str:
    """Say how firm the first place is; "" without two shown models."""
    if ranking.to_flip is None:
        return ""
    first, second = (names.get(standing.model, standing.model) for standing in ranking.standings[:2])
    votes = plural(ranking.to_flip, "vote")
    return say("Without about {votes}, {second} would be before {first}.", votes=votes, second=second, first=first)
