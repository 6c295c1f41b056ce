"""The records of the blind vote: a pair of pictures, a ballot that hides who drew them, and a vote.

A vote is kept as it was cast. What it weighs is decided again for every ranking (trust.py), so a better rule also
mends the past.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property

from bksdm_demo.records import Request

GALLERY, STARRED = "gallery", "starred"  # pools of comparisons to vote on (pairs.py)
PAIR_DIGITS = 32  # of a pair's digest
ANSWERED = "You have voted on this pair already. Take the next one."


class Choice(StrEnum):
    """What a visitor says about two pictures."""

    LEFT = "left"
    RIGHT = "right"
    TIE = "tie"  # both equally good
    BOTH_BAD = "both-bad"


@dataclass(frozen=True)
class Picture:
    """Where a picture is: the index of its cell in a job, and the model that drew it."""

    job: str
    index: int
    model: str


@dataclass(frozen=True)
class Pair:
    """Two pictures of one request and seed by two models, in the order of the models' keys.

    `key` is the same wherever the same models drew the same request, so a repeated comparison makes no new pair.
    """

    request: Request
    first: Picture
    second: Picture

    @property
    def models(self) -> tuple[str, str]:
        return self.first.model, self.second.model

    @cached_property
    def key(self) -> str:
        text = json.dumps([asdict(self.request), *self.models], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:PAIR_DIGITS]


@dataclass(frozen=True)
class Voter:
    """Who votes: digests of the visitor's secret and of the network address, each "" if unknown.

    A visitor who signed in counts by the account: `signed_in` is true, and `visitor` the account's digest.
    """

    visitor: str
    address: str = ""
    signed_in: bool = False


@dataclass(frozen=True)
class Vote:
    """One vote as it was cast. `cast` is in seconds since the epoch, `dwell` how long both pictures were out, in s.

    `left` and `right` are keys of models. `job` names the comparison, which may be gone by now.
    """

    visitor: str
    address: str
    signed_in: bool
    cast: float
    dwell: float
    pair: str
    job: str
    left: str
    right: str
    choice: Choice

    @property
    def winner(self) -> str:
        """The model that won, "" for none."""
        return {Choice.LEFT: self.left, Choice.RIGHT: self.right}.get(self.choice, "")

    @property
    def group(self) -> str:
        """Whose votes count together: all of an account, else of an address, as one person can invent visitors."""
        return self.visitor if self.signed_in or not self.address else self.address
