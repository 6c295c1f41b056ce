"""Records of other programs by example, and of any type where a text is expected."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bksdm_demo.parameters.other_programs.json_records import parsed, read_json, read_texts
from bksdm_demo.parameters.other_programs.stated import GRAPHICS_CARD, Stated, partial_request

INVOKEAI = {
    "app_version": "4.2.0",
    "positive_prompt": "a red fox",
    "negative_prompt": "blurry",
    "width": 512,
    "seed": 42,
    "rand_device": "cuda",
    "cfg_scale": 7.5,
    "steps": 20,
    "scheduler": "euler_k",
    "model": {"key": "1", "name": "dream"},
    "loras": [],
}
INVOKEAI_2 = {
    "model": "stable diffusion",
    "model_weights": "dream",
    "image": {
        "prompt": [{"prompt": "a red fox", "weight": 1.0}],
        "steps": 20,
        "cfg_scale": 7.5,
        "seed": 42,
        "sampler": "k_euler_a",
        "height": 512,
    },
}
NOVELAI = {
    "prompt": "a red fox",
    "uc": "blurry",
    "steps": 28,
    "scale": 5.0,
    "seed": 42,
    "sampler": "k_dpmpp_2m",
    "noise_schedule": "karras",
    "sm": False,
    "height": 1024,
}
DRAW_THINGS = {
    "c": "a red fox",
    "uc": "blurry",
    "steps": 8,
    "scale": 1.5,
    "seed": 42,
    "sampler": "Euler A",
    "seed_mode": "Torch CPU Compatible",
    "model": "dream.ckpt",
    "size": "512x512",
    "v2": {"steps": 9},
}
EASY_DIFFUSION = {
    "Prompt": "a red fox",
    "Seed": 42,
    "Steps": 25,
    "Guidance Scale": 7.5,
    "Sampler": "plms",
    "Width": 512,
}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            INVOKEAI,
            Stated("InvokeAI", "a red fox", "blurry", 20, 7.5, 42, "euler_k", "", GRAPHICS_CARD, "dream", ("width",)),
        ),
        (INVOKEAI_2, Stated("InvokeAI", "a red fox", None, 20, 7.5, 42, "k_euler_a", "", "", "dream", ("height",))),
        (NOVELAI, Stated("NovelAI", "a red fox", "blurry", 28, 5.0, 42, "k_dpmpp_2m", "karras", "", "", ("height",))),
        (
            DRAW_THINGS,
            Stated("Draw Things", "a red fox", "blurry", 8, 1.5, 42, "Euler A", "", "torch", "dream.ckpt", ("size",)),
        ),
        (
            EASY_DIFFUSION,
            Stated("Easy Diffusion", "a red fox", None, 25, 7.5, 42, "plms", others=("Width",)),
        ),
    ],
)
def test_records(record: dict[str, Any], expected: Stated) -> None:
    assert read_json(record) == expected


@pytest.mark.parametrize(
    ("record", "scheduler"),
    [(INVOKEAI_2, "euler-ancestral"), (NOVELAI, "dpmpp-2m-karras"), (DRAW_THINGS, "euler-ancestral")],
)
def test_their_samplers_are_found(record: dict[str, Any], scheduler: str) -> None:
    stated = read_json(record)
    assert stated is not None
    assert partial_request(stated, ()).scheduler == scheduler


def test_a_prompt_with_the_separators_of_mochi_diffusion() -> None:
    text = "Include in Image: a fox; a hill; Exclude from Image: a; b; Model: m; Steps: 5; Seed: 3; Scheduler: PNDM"
    stated = read_texts({"Description": text})
    assert stated is not None
    assert (stated.prompt, stated.negative_prompt, stated.steps, stated.sampler) == (
        "a fox; a hill",
        "a; b",
        "5",
        "PNDM",
    )


def test_a_command_of_invokeai_with_quotes_in_its_prompt() -> None:
    stated = read_texts({"Dream": r'"a \"red\" fox" -s50 -S 42 -t "open'})
    assert stated is not None
    assert stated.seed == "42"
    assert stated.others == ("-t",)


@pytest.mark.parametrize("value", [None, 1, True, "text", "x" * 10_000, [], [[]], {}, {"a": {}}, float("nan"), 10**400])
def test_values_of_any_type_are_refused_or_noted(value: Any) -> None:
    for record in (INVOKEAI, INVOKEAI_2, NOVELAI, DRAW_THINGS, EASY_DIFFUSION):
        for name in record:
            stated = read_json({**record, name: value})
            if stated is not None:
                partial = partial_request(stated, ())
                assert all(len(note) < 250 for note in partial.notes)


@pytest.mark.parametrize("value", [None, [], 1, "text", {}, {"a": 1}, {"prompt": "fox"}, {"image": 5}, {"c": None}])
def test_json_of_unknown_programs_states_nothing(value: Any) -> None:
    stated = read_json(value)
    assert stated is None or stated.empty


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a":' * 100_000, "1" * 5_000, "no json"])
def test_what_is_no_json_is_none(text: str) -> None:
    assert parsed(text) is None


def test_json_is_parsed() -> None:
    assert parsed(json.dumps(NOVELAI)) == NOVELAI
