"""The polling booth: hands out ballots that hide who drew what, serves their pictures, takes votes, ranks.

A ballot has a name that nobody can guess, drawn for one visitor and one pair; with the vote it ends. Its pictures are
served under that name without the parameters that a stored PNG holds. The server draws the sides and measures the time
for which both pictures were out. What is kept in memory is bounded; the votes are in votes_store.py.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from bksdm_demo.errors import BusyError, RequestError
from bksdm_demo.evaluation.pairs import Pool, choose
from bksdm_demo.evaluation.ranking import Ranking, rank
from bksdm_demo.evaluation.sheet import SheetRecord
from bksdm_demo.evaluation.trust import counted
from bksdm_demo.evaluation.votes import ANSWERED, Choice, Pair, Picture, Vote, Voter
from bksdm_demo.evaluation.votes_store import VoteStore
from bksdm_demo.parameters.png_writer import decode_png, plain_png
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.fairness import Client, Rates

SHORTEST_DWELL = 1.5  # seconds for which both pictures are out before a vote
COOLDOWN = 2.0  # seconds between two votes of a visitor
MOST_OF_AN_ADDRESS = 3  # votes on one pair from one address
RANKINGS = 16  # that are remembered: of all votes, and of sheets
OPEN_SECONDS = 1_800.0  # until an unused ballot ends
MOST_OPEN = 10_000  # ballots; the oldest end first
LEFT, RIGHT = "left", "right"

NO_BALLOT = "This pair is no longer open. Take the next one."
NO_VISITOR = "This browser keeps no secret for this page, so its votes cannot be told apart. Reload the page."
NOT_SEEN = "Wait until both pictures are here, then vote."
TOO_FAST = "Look at both pictures a moment longer, then vote again."
SIGN_IN = "Only votes of visitors who signed in count here. Sign in, then vote."
VOTED_TOO_OFTEN = (
    "{who} voted {count} times within {window}, which is the most that this page allows. Try again in {wait}."
)


@dataclass
class Ballot:
    """One pair for one visitor. `shown` has the time of the first look at each side, in seconds."""

    token: str
    pair: Pair
    swapped: bool
    voter: Voter
    opened: float
    shown: dict[str, float] = field(default_factory=dict)

    def picture(self, side: str) -> Picture:
        return self.pair.second if (side == RIGHT) != self.swapped else self.pair.first


@dataclass(frozen=True)
class Rules:
    """What the operator decided: how often visitors and addresses may vote.

    `sign_in`: visitors can sign in, as on a Space with OAuth; `signed_in_only`: only then they may vote.
    """

    visitor_rate: str = ""
    address_rate: str = ""
    sign_in: bool = False
    signed_in_only: bool = False


class Booth:
    """The service. Safe to use from several threads. `clock` gives seconds since the epoch."""

    def __init__(
        self,
        comparisons: Comparisons,
        store: VoteStore,
        pool: Pool,
        rules: Rules | None = None,
        clock: Callable[[], float] = time.time,
        random: Random | None = None,
    ) -> None:
        self.store, self.rules = store, rules or Rules()
        self._comparisons, self._pool, self._clock = comparisons, pool, clock
        self._random = random or secrets.SystemRandom()
        self._rates = Rates(self.rules.visitor_rate, self.rules.address_rate, VOTED_TOO_OFTEN)
        self._lock = threading.RLock()
        self._open: OrderedDict[str, Ballot] = OrderedDict()  # by token, the oldest first
        self._of_visitor: dict[str, str] = {}  # the token of a visitor's open ballot
        self._voted: OrderedDict[str, float] = OrderedDict()  # when each visitor last voted
        self._votes: tuple[Vote, ...] = ()
        self._rankings: OrderedDict[tuple[object, ...], Ranking] = OrderedDict()

    def voter(self, client: Client, account: str = "") -> Voter:
        """Return who votes. `account` is the name of one who signed in. Raises RequestError for nobody."""
        visitor = self.store.digest(f"account {account}" if account else client.visitor and f"visitor {client.visitor}")
        if not visitor:
            raise RequestError(NO_VISITOR)
        address = self.store.digest(client.address and f"address {client.address}")
        return Voter(visitor, address, bool(account))

    def ballot(self, voter: Voter, owner: str | None, sheet: SheetRecord | None = None) -> Ballot | None:
        """Return the visitor's open ballot, else a new one; None if there is no pair left to vote on.

        `owner` is whose gallery the visitor sees. With `sheet`, the pair is one of that sheet. Raises StoreError.
        """
        with self._lock:
            self._close_old()
            ballot = self._open.get(self._of_visitor.get(voter.visitor, ""))
            pairs = self._pool.pairs(owner, sheet)
            fits = sheet is None or (ballot is not None and ballot.pair.key in {pair.key for pair in pairs})
            if ballot is not None and fits and self._pool.open(ballot.pair):
                return ballot
            answered = self.store.answered(voter.visitor) | self.store.crowded(voter.address, MOST_OF_AN_ADDRESS)
            votes = Counter((min(vote.left, vote.right), max(vote.left, vote.right)) for vote in self.votes())
            for pair in choose(pairs, answered, votes, self._random):
                if self._pool.open(pair):
                    return self._opened(voter, pair)
            return None

    def picture(self, token: str, side: str) -> bytes:
        """Return a picture of an open ballot as a PNG without parameters. Raises RequestError, StoreError."""
        with self._lock:
            ballot = self._open.get(token)
            if ballot is None or side not in (LEFT, RIGHT) or not self._pool.open(ballot.pair):
                raise RequestError(NO_BALLOT)
            picture = ballot.picture(side)
        data = plain_png(decode_png(self._comparisons.picture(picture.job, picture.index)))
        with self._lock:
            ballot.shown.setdefault(side, self._clock())
        return data

    def peek(self, token: str) -> Ballot:
        """Return an open ballot. Raises RequestError."""
        with self._lock:
            ballot = self._open.get(token)
        if ballot is None:
            raise RequestError(NO_BALLOT)
        return ballot

    def cast(self, voter: Voter, token: str, choice: Choice) -> Vote:
        """Take a vote on an open ballot of this visitor.

        Raises RequestError for another's or an unknown ballot, for one whose pictures were not out, and for a vote
        that came too fast; BusyError if the visitor must wait; StoreError.
        """
        with self._lock:
            self._close_old()
            ballot = self._open.get(token)
            if ballot is None or ballot.voter.visitor != voter.visitor or not self._pool.open(ballot.pair):
                raise RequestError(NO_BALLOT)
            if self.rules.signed_in_only and not voter.signed_in:
                raise RequestError(SIGN_IN)
            now = self._clock()
            if len(ballot.shown) < 2:
                raise RequestError(NOT_SEEN)
            dwell = now - max(ballot.shown.values())
            if dwell < SHORTEST_DWELL or now - self._voted.get(voter.visitor, -COOLDOWN) < COOLDOWN:
                raise BusyError(TOO_FAST)
            if ballot.pair.key in self.store.crowded(voter.address, MOST_OF_AN_ADDRESS):
                self._end(ballot)
                raise RequestError(ANSWERED)
            self._rates.count(Client(voter.visitor, voter.address))
            vote = self._vote(ballot, voter, choice, now, dwell)
            try:
                self.store.add(vote)
            except RequestError:  # on another page of this demo, say
                self._end(ballot)
                raise
            self._end(ballot)
            self._voted[voter.visitor] = now
            self._voted.move_to_end(voter.visitor)
            while len(self._voted) > MOST_OPEN:
                self._voted.popitem(last=False)
            return vote

    def votes(self) -> tuple[Vote, ...]:
        """Every vote, the oldest first. Raises StoreError."""
        with self._lock:
            if self.store.count() != len(self._votes):
                self._votes = self.store.all()
            return self._votes

    def ranking(self, owner: str | None = None, sheet: SheetRecord | None = None) -> Ranking:
        """Rank all models with votes, and those that the visitor may vote on; of a sheet, by votes on its pairs only.

        Raises StoreError.
        """
        votes, pairs = self.votes(), self._pool.pairs(owner, sheet)
        models = self.models(owner, sheet)
        of_sheet = frozenset() if sheet is None else frozenset(pair.key for pair in pairs)
        key = len(votes), models, None if sheet is None else of_sheet
        with self._lock:
            known = self._rankings.get(key)
        if known is None:
            asked = votes if sheet is None else [vote for vote in votes if vote.pair in of_sheet]
            known = rank(counted(asked, self.rules.signed_in_only), models)
            with self._lock:
                self._rankings[key] = known
                while len(self._rankings) > RANKINGS:
                    self._rankings.popitem(last=False)
        return known

    def models(self, owner: str | None, sheet: SheetRecord | None = None) -> tuple[str, ...]:
        """The models of all pairs that the visitor may vote on. Raises StoreError."""
        return tuple(sorted({model for pair in self._pool.pairs(owner, sheet) for model in pair.models}))

    def left(self, voter: Voter, owner: str | None, sheet: SheetRecord | None = None) -> int:
        """How many pairs the visitor has not voted on. Raises StoreError."""
        answered = self.store.answered(voter.visitor)
        return sum(pair.key not in answered for pair in self._pool.pairs(owner, sheet))

    def close(self) -> None:
        self.store.close()

    def _opened(self, voter: Voter, pair: Pair) -> Ballot:
        ballot = Ballot(secrets.token_urlsafe(24), pair, self._random.random() < 0.5, voter, self._clock())
        self._open[ballot.token] = ballot
        self._of_visitor[voter.visitor] = ballot.token
        while len(self._open) > MOST_OPEN:
            self._end(next(iter(self._open.values())))
        return ballot

    def _end(self, ballot: Ballot) -> None:
        self._open.pop(ballot.token, None)
        if self._of_visitor.get(ballot.voter.visitor) == ballot.token:
            del self._of_visitor[ballot.voter.visitor]

    def _close_old(self) -> None:
        while self._open and self._clock() - (oldest := next(iter(self._open.values()))).opened > OPEN_SECONDS:
            self._end(oldest)

    def _vote(self, ballot: Ballot, voter: Voter, choice: Choice, now: float, dwell: float) -> Vote:
        return Vote(
            visitor=voter.visitor,
            address=voter.address,
            signed_in=voter.signed_in,
            cast=now,
            dwell=round(dwell, 3),
            pair=ballot.pair.key,
            job=ballot.pair.first.job,
            left=ballot.picture(LEFT).model,
            right=ballot.picture(RIGHT).model,
            choice=choice,
        )
