"""The rounds of the lab: their order, their warm-up, and the steps that take another model's time."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation.lab import WARM_UP, Variant, fewer_steps, measure, ordered
from bksdm_demo.evaluation.lab_summary import RELOADED, summarise
from bksdm_demo.records import Request
from bksdm_demo.runs.pipeline_cache import PipelineCache
from tests.evaluation.lab_samples import QUICK, SLOW, sample
from tests.fakes import BLOCKED_WORD, REFUSED_WORD, fake_comparisons

MODELS = ("emoji-original", "emoji-base", "emoji-tiny")
REQUEST = Request("red apple", steps=2)


@pytest.fixture
def opened(tmp_path: Path) -> Any:
    services = []

    def open_cache(**options: Any) -> PipelineCache:
        services.append(fake_comparisons(tmp_path, **options))
        return services[-1].cache

    yield open_cache
    for service in services:
        service.close()


def test_every_round_draws_every_variant_once(opened: Callable[..., PipelineCache]) -> None:
    lines: list[str] = []
    measured = measure(opened(), REQUEST, MODELS, 4, announce=lines.append)
    for number in range(1, 5):
        drawn = [one.variant for one in measured.samples if one.round == number]
        assert Counter(drawn) == Counter(measured.variants)
    assert [len(one.timings.steps) for one in measured.samples] == [one.variant.steps for one in measured.samples]
    assert len(measured.warm_up) == WARM_UP * len(MODELS)
    assert [one.timings.cold for one in measured.warm_up] == [True] * 3 + [False] * 3
    assert not any(one.timings.cold for one in measured.samples)
    assert lines == ["Warm-up 1 of 2", "Warm-up 2 of 2", *(f"Round {number} of 4" for number in range(1, 5))]
    assert (measured.reference, measured.rounds) == ("emoji-original", 4)
    assert set(measured.memory) == set(MODELS)
    assert min(measured.memory.values()) > 0


def test_every_variant_has_every_place_equally_often() -> None:
    variants = [Variant(name, 2) for name in "abcd"]
    orders = [ordered(variants, number) for number in range(1, 9)]
    for variant in variants:
        assert Counter(order.index(variant) for order in orders) == {0: 2, 1: 2, 2: 2, 3: 2}
    followers = Counter(pair for order in orders for pair in itertools.pairwise(order))
    assert followers[variants[0], variants[1]] == followers[variants[1], variants[0]]  # forwards as often as backwards


def test_the_reference_gets_the_steps_that_take_each_faster_models_time() -> None:
    """0.2 + 0.04 * 20 = 1.0 = 0.2 + 0.1 * 8: worked out by hand."""
    assert fewer_steps("slow", [sample(SLOW, 2), sample(QUICK, 2)]) == (Variant("slow", 8, ("quick",)),)


def test_a_scheduler_with_a_further_step_gets_one_fewer() -> None:
    longer = [sample(SLOW, 2), sample(QUICK, 2)]
    asked = [type(one)(Variant(one.variant.model, 19), 2, 1, one.timings) for one in longer]  # 19 asked for, 20 taken
    assert fewer_steps("slow", asked) == (Variant("slow", 7, ("quick",)),)


def test_a_slower_model_asks_for_no_fewer_steps() -> None:
    assert fewer_steps("quick", [sample(SLOW, 2), sample(QUICK, 2)]) == ()
    assert fewer_steps("slow", [sample(SLOW, 2)]) == ()


def test_models_of_one_speed_share_a_number_of_steps() -> None:
    other = type(sample(QUICK, 2))(Variant("other", 20), 2, 1, sample(QUICK, 2).timings)
    (shared,) = fewer_steps("slow", [sample(SLOW, 2), sample(QUICK, 2), other])
    assert shared.matches == ("quick", "other")


@pytest.mark.parametrize(
    ("models", "repeat", "reference", "words"),
    [
        ((), 3, None, "No model"),
        (MODELS, 0, None, "between 1 and 1000"),
        (MODELS, 3, "emoji-small", "emoji-original, emoji-base, emoji-tiny"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    opened: Callable[..., PipelineCache], models: tuple[str, ...], repeat: int, reference: str | None, words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        measure(opened(), REQUEST, models, repeat, reference)


def test_a_prompt_that_is_not_drawn_cannot_be_measured(opened: Callable[..., PipelineCache]) -> None:
    with pytest.raises(RequestError, match="nothing to measure"):
        measure(opened(), Request(f"{REFUSED_WORD} apple", steps=2), MODELS, 2)


def test_a_blocked_picture_took_as_long_as_another(opened: Callable[..., PipelineCache]) -> None:
    measured = measure(opened(), Request(f"{BLOCKED_WORD} apple", steps=2), MODELS[:1], 2)
    assert all(one.timings.drew for one in measured.samples)


def test_models_that_do_not_fit_together_are_cold_in_every_round(opened: Callable[..., PipelineCache]) -> None:
    cache = opened(options={"unet": {"memory_bytes": 600_000}}, budget_bytes=1_000_000)
    measured = measure(cache, REQUEST, MODELS[:2], 2)
    for number in (1, 2):
        assert any(one.timings.cold for one in measured.samples if one.round == number)
    assert summarise(measured).sentences[0] == RELOADED
