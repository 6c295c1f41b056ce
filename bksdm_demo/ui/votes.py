"""Builds the Blind vote tab: a pair of unnamed pictures, four answers, then the names, and the ranking.

Layout and events only: markup is in votes_markup.py, the service in evaluation/votes_booth.py. Nothing is polled; the
ranking is as new as the visitor's last event.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from bksdm_demo.errors import DemoError
from bksdm_demo.evaluation.votes import Choice, Voter
from bksdm_demo.evaluation.votes_booth import LEFT, RIGHT, Booth
from bksdm_demo.languages import say
from bksdm_demo.reports.folder import cell_name
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.board import notice
from bksdm_demo.ui.handlers import event_value
from bksdm_demo.ui.visitors import Visits
from bksdm_demo.ui.votes_markup import ballot_markup, nothing_markup, ranking_markup, reveal_markup

# A pressed key is a pressed button. What replaces the pair takes the focus, so that the next key finds it.
PAIR_JS = """let acted = false;
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-act]');
  if (!button) return;
  acted = true;
  trigger('submit', { act: button.dataset.act, token: button.dataset.token ?? '' });
});
element.addEventListener('keydown', (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.repeat) return;
  const button = element.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!button) return;
  event.preventDefault();
  button.click();
});
new MutationObserver(() => {
  const next = acted && element.querySelector('[data-focus]');
  if (!next) return;
  acted = false;
  next.focus({ preventScroll: true });
}).observe(element, { childList: true, subtree: true });"""


class Shown(NamedTuple):
    """The outputs of every event of the tab, in this order."""

    notice: Any
    pair: Any
    ranking: Any


class VoteHandlers:
    """The tab's events over one Booth; it holds no state of any visitor."""

    def __init__(self, booth: Booth, comparisons: Comparisons, visits: Visits) -> None:
        self.booth, self.comparisons, self.visitors = booth, comparisons, visits.visitors

    def show(self, secret: str, page: gr.Request | None = None, profile: gr.OAuthProfile | None = None) -> Shown:
        """Show the visitor's open pair, else the next one, and the ranking."""
        try:
            return self._next(secret, page, profile)
        except DemoError as error:
            return Shown(notice(str(error)), gr.skip(), gr.skip())

    def act(
        self,
        event: gr.EventData,
        secret: str,
        page: gr.Request | None = None,
        profile: gr.OAuthProfile | None = None,
    ) -> Shown:
        """Take a vote and show the names, or show the next pair; a refused vote leaves the pair as it is."""
        act, token = event_value(event, "act"), event_value(event, "token")
        try:
            if act not in list(Choice):
                return self._next(secret, page, profile)
            return self._vote(self._voter(secret, page, profile), secret, token, Choice(act))
        except DemoError as error:
            return Shown(notice(str(error)), gr.skip(), gr.skip())

    def _vote(self, voter: Voter, secret: str, token: str, choice: Choice) -> Shown:
        ballot = self.booth.peek(token)
        self.booth.cast(voter, token, choice)
        ranking = self.booth.ranking(self.booth.models(self.visitors.owner(secret)))
        files = []
        for side in (LEFT, RIGHT):
            picture = ballot.picture(side)
            files.append(cell_name(self.comparisons.get(picture.job), picture.index))
        names = self._names()
        return Shown("", reveal_markup(ballot, choice, ranking, names, files), ranking_markup(ranking, names))

    def _next(self, secret: str, page: gr.Request | None, profile: gr.OAuthProfile | None) -> Shown:
        voter, owner = self._voter(secret, page, profile), self.visitors.owner(secret)
        ballot = self.booth.ballot(voter, owner)
        pair = nothing_markup() if ballot is None else ballot_markup(ballot, self.booth.left(voter, owner))
        ranking = ranking_markup(self.booth.ranking(self.booth.models(owner)), self._names())
        return Shown(notice(self.booth.store.problem), pair, ranking)

    def _voter(self, secret: str, page: gr.Request | None, profile: gr.OAuthProfile | None) -> Voter:
        return self.booth.voter(self.visitors.client(secret, page), "" if profile is None else profile.username)

    def _names(self) -> dict[str, str]:
        return {system.key: system.name for system in self.comparisons.catalog.systems()}


def build_votes(booth: Booth, comparisons: Comparisons, visits: Visits) -> None:
    """Lay out the tab and wire its events."""
    handlers = VoteHandlers(booth, comparisons, visits)
    with gr.Tab(say("Blind vote"), id="votes") as tab, gr.Column(elem_id="bk-votes"):
        if booth.rules.sign_in:
            gr.LoginButton(say("Sign in with Hugging Face"), size="sm", elem_id="bk-sign-in", min_width=0)
        message = gr.HTML(apply_default_css=False, elem_id="bk-votes-said")
        pair = gr.HTML(js_on_load=PAIR_JS, apply_default_css=False, elem_id="bk-vote")
        ranking = gr.HTML(apply_default_css=False, elem_id="bk-votes-ranking")
    both: dict[str, Any] = {
        "inputs": [visits.secret],
        "outputs": list(Shown(message, pair, ranking)),
        "show_progress": "hidden",
        "queue": False,
        "api_visibility": "private",
    }
    tab.select(handlers.show, **both)
    pair.submit(handlers.act, **both)
