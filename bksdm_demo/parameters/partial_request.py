"""What somebody asks for, as far as it is known: the fields a link or a picture's parameters tell, each checked.

A partial fills the form and is run only when the visitor says so. What cannot be used is left out and told in a note; a
bad value never spoils the good ones beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from bksdm_demo.errors import RequestError
from bksdm_demo.records import SEEDS_LIMIT, Request

SETTINGS = ("prompt", "negative_prompt", "steps", "guidance_scale", "scheduler", "generator")


@dataclass(frozen=True)
class PartialRequest:
    """A request in the making; a field is None, `models` and `seeds` are empty where nothing (usable) was said."""

    prompt: str | None = None
    negative_prompt: str | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    scheduler: str | None = None
    generator: str | None = None
    seeds: tuple[int, ...] = ()
    models: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # sentences on what was left out or taken for something near

    @property
    def empty(self) -> bool:
        """Whether nothing usable was said."""
        return all(getattr(self, field.name) in (None, ()) for field in fields(self) if field.name != "notes")

    def setting(self, name: str, value: Any) -> PartialRequest:
        """This partial with one setting of a request more, or with a note where a Request would refuse the value."""
        try:
            Request(**{"prompt": "any", name: value})
        except RequestError as error:
            return self.note(str(error))
        return replace(self, **{name: value})

    def with_seeds(self, seeds: Sequence[object]) -> PartialRequest:
        """This partial with the seeds that are whole numbers in range, each once, as many as a comparison takes."""
        partial, kept = self, []
        for seed in dict.fromkeys(seeds):
            try:
                kept.append(Request("any", seed=seed).seed)  # type: ignore[arg-type]
            except RequestError as error:
                partial = partial.note(str(error))
        if len(kept) > SEEDS_LIMIT:
            partial = partial.note(f"{len(kept)} seeds are named; the first {SEEDS_LIMIT} are taken.")
        return replace(partial, seeds=tuple(kept[:SEEDS_LIMIT]))

    def note(self, sentence: str) -> PartialRequest:
        return replace(self, notes=(*self.notes, sentence))
