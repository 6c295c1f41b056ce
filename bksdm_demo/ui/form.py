"""Builds the form, prompt, models, seed and settings, as Gradio components, and turns their values into a Request.

The form knows nothing of jobs. Only Request checks ranges, so the page, the command line and the API refuse a value
with the same sentence.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any, NamedTuple

import gradio as gr

from bksdm_demo.diffusion.plan import evaluations
from bksdm_demo.errors import RequestError
from bksdm_demo.languages import marked, say
from bksdm_demo.library.catalog import System
from bksdm_demo.parameters.partial_request import PartialRequest, interval, recommendation
from bksdm_demo.parameters.profiles import DRAFT, EXACT, FAST, profile_options
from bksdm_demo.records import (
    CELLS_LIMIT,
    DEEP_EVERY_RANGE,
    GENERATORS,
    GUIDANCE_RANGE,
    SCHEDULERS,
    SEED_LIMIT,
    SEEDS_LIMIT,
    WHOLE,
    Request,
)
from bksdm_demo.runs.allowance import Allowance
from bksdm_demo.ui.hints import HINTS
from bksdm_demo.ui.present import choice_label
from bksdm_demo.ui.terms import meaning, scheduler_words
from bksdm_demo.wording.comparison import GENERATOR_NAMES, SCHEDULER_NAMES, interval_text, plural

ANYTHING = Allowance()
PROFILE_LABELS = {EXACT: marked("Exact"), FAST: marked("Fast"), DRAFT: marked("Draft")}
PROFILE_NOTE = marked(
    "Each button sets the three options above. Its time is for all pictures of this comparison, without loading."
)
FIRST_SEED = 7
DRAWN_SEEDS = 1_000_000  # random seeds stay short enough to read aloud; typed ones go up to 2**32 - 1
SEED_COUNTS = (1, 2, 3, 4)  # pictures per model: the choices of the list; visitors may type more
PREVIEW_EVERY = 4  # steps
EXAMPLES = ("red apple", "cat face", "rocket", "pizza", "sunflower", "whale")  # easy; hints.py has the hard ones

NUMBER = re.compile(r"\d{1,12}")

SHOW_SCHEDULER_JS = "(key) => window.bksdm.showScheduler(key)"  # explain.js
DRAW_SEED_JS = f"() => Math.floor(Math.random() * {DRAWN_SEEDS})"


Fields = tuple[
    gr.Textbox, gr.Slider, gr.Slider, gr.Dropdown, gr.Dropdown, gr.Checkbox, gr.Textbox, gr.Checkbox, gr.Slider
]


class Form(NamedTuple):
    """The input components, in the order in which handlers take their values."""

    prompt: gr.Textbox
    models: gr.CheckboxGroup
    seed: gr.Number
    locked: gr.Checkbox
    seeds: gr.Dropdown
    negative_prompt: gr.Textbox
    steps: gr.Slider
    guidance_scale: gr.Slider
    scheduler: gr.Dropdown
    generator: gr.Dropdown
    previews: gr.Checkbox
    guidance_interval: gr.Textbox
    forecast: gr.Checkbox
    deep_every: gr.Slider


class Profiles(NamedTuple):
    """The buttons of the profiles, in the order of PROFILE_LABELS, and the folded settings that they stand in."""

    panel: gr.Accordion
    buttons: tuple[gr.Button, ...]


def build_essentials(
    systems: Sequence[System], allowance: Allowance = ANYTHING
) -> tuple[gr.Textbox, gr.CheckboxGroup, gr.Number, gr.Checkbox, gr.Dropdown]:
    """Lay out the main inputs: prompt, models, seed, lock and number of seeds. `systems` are the models to choose."""
    prompt = gr.Textbox(
        value=EXAMPLES[0],
        label=say("Prompt"),
        lines=2,
        max_lines=6,
        max_length=allowance.prompt,
        placeholder=say("What should the picture show?"),
        elem_id="bk-prompt",
    )
    _examples(prompt)
    models = gr.CheckboxGroup(
        [(choice_label(system), system.key) for system in systems],
        value=default_choice(systems),
        label=say("Models to compare"),
        elem_id="bk-models",
    )
    models.preprocess = _keys  # type: ignore[method-assign, assignment]
    return prompt, models, *_seed_row(), _seeds(allowance.pictures)


def _keys(keys: object) -> list[str]:
    """Pass the keys on; the service looks them up. Gradio would refuse models downloaded after the page was built."""
    return [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []


def _seed_row() -> tuple[gr.Number, gr.Checkbox]:
    with gr.Row(elem_id="bk-seed-row"):
        seed = gr.Number(value=FIRST_SEED, precision=0, label=say("Seed"), min_width=80, scale=3, elem_id="bk-seed")
        draw = gr.Button(say("Random"), min_width=72, scale=1, elem_id="bk-random", size="md")
        locked = gr.Checkbox(value=False, label=say("Lock"), min_width=72, scale=1, elem_id="bk-lock", container=False)
    draw.click(None, outputs=seed, js=DRAW_SEED_JS, api_visibility="private")
    return seed, locked


def _seeds(most: int) -> gr.Dropdown:
    """Build the field for the number of seeds or a list of seeds; its value is text, which fits both.

    `most` is the number of pictures that one comparison may have.
    """
    info = say("One per seed. Choose a number or type seeds: 7, 20, 33")
    if most < CELLS_LIMIT:
        info = say("{info}. At most {most} pictures in one comparison.", info=info, most=most)
    return gr.Dropdown(
        [(plural(number, "picture"), str(number)) for number in SEED_COUNTS],
        value="1",
        label=say("Pictures per model"),
        allow_custom_value=True,
        filterable=True,
        info=info,
        elem_id="bk-seeds",
    )


def _examples(prompt: gr.Textbox) -> None:
    with gr.Row(elem_id="bk-examples"):
        for example in (*EXAMPLES, *HINTS):
            chip = gr.Button(example, size="sm", min_width=0, scale=0, elem_classes="bk-chip")
            chip.click(None, outputs=prompt, js=f"() => {example!r}", api_visibility="private")


def build_settings(
    system: System | None, allowance: Allowance = ANYTHING, previews_allowed: bool = True, engine: str | None = None
) -> tuple[Fields, Profiles]:
    """Lay out the folded settings, with the values that `system` recommends. Offers previews if they are allowed."""
    steps, guidance, scheduler = recommendation(system)
    steps = allowance.nearest_steps(steps)
    with gr.Accordion(say("Settings"), open=False, elem_id="bk-settings") as panel:
        negative = gr.Textbox(
            label=say("Negative prompt"),
            lines=1,
            max_lines=4,
            max_length=allowance.prompt,
            placeholder=say("What should the picture leave out?"),
            elem_id="bk-negative",
        )
        step_slider = gr.Slider(
            *allowance.steps, value=steps, step=1, label=say("Steps"), info=meaning("steps"), buttons=[]
        )
        guidance_slider = gr.Slider(
            *GUIDANCE_RANGE, value=guidance, step=0.5, label=say("Guidance"), info=meaning("guidance"), buttons=[]
        )
        scheduler_list = gr.Dropdown(
            [(SCHEDULER_NAMES[name], name) for name in SCHEDULERS], value=scheduler, label=say("Scheduler")
        )
        gr.HTML(scheduler_words(scheduler), apply_default_css=False, elem_id="bk-schedulers")
        scheduler_list.change(None, inputs=scheduler_list, js=SHOW_SCHEDULER_JS, api_visibility="private")
        generator_list = gr.Dropdown(
            [(GENERATOR_NAMES[name], name) for name in GENERATORS],
            value=GENERATORS[0],
            label=say("Noise generator"),
            info=say("NumPy, as in Apple’s Swift pipeline, or PyTorch, as in diffusers"),
        )
        previews = gr.Checkbox(
            value=False,
            label=say("Show previews"),
            info=say(
                "Every few steps, after a safety check. Runs take longer, but the measured times exclude previews."
            ),
            elem_id="bk-previews",
            visible=previews_allowed,
        )
        savings = _savings()
        profiles = Profiles(panel, _profiles(list(savings), engine))
    return (negative, step_slider, guidance_slider, scheduler_list, generator_list, previews, *savings), profiles


def _savings() -> tuple[gr.Textbox, gr.Checkbox, gr.Slider]:
    """Build the options that save evaluations of the U-Net."""
    guidance_interval = gr.Textbox(
        value=interval_text(WHOLE),
        label=say("Guidance interval"),
        max_length=40,
        info=say("Guidance acts in this part of the steps; 0:0.5 is the first half. Other steps take half the time."),
        elem_id="bk-interval",
    )
    forecast = gr.Checkbox(
        value=False,
        label=say("Forecast"),
        info=say("Skips 9 of 20 steps of the network, so pictures come sooner and differ a little."),
        elem_id="bk-forecast",
    )
    deep_every = gr.Slider(
        *DEEP_EVERY_RANGE,
        value=1,
        step=1,
        label=say("Deep layers every"),
        info=say("2 runs the deep layers of the network in every second step only. The steps between are sooner done."),
        elem_id="bk-deep-every",
    )
    return guidance_interval, forecast, deep_every


def _profiles(options: list[Any], engine: str | None) -> tuple[gr.Button, ...]:
    """Build a button for each profile, which fills in the options; profile_times.py keeps its words up to date."""
    chips = []
    with gr.Row(elem_id="bk-profiles"):
        for name, label in PROFILE_LABELS.items():
            request = Request("any", **profile_options(name, engine))
            words = share_words(say(label), request)
            chip = gr.Button(words, size="sm", min_width=0, scale=0, elem_classes="bk-chip")
            values = json.dumps([interval_text(request.guidance_interval), request.forecast, request.deep_every])
            chip.click(None, outputs=options, js=f"() => {values}", api_visibility="private")
            chips.append(chip)
    gr.HTML(f'<p class="bk-note">{escape(say(PROFILE_NOTE))}</p>', apply_default_css=False, elem_id="bk-profile-note")
    return tuple(chips)


def share_words(profile: str, request: Request) -> str:
    """Return what a profile costs as a share of the network's time: "Fast, 35 % of the network’s time"."""
    share = round(100 * evaluations(request) / request.steps)
    return say("{profile}, {share} % of the network’s time", profile=profile, share=share)


