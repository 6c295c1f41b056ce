"""How far a model is loaded, in words and as a share, for the page and the command line."""

from __future__ import annotations

from bksdm_demo.languages import say
from bksdm_demo.phrase_book import translated
from bksdm_demo.records import LoadProgress
from bksdm_demo.units import duration


def loading_words(progress: LoadProgress, now: float) -> str:
    """ "text encoder, 1 of 4, 12 s"; `now` is in seconds since the epoch."""
    spent = duration(max(int(now - progress.began), 0))
    part = translated(progress.part)
    if not progress.number:
        return say("{part}, {time}", part=part, time=spent)
    return say(
        "{part}, {number} of {count}, {time}", part=part, number=progress.number, count=progress.count, time=spent
    )


def loading_share(progress: LoadProgress) -> float | None:
    """Return the share of parts that are loaded; None while the files are still read."""
    return (progress.number - 1) / progress.count if progress.number else None
