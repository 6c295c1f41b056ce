"""From the form's raw values to a seed and a Request."""

from __future__ import annotations

import gradio as gr
import pytest

from bksdm_demo.errors import RequestError
from bksdm_demo.records import SCHEDULERS, SEED_LIMIT, Request
from bksdm_demo.ui.form import (
    DRAWN_SEEDS,
    Form,
    build_essentials,
    build_settings,
    choose_seed,
    choose_seeds,
    default_choice,
    read_request,
    seeds_field,
    whole,
)
from tests.ui.records import SYSTEMS, system

VALUES = ("red apple", "", 7, 20, 7.5, SCHEDULERS[0], "numpy")


@pytest.mark.parametrize(
    ("seed", "locked", "used", "expected"),
    [
        (7, False, None, 7),
        (7, False, 8, 7),
        (7, True, 7, 7),
        (7.0, False, None, 7),
        (0, False, None, 0),
        (0, True, 0, 0),
    ],
)
def test_the_shown_seed_is_used(seed: float, locked: bool, used: int | None, expected: int) -> None:
    assert choose_seed(seed, locked, used) == expected


def test_a_used_seed_that_is_not_locked_is_drawn_anew() -> None:
    drawn = {choose_seed(7, False, 7) for _ in range(20)}
    assert len(drawn) > 1
    assert all(0 <= seed < DRAWN_SEEDS for seed in drawn)


def test_an_empty_seed_is_refused_in_words() -> None:
    with pytest.raises(RequestError, match="The seed is empty"):
        choose_seed(None, False, None)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("1", (7,)), (None, (7,)), ("3", (7, 8, 9)), (2, (7, 8)), ("20, 33", (20, 33)), (" 5;6 9 ", (5, 6, 9))],
)
def test_several_seeds_by_count_or_by_list(wanted: str | None, expected: tuple[int, ...]) -> None:
    assert choose_seeds(7, False, None, wanted) == expected


def test_counting_seeds_goes_on_at_zero() -> None:
    assert choose_seeds(SEED_LIMIT - 1, True, None, "2") == (SEED_LIMIT - 1, 0)


@pytest.mark.parametrize("wanted", ["many", "0", "17", "1.5", "-3", "7, x"])
def test_wrong_seeds_are_refused_in_words(wanted: str) -> None:
    with pytest.raises(RequestError, match=r"[Ss]eeds"):
        choose_seeds(7, False, None, wanted)


@pytest.mark.parametrize(("seeds", "field"), [((7,), "1"), ((7, 8, 9), "3"), ((7, 20), "7, 20"), ((8, 7), "8, 7")])
def test_the_seeds_of_a_job_fill_the_field(seeds: tuple[int, ...], field: str) -> None:
    assert seeds_field(seeds) == field
    assert choose_seeds(seeds[0], True, None, field) == seeds


@pytest.mark.parametrize(("value", "expected"), [(7.0, 7), (7.5, 7.5), (7, 7), ("7", "7"), (None, None)])
def test_whole(value: object, expected: object) -> None:
    assert whole(value) == expected
    assert type(whole(value)) is type(expected)


def test_read_request() -> None:
    assert read_request(*VALUES) == Request("red apple", seed=7, scheduler=SCHEDULERS[0])


@pytest.mark.parametrize(
    ("index", "value", "words"),
    [
        (0, "", "prompt is empty"), (0, None, "prompt is empty"), (0, "x" * 20_001, "20001 characters"),
        (2, 2**32, "seed is 4294967296"), (2, -1, "seed is -1"), (2, 7.5, "seed must be a whole number"),
        (3, 0, "steps is 0"), (3, 2.5, "steps must be a whole number"), (4, 31.0, "guidance_scale is 31.0"),
        (4, "7", "guidance_scale must be a number"), (5, "best", "scheduler is 'best'"), (6, "dice", "generator"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_in_words(index: int, value: object, words: str) -> None:
    values: list[object] = list(VALUES)
    values[index] = value
    with pytest.raises(RequestError, match=words):
        read_request(*values)  # type: ignore[arg-type]


def test_the_default_choice_compares() -> None:
    assert default_choice(list(SYSTEMS.values())) == ["a", "b", "c"]
    families = [system("x", "X", family="One"), system("y", "Y", family="Two"), system("z", "Z", family="Two")]
    assert default_choice(families) == ["x", "y"]
    assert default_choice([]) == []


def test_the_settings_are_those_that_a_system_recommends() -> None:
    with gr.Blocks():
        chosen = system("x", "X", steps=12, guidance_scale=4.0, scheduler="euler")
        form = Form._make([*build_essentials([chosen]), *build_settings(chosen)[0]])
        bare = Form._make([*build_essentials([]), *build_settings(None)[0]])
    assert (form.steps.value, form.guidance_scale.value, form.scheduler.value) == (12, 4.0, "euler")
    assert form.models.value == ["x"]
    assert bare.models.choices == []