def recommended(systems: Sequence[System]) -> tuple[int, float, str] | None:
    """Return the steps, guidance and scheduler that all these systems recommend; None if they differ."""
    found = {recommendation(system) for system in systems}
    return found.pop() if len(found) == 1 else None


def default_choice(systems: Sequence[System]) -> list[str]:
    """Return the whole first family, or the first two systems when the first family has only one."""
    family = [system.key for system in systems if system.family == systems[0].family]
    return family if len(family) > 1 else [system.key for system in systems[:2]]


def choose_seed(seed: object, locked: bool, used: int | None) -> int:
    """Return the seed to run with: the one shown, or a random one if it is unlocked and the last comparison used it.

    Raises RequestError for an empty field; Request refuses any other wrong value.
    """
    if seed is None:
        raise RequestError("The seed is empty. Type a whole number or press Random.")
    number = whole(seed)
    return number if locked or number != used else secrets.randbelow(DRAWN_SEEDS)


def choose_seeds(seed: object, locked: bool, used: int | None, wanted: str | None) -> tuple[int, ...]:
    """Return the seeds to run with. `wanted` is a count or a list such as "7, 20, 33"; a count starts at `choose_seed`.

    Raises RequestError for an empty seed and for a `wanted` that is neither.
    """
    words = [word for word in re.split(r"[\s,;]+", str(wanted or "1")) if word]
    if not all(NUMBER.fullmatch(word) for word in words):
        raise RequestError(
            f"Cannot read seeds from {str(wanted)[:60]!r}. Choose how many, or list whole numbers: 7, 20, 33."
        )
    numbers = [int(word) for word in words]
    if len(numbers) > 1:
        return tuple(numbers)
    if not 1 <= numbers[0] <= SEEDS_LIMIT:
        raise RequestError(
            f"Pictures per model must be from 1 to {SEEDS_LIMIT}, not {numbers[0]}. "
            "To choose seeds, list at least two: 7, 20, 33."
        )
    first = choose_seed(seed, locked, used)
    if numbers[0] == 1 or not isinstance(first, int):
        return (first,)
    return consecutive(first, numbers[0])


