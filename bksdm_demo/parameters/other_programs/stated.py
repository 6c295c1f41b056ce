"""What another program's record states, in one form for all programs, and what this demo makes of it.

The readers beside this file only find values. Here each value is checked, translated or left out with a note, so every
program's pictures are treated alike.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from bksdm_demo import scheduler_facts
from bksdm_demo.parameters.partial_request import PartialRequest, interval

NAMED = 8  # settings that are listed before "and n more"
LONGEST_NAME = 40  # characters of another program's word in a sentence
LARGEST = 2**64  # programs count seeds in 64 bits
DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")
GRAPHICS_CARD = "graphics card"
UNKNOWN_NOISE = (
    "It does not say what made the start noise, which mostly is a graphics card. "
    "So the same seed will probably draw another picture here."
)
CARD_NOISE = "A graphics card made its start noise, so the same seed will draw another picture here."


@dataclass(frozen=True)
class Stated:
    """The settings in the record of `program`; None or "" for what it does not state.

    `noise` is one of our generators, GRAPHICS_CARD, or "" if unknown. `others` are the program's names of settings that
    change a picture and do not exist here.
    """

    program: str
    prompt: object = None
    negative_prompt: object = None
    steps: object = None
    guidance_scale: object = None
    seed: object = None
    sampler: str = ""
    schedule: str = ""
    noise: str = ""
    model: str = ""
    others: tuple[str, ...] = ()
    guidance_interval: str = ""
    forecast: str = ""
    deep_every: object = None

    @property
    def empty(self) -> bool:
        """Whether nothing was found that this demo has a setting for."""
        values = (self.prompt, self.negative_prompt, self.steps, self.guidance_scale, self.seed, self.sampler)
        return all(value in (None, "") for value in values)


def partial_request(stated: Stated, known_models: Collection[str]) -> PartialRequest:
    """Return the partial request of a record that is not empty. A record without a negative prompt has an empty one."""
    partial = PartialRequest()
    prompt = _text(stated.prompt)
    if prompt.strip():
        partial = partial.setting("prompt", prompt)
    else:
        partial = partial.note("It states no prompt; the prompt in the form did not change.")
    partial = partial.setting("negative_prompt", _text(stated.negative_prompt))
    if stated.steps is not None:
        partial = partial.setting("steps", number(stated.steps))
    if stated.guidance_scale is not None:
        partial = partial.setting("guidance_scale", number(stated.guidance_scale))
    if stated.guidance_interval:
        partial = partial.setting("guidance_interval", interval(stated.guidance_interval))
    if stated.forecast == "on":
        partial = partial.setting("forecast", True)
    if stated.deep_every is not None:
        partial = partial.setting("deep_every", number(stated.deep_every))
    if stated.seed is not None:
        partial = partial.with_seeds([number(stated.seed)])
    partial = _with_sampler(partial, stated)
    partial = _with_noise(partial, stated.noise)
    partial = _with_model(partial, stated.model, known_models)
    return _with_others(partial, stated.others)


def number(value: object) -> object:
    """Return a text as an int or float, with a point or a comma; Request refuses any other value by name."""
    if not isinstance(value, str):
        return value if isinstance(value, int | float) and abs(value) < LARGEST else str(value)[:60]
    text = value.replace(",", ".") if DECIMAL_COMMA.fullmatch(value[:40]) else value
    for kind in (int, float):
        try:
            return kind(text[:40])
        except ValueError:
            continue
    return value[:60]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _with_sampler(partial: PartialRequest, stated: Stated) -> PartialRequest:
    """Set our scheduler of this name, else the nearest one with a note. If there is none, only add a note."""
    if not stated.sampler:
        return partial
    name = scheduler_facts.sampler_name(stated.sampler, stated.schedule)
    exact = scheduler_facts.by_name(name)
    if exact is not None:
        return partial.setting("scheduler", exact.key)
    near, shown = scheduler_facts.nearest(name), repr(name[:LONGEST_NAME])
    if near is not None:
        noted = partial.note(f"The sampler {shown} is not available here; {near.webui} is the nearest one.")
        return noted.setting("scheduler", near.key)
    return partial.note(f"The sampler {shown} is not available here; the scheduler did not change.")


def _with_noise(partial: PartialRequest, noise: str) -> PartialRequest:
    """Set the source of the start noise. Noise from a graphics card cannot be repeated here."""
    if noise and noise != GRAPHICS_CARD:
        return partial.setting("generator", noise)
    if partial.seeds:
        return partial.note(CARD_NOISE if noise else UNKNOWN_NOISE)
    return partial


def _with_model(partial: PartialRequest, model: str, known: Collection[str]) -> PartialRequest:
    if not model:
        return partial
    if model in known:
        return replace(partial, models=(model,))
    shown = repr(model[:LONGEST_NAME])
    return partial.note(f"The model {shown} is not available here; the chosen models did not change.")


def _with_others(partial: PartialRequest, others: tuple[str, ...]) -> PartialRequest:
    if not others:
        return partial
    listed = ", ".join(name[:LONGEST_NAME] for name in others[:NAMED])
    more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
    return partial.note(f"Left out, as this demo has no such setting: {listed}{more}.")
