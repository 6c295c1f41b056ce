"""Axes: the lines of the issue, spans, refusals, and how several axes multiply rows."""

from __future__ import annotations

from typing import Any

import pytest

from bksdm_demo import scheduler_facts
from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation.axes import Axis, axes_of, multiplied, read_axes, read_axis
from bksdm_demo.evaluation.sheet import ROWS_LIMIT
from bksdm_demo.evaluation.sheet_values import DraftRow


@pytest.mark.parametrize(
    ("line", "field", "values"),
    [
        ("steps 5, 10, 20", "steps", (5, 10, 20)),
        ("seeds 1..8", "seed", (1, 2, 3, 4, 5, 6, 7, 8)),
        ("Seeds: 1…3, 9", "seed", (1, 2, 3, 9)),
        ("guidance 1, 3, 7.5", "guidance_scale", (1.0, 3.0, 7.5)),
        ("guidance scale = 1..2 by 0.5", "guidance_scale", (1.0, 1.5, 2.0)),
        ("scheduler all", "scheduler", scheduler_facts.KEYS),
        ("sampler Euler a, DPM++ 2M", "scheduler", ("euler-ancestral", "dpmpp-2m")),
        ("prompt a cat, black | a dog", "prompt", ("a cat, black", "a dog")),
        ("prompts: one|two", "prompt", ("one", "two")),
        ("guidance interval 0-0.5 | 0.2..0.8 | 0,1:0,9", "guidance_interval", ((0, 0.5), (0.2, 0.8), (0.1, 0.9))),
        ("deep every 1..3", "deep_every", (1, 2, 3)),
        ("forecast yes, no", "forecast", (True, False)),
        ("negative prompt blurry | dark", "negative_prompt", ("blurry", "dark")),
        ("steps 5, 5, 10", "steps", (5, 10)),
    ],
)
def test_a_line_is_read(line: str, field: str, values: tuple[Any, ...]) -> None:
    assert read_axis(line) == Axis(field, values)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("", "cannot be read"),
        ("steps", "cannot be read"),
        ("seats 1, 2", "'seats' is no setting"),
        ("label a, b", "'label' is no setting"),
        ("steps 5, many", "steps must be a whole number, not 'many'"),
        ("steps 0..3", "steps is 0"),
        ("steps 9..3", "must rise"),
        ("seeds 1..9000", "must rise"),
        ("guidance 1..2 by 0", "must rise"),
        ("scheduler fast", "scheduler is 'fast'"),
        ("prompt | ", "no value"),
    ],
)
def test_other_lines_are_refused(line: str, word: str) -> None:
    with pytest.raises(RequestError, match=word):
        read_axis(line)


def test_axes_stand_on_lines_or_between_semicolons() -> None:
    assert read_axes("steps 1, 2; seed 3\n\nguidance 1") == (
        Axis("steps", (1, 2)),
        Axis("seed", (3,)),
        Axis("guidance_scale", (1.0,)),
    )


@pytest.mark.parametrize(
    "given", [{"steps": [1, 2]}, {"steps": "1, 2"}, ["steps 1, 2"], "steps 1, 2"], ids=["list", "text", "lines", "line"]
)
def test_json_and_yaml_hold_axes_in_several_forms(given: Any) -> None:
    assert axes_of(given) == (Axis("steps", (1, 2)),)


@pytest.mark.parametrize("given", [3, [1], {"steps": [[1]]}, {"steps": []}])
def test_other_forms_are_refused(given: Any) -> None:
    with pytest.raises(RequestError):
        axes_of(given)


def test_one_field_has_one_axis() -> None:
    with pytest.raises(RequestError, match="Two axes change steps"):
        read_axes("steps 1; steps 2")


def test_axes_multiply_rows_and_the_last_changes_fastest() -> None:
    rows = [DraftRow("Row 1", {"prompt": "a"}), DraftRow("Row 2", {"prompt": "b"})]
    made = multiplied(rows, read_axes("steps 1, 2; seed 3, 4"))
    assert [(row.values["prompt"], row.values["steps"], row.values["seed"]) for row in made] == [
        (prompt, steps, seed) for prompt in "ab" for steps in (1, 2) for seed in (3, 4)
    ]


def test_axes_alone_make_rows() -> None:
    assert [row.values for row in multiplied([], read_axes("prompt a | b"))] == [{"prompt": "a"}, {"prompt": "b"}]
    assert multiplied([], []) == []


def test_an_axis_never_overrides_a_row() -> None:
    with pytest.raises(RequestError, match="Row 7 states steps, and so does an axis"):
        multiplied([DraftRow("Row 7", {"prompt": "a", "steps": 3})], read_axes("steps 1, 2"))


def test_too_many_rows_are_counted_before_they_are_made() -> None:
    with pytest.raises(RequestError, match="make 300,000 rows"):
        multiplied([DraftRow("Row 1", {"prompt": "a"})], read_axes(f"seed 1..{ROWS_LIMIT}; steps 1..150"))
