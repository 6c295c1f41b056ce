"""Builds the Blind vote tab: a pair of unnamed pictures, four answers, then the names, and the ranking.

Layout and events only: markup is in votes_markup.py, the service in evaluation/votes_booth.py. Nothing is polled; the
ranking is as new as the visitor's last event.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from bksdm_demo.errors import DemoError
from bksdm_demo.evaluation.sheet import SheetRecord
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.evaluation.votes import Choice, Voter
from bksdm_demo.evaluation.votes_booth import LEFT, RIGHT, Booth
from bksdm_demo.languages import say
from bksdm_demo.parameters.links import VOTE
from bksdm_demo.reports.folder import cell_name
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.board import notice
from bksdm_demo.ui.handlers import event_value
from bksdm_demo.ui.visitors import Visits
from bksdm_demo.ui.votes_markup import ballot_markup, nothing_markup, ranking_markup, reveal_markup, sheet_pool

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


VOTES_TAB = "votes"
ALL = "all"  # in an address: the pairs of all comparisons
VISITOR_JS = "() => [window.bksdm.visitor()]"  # share.js


class Shown(NamedTuple):
    """The outputs of every event of the tab, in this order."""

    notice: Any
    pool: Any
    pair: Any
    ranking: Any


class VoteHandlers:
    """The tab's events over one Booth; it holds no state of any visitor."""

    def __init__(self, booth: Booth, comparisons: Comparisons, visits: Visits, sheets: Sheets | None = None) -> None:
        self.booth, self.comparisons, self.visitors, self.sheets = booth, comparisons, visits.visitors, sheets

    def reopen(self, secret: str, page: gr.Request, profile: gr.OAuthProfile | None = None) -> tuple[Any, ...]:
        """Show the pairs of the sheet that the address names: returns the tab, the sheet, then what `show` returns."""
        if VOTE not in page.query_params:
            return gr.skip(), gr.skip(), *_refused("")
        sheet_id = page.query_params[VOTE]
        return gr.Tabs(selected=VOTES_TAB), sheet_id, *self.show(secret, sheet_id, page, profile)

    def show(
        self, secret: str, sheet_id: str = "", page: gr.Request | None = None, profile: gr.OAuthProfile | None = None
    ) -> Shown:
        """Show the visitor's open pair, else the next one, and the ranking; of one sheet, or of all comparisons."""
        try:
            return self._next(secret, sheet_id, page, profile)
        except DemoError as error:
            return _refused(str(error))

    def act(
        self,
        event: gr.EventData,
        secret: str,
        sheet_id: str = "",
        page: gr.Request | None = None,
        profile: gr.OAuthProfile | None = None,
    ) -> Shown:
        """Take a vote and show the names, or show the next pair; a refused vote leaves the pair as it is."""
        act, token = event_value(event, "act"), event_value(event, "token")
        try:
            if act not in list(Choice):
                return self._next(secret, sheet_id, page, profile)
            voter = self._voter(secret, page, profile)
            return self._vote(voter, secret, self._sheet(sheet_id), token, Choice(act))
        except DemoError as error:
            return _refused(str(error))

    def _vote(self, voter: Voter, secret: str, sheet: SheetRecord | None, token: str, choice: Choice) -> Shown:
        ballot = self.booth.peek(token)
        self.booth.cast(voter, token, choice)
        ranking = self.booth.ranking(self.visitors.owner(secret), sheet)
        files = []
        for side in (LEFT, RIGHT):
            picture = ballot.picture(side)
            files.append(cell_name(self.comparisons.get(picture.job), picture.index))
        names = self._names()
        shown = reveal_markup(ballot, choice, ranking, names, files)
        return Shown("", gr.skip(), shown, ranking_markup(ranking, names))

    def _next(self, secret: str, sheet_id: str, page: gr.Request | None, profile: gr.OAuthProfile | None) -> Shown:
        voter, owner, sheet = self._voter(secret, page, profile), self.visitors.owner(secret), self._sheet(sheet_id)
        ballot = self.booth.ballot(voter, owner, sheet)
        pair = nothing_markup() if ballot is None else ballot_markup(ballot, self.booth.left(voter, owner, sheet))
        ranking = ranking_markup(self.booth.ranking(owner, sheet), self._names())
        return Shown(notice(self.booth.store.problem), "" if sheet is None else sheet_pool(sheet), pair, ranking)

    def _sheet(self, sheet_id: str | None) -> SheetRecord | None:
        """Return the sheet to vote on, None for all comparisons. Raises RequestError for an unknown one."""
        return None if self.sheets is None or sheet_id in (None, "", ALL) else self.sheets.get(sheet_id)

    def _voter(self, secret: str, page: gr.Request | None, profile: gr.OAuthProfile | None) -> Voter:
        return self.booth.voter(self.visitors.client(secret, page), "" if profile is None else profile.username)

    def _names(self) -> dict[str, str]:
        return {system.key: system.name for system in self.comparisons.catalog.systems()}


def _refused(why: str) -> Shown:
    return Shown(notice(why) if why else gr.skip(), gr.skip(), gr.skip(), gr.skip())


def build_votes(
    booth: Booth,
    comparisons: Comparisons,
    visits: Visits,
    sheets: Sheets | None = None,
    page: gr.Blocks | None = None,
    tabs: gr.Tabs | None = None,
) -> None:
    """Lay out the tab and wire its events. With `page` and `tabs` an address can open it on a sheet."""
    handlers = VoteHandlers(booth, comparisons, visits, sheets)
    with gr.Tab(say("Blind vote"), id=VOTES_TAB) as tab, gr.Column(elem_id="bk-votes"):
        if booth.rules.sign_in:
            gr.LoginButton(say("Sign in with Hugging Face"), size="sm", elem_id="bk-sign-in", min_width=0)
        message = gr.HTML(apply_default_css=False, elem_id="bk-votes-said")
        pool = gr.HTML(apply_default_css=False, elem_id="bk-votes-pool")
        pair = gr.HTML(js_on_load=PAIR_JS, apply_default_css=False, elem_id="bk-vote")
        ranking = gr.HTML(apply_default_css=False, elem_id="bk-votes-ranking")
        sheet_id = gr.Textbox(visible=False)
    outputs = list(Shown(message, pool, pair, ranking))
    quiet: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}
    tab.select(handlers.show, inputs=[visits.secret, sheet_id], outputs=outputs, **quiet)
    pair.submit(handlers.act, inputs=[visits.secret, sheet_id], outputs=outputs, **quiet)
    if page is not None and tabs is not None:
        page.load(handlers.reopen, inputs=visits.secret, outputs=[tabs, sheet_id, *outputs], js=VISITOR_JS, **quiet)
