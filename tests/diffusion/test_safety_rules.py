"""Safety rules as a file: what is read, and a sentence for everything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bksdm_demo.diffusion.safety_rules import Box, Concept, SafetyRules, read_rules
from bksdm_demo.errors import PackageError
from bksdm_demo.records import Request


def written(folder: Path, content: Any) -> Path:
    path = folder / "safety_rules.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_reads_concepts_harmless_phrases_and_boxes(tmp_path: Path) -> None:
    content = {
        "about": "an example",
        "concepts": [{"name": "bomb", "words": ["bomb", "grenade"], "threshold": 0.8}, {"name": "gun"}],
        "harmless": ["bath bomb"],
        "measured": [{"steps": [1, 50], "schedulers": ["ddim"]}],
    }
    boundless = (float("-inf"), float("inf"))
    assert read_rules(written(tmp_path, content)) == SafetyRules(
        (Concept("bomb", ("bomb", "grenade"), 0.8), Concept("gun", ("gun",))),
        ("bath bomb",),
        (Box((1.0, 50.0), boundless, ("ddim",)),),
    )


def test_without_boxes_every_setting_is_covered() -> None:
    assert SafetyRules().covers(Request("apple", steps=1, guidance_scale=30.0))


def test_a_box_holds_its_generators_only() -> None:
    rules = SafetyRules(measured=(Box((1, 150), (0, 30), generators=("numpy",)),))
    assert rules.covers(Request("apple"))
    assert not rules.covers(Request("apple", generator="torch"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "JSON"),
        ([], "not an object"),
        ({}, "no concepts"),
        ({"concepts": []}, "no concepts"),
        ({"concept": [{"name": "bomb"}]}, "unknown keys"),
        ({"concepts": ["bomb"]}, "a concept is not an object"),
        ({"concepts": [{"name": " "}]}, "without a name"),
        ({"concepts": [{"name": "bomb", "words": []}]}, "no words"),
        ({"concepts": [{"name": "bomb", "words": "bomb"}]}, "not a list"),
        ({"concepts": [{"name": "bomb", "threshold": 1.5}]}, "not a cosine"),
        ({"concepts": [{"name": "bomb", "threshold": True}]}, "not a cosine"),
        ({"concepts": [{"name": "bomb"}], "harmless": [3]}, "not a list of texts"),
        ({"concepts": [{"name": "bomb"}], "measured": [{"step": [1, 2]}]}, "unknown keys"),
        ({"concepts": [{"name": "bomb"}], "measured": [{"steps": [9, 2]}]}, "lowest, highest"),
    ],
)
def test_other_content_is_refused_with_the_file_and_the_place(tmp_path: Path, content: Any, complaint: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(PackageError, match=complaint) as raised:
        read_rules(path)
    assert str(path) in str(raised.value)


def test_a_box_holds_options_that_save_evaluations_only_where_it_names_them(tmp_path: Path) -> None:
    measured = {"steps": [20, 20], "forecast": True, "guidance_interval": [[0, 0.3], [0.5, 1]], "deep_every": 2}
    rules = read_rules(written(tmp_path, {"concepts": [{"name": "gun"}], "measured": [{"steps": [1, 150]}, measured]}))
    assert rules.covers(Request("apple", steps=7))
    assert not rules.covers(Request("apple", steps=7, forecast=True))
    assert rules.covers(Request("apple", steps=20, forecast=True))
    assert rules.covers(Request("apple", steps=20, forecast=True, guidance_interval=(0.3, 0.5)))
    assert not rules.covers(Request("apple", steps=20, guidance_interval=(0.4, 0.8)))
    assert rules.covers(Request("apple", steps=20, deep_every=2))
    assert not rules.covers(Request("apple", steps=7, deep_every=2))
    assert not rules.covers(Request("apple", steps=20, deep_every=3))
    assert not rules.covers(Request("apple", steps=20, guidance_interval=(0, 0.4)))
