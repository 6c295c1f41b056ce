"""Profiles: options by name, which what is stated beside them overrides."""

from __future__ import annotations

import pytest

from bksdm_demo.diffusion.plan import evaluations
from bksdm_demo.errors import RequestError
from bksdm_demo.parameters.links import read_query
from bksdm_demo.parameters.partial_request import PartialRequest
from bksdm_demo.parameters.profiles import PROFILES, profile_options, stated_options, with_profile
from bksdm_demo.records import SAVINGS, Request


def test_exact_saves_nothing_and_each_further_profile_more() -> None:
    assert profile_options("exact") == SAVINGS
    costs = [evaluations(Request("apple", steps=20, **profile_options(name))) for name in PROFILES]
    assert costs == sorted(set(costs), reverse=True)


def test_what_is_stated_counts_and_the_profile_fills_the_rest() -> None:
    partial = with_profile(PartialRequest("apple", deep_every=1), "draft")
    assert (partial.forecast, partial.deep_every) == (True, 1)
    api = PartialRequest("apple", **stated_options((0.0, 0.5), False, 1))
    assert with_profile(api, "fast").complete().savings == {"guidance_interval": (0.0, 0.5), **PROFILES["fast"]}


def test_an_engine_without_the_forms_for_it_reuses_nothing() -> None:
    for name in PROFILES:
        assert profile_options(name, "coreml")["deep_every"] == 1


def test_an_unknown_profile_is_refused_by_name() -> None:
    with pytest.raises(RequestError, match="profile is 'slow'; choose one of exact, fast, draft"):
        with_profile(PartialRequest("apple"), "slow")


def test_a_link_may_name_a_profile() -> None:
    filled = read_query({"prompt": "apple", "profile": "draft", "forecast": "off"}, ())
    assert (filled.forecast, filled.deep_every, filled.notes) == (False, PROFILES["draft"]["deep_every"], ())
    assert "profile is 'slow'" in read_query({"prompt": "apple", "profile": "slow"}, ()).notes[0]
