"""The blind vote's events as plain functions over a real booth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from bksdm_demo.evaluation.pairs import Pool, PoolChoice
from bksdm_demo.evaluation.sheet_reader import read_sheet
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.evaluation.votes_booth import NO_BALLOT, NOT_SEEN, SIGN_IN, Booth, Rules
from bksdm_demo.evaluation.votes_store import open_votes
from bksdm_demo.records import Request
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.fairness import NOBODY
from bksdm_demo.ui.visitors import Visitors, Visits
from bksdm_demo.ui.votes import Shown, VoteHandlers, build_votes
from bksdm_demo.ui.votes_markup import NO_PAIRS
from tests.fakes import FAMILY, fake_comparisons

ME, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Comparisons]:
    comparisons = fake_comparisons(tmp_path)
    submitted = comparisons.submit(Request("red <b>apple</b>", steps=2), FAMILY[:2], owner=Visitors().submitter(ME))
    list(comparisons.watch(submitted.id))
    yield comparisons
    comparisons.close()


def tab(service: Comparisons, *, own: bool = False, **rules: Any) -> VoteHandlers:
    times = iter(range(0, 10**6, 10))
    place = Booth(service, open_votes(None), Pool(service, PoolChoice()), Rules(**rules), lambda: next(times))
    return VoteHandlers(place, service, Visits(Visitors(own), None, None))


def pressed(act: object, token: object = "") -> Any:
    return SimpleNamespace(_data={"act": act, "token": token})


def token_of(shown: Shown) -> str:
    return str(re.findall(r'data-token="([^"]+)"', shown.pair)[0])


def looked_at(handlers: VoteHandlers, secret: str = ME) -> str:
    token = token_of(handlers.show(secret))
    for side in ("left", "right"):
        handlers.booth.picture(token, side)
    return token


def test_the_pair_tells_no_name_and_the_vote_does(service: Comparisons) -> None:
    handlers = tab(service)
    shown = handlers.show(ME)
    (job,) = service.gallery().jobs
    names = [service.catalog.get(model).name for model in FAMILY[:2]]
    assert not any(word in shown.pair for word in (job.id, *FAMILY, *names))
    assert "red &lt;b&gt;apple&lt;/b&gt;" in shown.pair
    assert "Nobody has voted yet." in shown.ranking
    after = handlers.act(pressed("right", looked_at(handlers)), ME)
    assert all(name in after.pair for name in names)
    assert after.pair.count(f"pictures/{job.id}/0") == 2
    assert re.search("You chose Emoji (Original|Base)", after.pair)
    assert re.search("So far .* won (1|0) votes? and .* (0|1)", after.pair)
    assert "1 of 100 votes" in after.ranking
    done = handlers.act(pressed("next"), ME)
    assert NO_PAIRS[0] in done.pair


@pytest.mark.parametrize("act", ["left", "tie", "both-bad"])
def test_a_refused_vote_leaves_the_pair(service: Comparisons, act: str) -> None:
    handlers = tab(service)
    shown = handlers.act(pressed(act, token_of(handlers.show(ME))), ME)
    assert NOT_SEEN in shown.notice
    assert shown[1:] == (gr.skip(),) * 3
    assert NO_BALLOT in handlers.act(pressed(act, "unheard-of"), ME).notice
    assert NO_BALLOT in handlers.act(pressed(act, looked_at(handlers)), OTHER).notice
    assert handlers.booth.votes() == ()


@pytest.mark.parametrize("data", [None, {}, {"act": 5}, {"act": "burn"}, {"act": ["left"], "token": {}}])
def test_any_other_event_shows_the_pair(service: Comparisons, data: object) -> None:
    event: Any = SimpleNamespace(_data=data)
    assert "data-token" in tab(service).act(event, ME).pair


def test_a_visitor_without_a_secret_is_told(service: Comparisons) -> None:
    assert "keeps no secret" in tab(service).show("").notice


def test_where_galleries_are_own_another_visitor_gets_no_pair(service: Comparisons) -> None:
    handlers = tab(service, own=True)
    assert "data-token" in handlers.show(ME).pair
    assert NO_PAIRS[0] in handlers.show(OTHER).pair


def test_an_account_votes_where_signing_in_is_asked_for(service: Comparisons) -> None:
    handlers = tab(service, sign_in=True, signed_in_only=True)
    token = looked_at(handlers)
    assert SIGN_IN in handlers.act(pressed("left", token), ME).notice
    profile = gr.OAuthProfile({"name": "A", "preferred_username": "a", "profile": "", "picture": ""})
    mine = token_of(handlers.show(ME, "", None, profile))
    for side in ("left", "right"):
        handlers.booth.picture(mine, side)
    assert handlers.act(pressed("left", mine), ME, "", None, profile).notice == ""
    assert handlers.booth.votes()[0].signed_in


@pytest.mark.parametrize("sign_in", [True, False])
def test_the_login_button_is_there_where_visitors_can_sign_in(
    service: Comparisons, sign_in: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradio.routes.attach_oauth", lambda app: None)  # its libraries are on Spaces only
    place = tab(service, sign_in=sign_in).booth
    with gr.Blocks() as page:
        visits = Visits(Visitors(), gr.Textbox(visible=False), gr.Textbox(visible=False))
        with gr.Tabs():
            build_votes(place, service, visits)
    assert any(isinstance(block, gr.LoginButton) for block in page.blocks.values()) == sign_in
    assert page.expects_oauth == sign_in


def test_a_sheet_is_voted_on_alone_and_has_a_ranking_of_its_own(service: Comparisons) -> None:
    sheets = Sheets(service, {"engine": "fake"})
    record = sheets.create(read_sheet("moon").complete(FAMILY[:2]), Visitors().submitter(ME))
    sheets.run(record.id, NOBODY)
    handlers = tab(service)
    handlers.sheets = sheets
    web: Any = SimpleNamespace(query_params={"vote": record.id}, request=None)
    opened, sheet_id, *outputs = handlers.reopen(ME, web)
    shown = Shown(*outputs)
    assert opened.selected == "votes"
    assert sheet_id == record.id
    assert f"?sheet={record.id}" in shown.pool
    assert "moon" in shown.pair
    assert "1 pair left" in shown.pair
    token = token_of(shown)
    for side in ("left", "right"):
        handlers.booth.picture(token, side)
    assert "You chose" in handlers.act(pressed("left", token), ME, record.id).pair
    assert NO_PAIRS[0] in handlers.act(pressed("next"), ME, record.id).pair
    token = token_of(handlers.act(pressed("next"), ME))  # of all comparisons
    for side in ("left", "right"):
        handlers.booth.picture(token, side)
    handlers.act(pressed("left", token), ME)
    assert (handlers.booth.ranking(None, record).cast, handlers.booth.ranking().cast) == (1, 2)
    assert "no sheet" in handlers.show(ME, "unknown-sheet").notice
    untouched: Any = None  # the value of a field that nobody has filled
    assert handlers.show(ME, untouched).notice == ""
    assert handlers.reopen(ME, SimpleNamespace(query_params={}))[0] == gr.skip()  # type: ignore[arg-type]
