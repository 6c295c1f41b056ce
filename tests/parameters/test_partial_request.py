"""Partial requests: what fills their gaps, and what happens to values that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bksdm_demo.errors import RequestError
from bksdm_demo.library.system import System
from bksdm_demo.parameters.partial_request import PartialRequest, recommendation
from bksdm_demo.records import SEED_LIMIT, Request

SYSTEM = System("a", "A", "Family", "A system.", Path("a"), steps=12, guidance_scale=3.0, scheduler="euler")
ADVISED = {"steps": 12, "guidance_scale": 3.0, "scheduler": "euler"}
EVERYTHING: dict[str, Any] = {
    "prompt": "red apple",
    "negative_prompt": "green",
    "steps": 9,
    "guidance_scale": 0.0,
    "scheduler": "ddim",
    "generator": "torch",
}


@pytest.mark.parametrize(
    ("given", "system", "expected"),
    [
        ({}, None, {}),
        ({}, SYSTEM, ADVISED),
        ({"steps": 9}, None, {"steps": 9}),
        ({"steps": 9}, SYSTEM, {**ADVISED, "steps": 9}),
        ({"guidance_scale": 0.0}, SYSTEM, {**ADVISED, "guidance_scale": 0.0}),  # 0 is a value, not a gap
        ({"scheduler": "ddim"}, SYSTEM, {**ADVISED, "scheduler": "ddim"}),
        ({"negative_prompt": "", "generator": "torch"}, SYSTEM, {**ADVISED, "generator": "torch"}),
        (EVERYTHING, SYSTEM, EVERYTHING),
        (EVERYTHING, None, EVERYTHING),
    ],
)
def test_gaps_are_filled(given: dict[str, Any], system: System | None, expected: dict[str, Any]) -> None:
    partial = PartialRequest(**{"prompt": "red apple", **given}, seeds=(7, 8))
    assert partial.complete(system) == Request(**{"prompt": "red apple", **expected, "seed": 7})


def test_the_first_seed_counts_and_a_missing_seed_is_random() -> None:
    assert PartialRequest("red apple", seeds=(0, 5)).complete().seed == 0
    seeds = {PartialRequest("red apple").complete().seed for _ in range(20)}
    assert len(seeds) > 1
    assert all(0 <= seed < SEED_LIMIT for seed in seeds)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "prompt is empty"),
        ({"prompt": " "}, "prompt is empty"),
        ({"prompt": "red apple", "steps": 0}, "steps is 0"),
        ({"prompt": "red apple", "scheduler": "best"}, "scheduler is 'best'"),
        ({"prompt": "red apple", "seeds": (-1,)}, "seed is -1"),
    ],
)
def test_a_wrong_value_or_a_missing_prompt_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        PartialRequest(**given).complete(SYSTEM)


def test_recommendations() -> None:
    assert recommendation(SYSTEM) == (12, 3.0, "euler")
    assert recommendation(None) == (20, 7.5, "dpmpp-2m")


def test_a_value_that_cannot_be_used_becomes_a_note_and_spoils_nothing() -> None:
    partial = PartialRequest().setting("prompt", "red apple").setting("steps", 0).with_seeds([7, "x", 7, 9])
    assert (partial.prompt, partial.steps, partial.seeds) == ("red apple", None, (7, 9))
    assert len(partial.notes) == 2
    assert "steps is 0" in partial.notes[0]
    assert "'x'" in partial.notes[1]


def test_only_notes_leave_it_empty() -> None:
    assert PartialRequest().note("A note.").empty
    assert not PartialRequest(seeds=(7,)).empty
