"""The gate on the request: words in any spelling, embeddings, the negative prompt below guidance 1, and failures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.diffusion.prompt_gate import FAILED, NOT_MEASURED, PROMPT_BLOCKED, PromptGate, plain_words
from bksdm_demo.diffusion.safety_rules import Box, Concept, SafetyRules
from bksdm_demo.errors import PackageError
from bksdm_demo.records import Request

RULES = SafetyRules(
    concepts=(Concept("dagger", ("dagger", "sword"), 0.9), Concept("no one under eighteen", ("under eighteen",))),
    harmless=("crossed swords",),
    measured=(Box((2, 50), (1.0, 10.0), schedulers=("ddim", "dpmpp-2m")), Box((20, 20), (20.0, 20.0))),
)
EMBEDDINGS: Mapping[str, tuple[float, float]] = {"dagger": (1, 0), "sword": (0.8, 0.6), "near": (0.99, 0.1)}
FAR = np.array([-1.0, 0.5])


def embed(text: str) -> NDArray:
    return np.array(EMBEDDINGS.get(text, (-1.0, 0.5)), dtype=float)


def reason(prompt: str, negative: str = "", guidance: float = 3.0, steps: int = 20, scheduler: str = "ddim") -> str:
    request = Request(prompt, negative, steps=steps, guidance_scale=guidance, scheduler=scheduler)
    verdict = PromptGate(RULES, embed).check(request, (embed(prompt), embed(negative)))
    assert verdict.blocked is bool(verdict.reason)
    return verdict.reason


@pytest.mark.parametrize(
    "prompt",
    [
        "dagger",
        "a red apple beside a DAGGER, please",
        "two daggers",
        "swords",
        "d.a.g.g.e.r",
        "d a g g e r",
        "dag\N{ZERO WIDTH SPACE}ger",
        "d\N{LATIN SMALL LETTER A WITH ACUTE}gger",
        "\N{FULLWIDTH LATIN SMALL LETTER D}agger",
        "under_eighteen",
        "Under\neighteen",
        "crossed swords and a sword",
    ],
)
def test_blocks_a_listed_word_in_any_spelling(prompt: str) -> None:
    assert reason(prompt) == PROMPT_BLOCKED


@pytest.mark.parametrize(
    "prompt", ["red apple", "swordfish", "crossed swords", "eighteen under the tree", "under crossed swords eighteen"]
)
def test_draws_words_that_only_contain_or_surround_a_listed_one(prompt: str) -> None:
    assert reason(prompt) == ""


def test_a_harmless_phrase_does_not_join_its_neighbours() -> None:
    rules = SafetyRules((Concept("x", ("under eighteen",)),), harmless=("crossed swords",))
    request = Request("under crossed swords eighteen")
    assert PromptGate(rules, embed).check(request, (FAR, FAR)).blocked is False


def test_blocks_an_embedding_above_the_threshold_of_a_concept() -> None:
    assert reason("near") == PROMPT_BLOCKED
    assert reason("far") == ""


def test_a_concept_without_threshold_compares_words_only() -> None:
    rules = SafetyRules((Concept("dagger", ("dagger",)),))

    def unused(text: str) -> NDArray:
        raise AssertionError(f"{text} was embedded for nothing")

    verdict = PromptGate(rules, unused).check(Request("near"), (embed("near"), FAR))
    assert verdict.blocked is False


@pytest.mark.parametrize("guidance", [0.0, 0.99])
def test_below_guidance_1_the_negative_prompt_counts(guidance: float) -> None:
    rules = SafetyRules(RULES.concepts)
    request = Request("apple", "dagger", guidance_scale=guidance)
    assert PromptGate(rules, embed).check(request, (FAR, embed("dagger"))).reason == PROMPT_BLOCKED


def test_from_guidance_1_a_negative_prompt_may_name_anything() -> None:
    assert reason("apple", "dagger", guidance=1.0) == ""


@pytest.mark.parametrize(
    ("steps", "guidance", "scheduler", "expected"),
    [
        (2, 1.0, "ddim", ""),
        (50, 10.0, "dpmpp-2m", ""),
        (20, 20.0, "euler", ""),
        (1, 3.0, "ddim", NOT_MEASURED),
        (20, 10.1, "ddim", NOT_MEASURED),
        (20, 3.0, "euler", NOT_MEASURED),
    ],
)
def test_blocks_settings_that_no_box_holds(steps: int, guidance: float, scheduler: str, expected: str) -> None:
    assert reason("apple", guidance=guidance, steps=steps, scheduler=scheduler) == expected


@pytest.mark.parametrize("broken", [np.zeros(2), np.array([np.nan, 1.0]), np.zeros(3)])
def test_an_embedding_that_cannot_be_compared_blocks(broken: NDArray, caplog: pytest.LogCaptureFixture) -> None:
    verdict = PromptGate(RULES, embed).check(Request("apple", scheduler="ddim"), (broken, FAR))
    assert (verdict.blocked, verdict.reason) == (True, FAILED)
    assert "prompt gate failed" in caplog.text


def test_an_encoder_that_fails_blocks(caplog: pytest.LogCaptureFixture) -> None:
    def fail(text: str) -> NDArray:
        raise RuntimeError("out of memory")

    assert PromptGate(RULES, fail).check(Request("apple"), (FAR, FAR)).reason == FAILED


def test_a_listed_word_without_letters_is_refused() -> None:
    with pytest.raises(PackageError, match="no letters or digits"):
        PromptGate(SafetyRules((Concept("x", ("!?",)),)), embed)


def test_plain_words_keep_numbers_apart() -> None:
    assert plain_words("1 8 plus, b-o-m-b!") == ["1", "8", "plus", "bomb"]
