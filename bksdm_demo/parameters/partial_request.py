"""A request with gaps: what a link, a picture, a command line or a program states, before the rest is filled in.

Every front end fills the gaps in one way, `complete`. Links and pictures build their partial request value by value:
a value that cannot be used is left out, with a note, and the good values beside it stay.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from bksdm_demo.errors import RequestError
from bksdm_demo.library.system import System
from bksdm_demo.records import SAVINGS, SEED_LIMIT, SEEDS_LIMIT, Request

SETTINGS = ("prompt", "negative_prompt", "steps", "guidance_scale", "scheduler", "generator", *SAVINGS)
RECOMMENDED = ("steps", "guidance_scale", "scheduler")  # the settings that a system recommends


@dataclass(frozen=True)
class PartialRequest:
    """A request with gaps. A missing setting is None; missing seeds or models are ()."""

    prompt: str | None = None
    negative_prompt: str | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    scheduler: str | None = None
    generator: str | None = None
    seeds: tuple[int, ...] = ()
    models: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # sentences on values that were left out or replaced by a near one
    guidance_interval: tuple[float, float] | None = None
    forecast: bool | None = None
    deep_every: int | None = None

    @property
    def empty(self) -> bool:
        """Whether every setting, seed and model is missing."""
        return all(getattr(self, field.name) in (None, ()) for field in fields(self) if field.name != "notes")

    def setting(self, name: str, value: Any) -> PartialRequest:
        """Return this partial request with one more setting, or with a note if Request refuses the value."""
        try:
            request = Request(**{"prompt": "any", name: value})
        except RequestError as error:
            return self.note(str(error))
        return replace(self, **{name: getattr(request, name)})

    def with_seeds(self, seeds: Sequence[object]) -> PartialRequest:
        """Return this partial request with the valid seeds, each once, and at most as many as a comparison takes."""
        partial, valid = self, []
        for seed in dict.fromkeys(seeds):
            try:
                valid.append(Request("any", seed=seed).seed)  # type: ignore[arg-type]
            except RequestError as error:
                partial = partial.note(str(error))
        if len(valid) > SEEDS_LIMIT:
            partial = partial.note(f"There are {len(valid)} seeds; only the first {SEEDS_LIMIT} are used.")
        return replace(partial, seeds=tuple(valid[:SEEDS_LIMIT]))

    def note(self, sentence: str) -> PartialRequest:
        """Return this partial request with one more note."""
        return replace(self, notes=(*self.notes, sentence))

    def complete(self, system: System | None = None) -> Request:
        """Fill every gap: with what `system` recommends, else with the defaults of Request.

        The seed is the first one, else a random one. Raises RequestError for a missing prompt and for a value out of
        range.
        """
        given = {name: getattr(self, name) for name in SETTINGS if getattr(self, name) is not None}
        recommended = dict(zip(RECOMMENDED, recommendation(system), strict=True))
        seed = self.seeds[0] if self.seeds else secrets.randbelow(SEED_LIMIT)
        return Request(**{"prompt": "", **recommended, **given, "seed": seed})


def interval(text: str) -> Any:
    """Return the pair of a text such as "0.2:0.8"; any other text stays text, and Request refuses it by name."""
    try:
        first, last = (float(word) for word in text.split(":"))
    except ValueError:
        return text[:60]
    return first, last


def recommendation(system: System | None) -> tuple[int, float, str]:
    """Return the steps, guidance scale and scheduler that a system recommends; without one, the defaults of Request."""
    source = Request("any") if system is None else system
    return source.steps, source.guidance_scale, source.scheduler
