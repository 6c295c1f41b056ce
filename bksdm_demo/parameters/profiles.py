"""Profiles: names for sets of options that save evaluations, chosen by measurement (docs/fewer-evaluations.md).

A profile is a short way to state options. Results, links and pictures hold the options themselves, so they stay what
they are if a profile changes. An engine that cannot reuse deep features gets the profile without that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bksdm_demo.errors import RequestError
from bksdm_demo.parameters.partial_request import PartialRequest
from bksdm_demo.records import SAVINGS

EXACT, FAST, DRAFT = "exact", "fast", "draft"
PROFILES: Mapping[str, Mapping[str, Any]] = {
    EXACT: {},
    FAST: {"forecast": True, "deep_every": 2},
    DRAFT: {"forecast": True, "deep_every": 3},
}
PROFILE_NAMES = tuple(PROFILES)
REUSING = ("openvino",)  # engines with forms for deep features


def profile_options(name: str, engine: str | None = None) -> dict[str, Any]:
    """Every option that saves evaluations, as the profile has it on an engine of this kind; None for an unknown one.

    Raises RequestError for an unknown profile.
    """
    if name not in PROFILES:
        raise RequestError(f"profile is {name!r:.60}; choose one of {', '.join(PROFILES)}.")
    options = {**SAVINGS, **PROFILES[name]}
    return options if engine in (None, *REUSING) else {**options, "deep_every": SAVINGS["deep_every"]}


def with_profile(partial: PartialRequest, name: str, engine: str | None = None) -> PartialRequest:
    """The partial request with the options of a profile, where it states none itself. Raises RequestError."""
    options = profile_options(name, engine)
    return replace(partial, **{key: value for key, value in options.items() if getattr(partial, key) is None})


def stated_options(guidance_interval: Any, forecast: Any, deep_every: Any) -> dict[str, Any]:
    """The options for a PartialRequest; None for those at their defaults, as nobody stated them."""
    given = {"guidance_interval": guidance_interval, "forecast": forecast, "deep_every": deep_every}
    return {name: None if value == SAVINGS[name] else value for name, value in given.items()}
