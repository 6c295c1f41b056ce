"""Endpoints of the blind vote for programs: pools, the next pair, a vote, the ranking. Limits are those of the page.

A program votes as one visitor, whom a secret of its own tells from others. Pictures are fetched with a GET, which also
starts the time for which they must be looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation.sheet import SheetRecord
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.evaluation.votes import Choice, Voter
from bksdm_demo.evaluation.votes_booth import LEFT, RIGHT, Booth
from bksdm_demo.evaluation.votes_export import ranking_report
from bksdm_demo.parameters.result_json import request_report
from bksdm_demo.records import Phase
from bksdm_demo.ui.reports import page_address
from bksdm_demo.ui.sheet_grid import sheet_title
from bksdm_demo.ui.visitors import SHORTEST_SECRET, Visitors
from bksdm_demo.ui.vote_pictures import ballot_address

POOLS = 20  # sheets that are listed

if TYPE_CHECKING:
    Answer = str
else:  # Gradio shows these choices at /gradio_api/info
    Answer = Literal[tuple(choice.value for choice in Choice)]


class VoteApi:
    """The endpoints as methods over one booth. `visitors` has the rule of whose comparisons a visitor sees."""

    def __init__(self, booth: Booth, sheets: Sheets | None, visitors: Visitors) -> None:
        self.booth, self.sheets, self.visitors = booth, sheets, visitors

    def vote_pools(self, web: gr.Request, visitor: str) -> list[dict]:
        """List what can be voted on: all comparisons that this page allows, and the newest sheets that have ended.

        visitor: a secret of at least 16 characters that your program keeps; it tells your votes from others'.
        """
        voter, owner = self._voter(web, visitor)
        pools = [{"pool": "", "name": "all comparisons", "pairs_left": self.booth.left(voter, owner)}]
        records = [] if self.sheets is None else self.sheets.records(owner)
        for record in records[:POOLS]:
            if self.sheets is not None and self.sheets.progress(record.id) is None:
                left = self.booth.left(voter, owner, record)
                pictures = record.outcomes.get(Phase.DONE.value, 0)
                pools.append({"pool": record.id, "name": sheet_title(record), "pictures": pictures, "pairs_left": left})
        return pools

    def vote_pair(self, web: gr.Request, visitor: str, pool: str = "") -> dict:
        """Return the next pair to vote on: its request and the addresses of two pictures, which do not say who drew
        them. `pair` is null if none is left. Fetch both pictures, look at them, then call /vote."""
        voter, owner = self._voter(web, visitor)
        sheet = self._sheet(pool)
        ballot = self.booth.ballot(voter, owner, sheet)
        if ballot is None:
            return {"pair": None, "pairs_left": 0}
        page = page_address(web.request) if web.request is not None else ""
        return {
            "pair": ballot.token,
            "request": request_report(ballot.pair.request),
            LEFT: page + ballot_address(ballot.token, LEFT),
            RIGHT: page + ballot_address(ballot.token, RIGHT),
            "pairs_left": self.booth.left(voter, owner, sheet),
        }

    def vote(self, web: gr.Request, visitor: str, pair: str, choice: Answer) -> dict:
        """Vote on an open pair: left, right, tie or both-bad. Returns which models drew the two pictures."""
        voter, _ = self._voter(web, visitor)
        if choice not in list(Choice):
            raise RequestError(f"choice is {choice!r:.40}; it must be one of {', '.join(Choice)}.")
        vote = self.booth.cast(voter, _text("pair", pair), Choice(choice))
        return {LEFT: vote.left, RIGHT: vote.right, "choice": vote.choice.value}

    def leaderboard(self, web: gr.Request, visitor: str = "", pool: str = "") -> dict:
        """Return the ranking with its 95 % intervals and the table of wins; of one sheet, by the votes on its pairs."""
        owner = self.visitors.owner(_text("visitor", visitor))
        return ranking_report(self.booth.ranking(owner, self._sheet(pool)))

    def _voter(self, web: gr.Request, visitor: str) -> tuple[Voter, str | None]:
        secret = _text("visitor", visitor)
        if not self.visitors.submitter(secret):
            raise RequestError(f"visitor must be a secret of at least {SHORTEST_SECRET} characters, in ASCII.")
        return self.booth.voter(self.visitors.client(secret, web)), self.visitors.owner(secret)

    def _sheet(self, pool: str) -> SheetRecord | None:
        if not _text("pool", pool):
            return None
        if self.sheets is None:
            raise RequestError("This page has no sheets. Leave pool empty.")
        return self.sheets.get(pool)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise RequestError(f"{name} must be a string, not {value!r:.60}.")
    return value