def consecutive(first: int, count: int) -> tuple[int, ...]:
    """Return so many seeds from `first` on; after the highest comes 0."""
    return tuple(number % SEED_LIMIT for number in range(first, first + count))


def seeds_field(seeds: Sequence[int]) -> str:
    """Return the field's text for these seeds: the count if they are consecutive, else the list."""
    consecutive = all(seed == (seeds[0] + place) % SEED_LIMIT for place, seed in enumerate(seeds))
    return str(len(seeds)) if consecutive else ", ".join(str(seed) for seed in seeds)


def whole(value: Any) -> Any:
    """Turn 7.0 into 7, as browsers and JSON have one kind of number. Other values pass; Request refuses them."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def read_request(
    prompt: str,
    negative_prompt: str,
    seed: int,
    steps: float,
    guidance_scale: float,
    scheduler: str,
    generator: str,
    guidance_interval: str = "",
    forecast: bool = False,
    deep_every: float = 1,
) -> Request:
    """Return the form's values as a Request. Raises RequestError that names the wrong setting."""
    partial = PartialRequest(prompt, negative_prompt, whole(steps), guidance_scale, scheduler, generator, seeds=(seed,))
    acts = interval(guidance_interval) if guidance_interval.strip() else WHOLE
    return replace(partial, guidance_interval=acts, forecast=forecast, deep_every=whole(deep_every)).complete()
