"""The facts of the schedulers: one entry for every registered method, and every choice follows from them."""

from __future__ import annotations

import typing

import pytest

from bksdm_demo import records, scheduler_facts
from bksdm_demo.diffusion.schedulers import scheduler_names
from bksdm_demo.parameters.png_writer import SAMPLER_NAMES
from bksdm_demo.ui.api import Api
from bksdm_demo.wording.comparison import SCHEDULER_NAMES

OTHER_SAMPLERS = {  # other programs' names, most as stable-diffusion-webui writes them -> the nearest of ours
    "DPM++ SDE": "dpmpp-2m",
    "DPM++ 2M SDE": "dpmpp-2m",
    "DPM++ 2M SDE Heun": "dpmpp-2m",
    "DPM++ 2S a": "dpmpp-2m",
    "DPM++ 3M SDE": "dpmpp-2m",
    "DPM++ 2M SDE Karras": "dpmpp-2m-karras",
    "LMS": None,
    "Heun": None,
    "DPM2": None,
    "DPM2 a": None,
    "DPM fast": None,
    "DPM adaptive": None,
    "Restart": None,
    "DDIM CFG++": "ddim",
    "UniPC": None,
    "LCM": None,
    "Euler Karras": "euler",
    "Euler a Karras": "euler-ancestral",
    "EULER A": "euler-ancestral",
    "PNDM": "pndm",
    "plms exponential": "pndm",
}


def test_every_registered_scheduler_has_facts_and_no_other() -> None:
    assert set(scheduler_names()) == set(scheduler_facts.KEYS)
    assert len(scheduler_facts.KEYS) == len(set(scheduler_facts.KEYS)) == len(scheduler_facts.FACTS)


def test_every_choice_follows_from_the_facts() -> None:
    hints = typing.get_type_hints(Api.compare)
    offered, none = typing.get_args(hints["scheduler"])
    assert (typing.get_args(offered), none) == (scheduler_facts.KEYS, type(None))
    assert typing.get_args(hints["generator"]) == records.GENERATORS
    assert scheduler_facts.KEYS == records.SCHEDULERS == tuple(SCHEDULER_NAMES) == tuple(SAMPLER_NAMES)


def test_names_are_told_apart() -> None:
    for names in (
        [facts.label for facts in scheduler_facts.FACTS],
        [facts.webui.lower() for facts in scheduler_facts.FACTS],
    ):
        assert len(names) == len(set(names))
    parts = [part for facts in scheduler_facts.FACTS for part in facts.nearest_to]
    assert len(parts) == len(set(parts))
    assert parts == [part.lower() for part in parts]


@pytest.mark.parametrize("facts", scheduler_facts.FACTS, ids=scheduler_facts.KEYS)
def test_a_name_of_our_own_finds_its_scheduler(facts: scheduler_facts.SchedulerFacts) -> None:
    assert scheduler_facts.by_name(facts.webui.upper()) is facts
    assert scheduler_facts.nearest(facts.webui) is facts


@pytest.mark.parametrize(("name", "key"), OTHER_SAMPLERS.items())
def test_another_programs_sampler_finds_the_nearest(name: str, key: str | None) -> None:
    found = scheduler_facts.nearest(name)
    assert (found and found.key) == key
