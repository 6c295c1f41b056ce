"""The words of the profiles' buttons against times by hand: evaluations times seconds, and the rest of a picture."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bksdm_demo.records import Cell, Job, Phase, Request, Result, Timings, Verdict
from bksdm_demo.ui.profile_times import ProfileTimes, time_words

EVALUATED = {"exact": 20, "fast": 6 + 5 * 0.2, "draft": 4 + 7 * 0.2}  # 11 of 20 steps, and the shallow ones a fifth


def times(*models: str, engine: str = "openvino") -> ProfileTimes:
    """The event over a store with one comparison: 2 s an evaluation, 1 s besides."""
    timings = Timings(load=90.0, encode=0.5, denoise=8.0, decode=0.5, total=99.0)
    cells = [Cell(model, Phase.DONE, result=Result(model, Request("a"), Verdict(False), timings)) for model in models]
    page = SimpleNamespace(jobs=(Job("1", Request("a", steps=4), tuple(cells)),))
    service: Any = SimpleNamespace(gallery=lambda limit: page, environment=lambda: {"engine": engine})
    return ProfileTimes(service)


def words(found: tuple[Any, ...]) -> list[str]:
    return [update["value"] for update in found]


def test_seconds_are_evaluations_of_all_pictures_and_what_a_picture_takes_besides() -> None:
    shown = words(times("x", "y").words(["x", "y"], "3", 20, 7.5))
    expected = [6 * (2 * evaluated + 1) for evaluated in EVALUATED.values()]  # 246, 90, 70.8
    assert expected == pytest.approx([246, 90, 70.8])
    assert shown == ["Exact, about 4 min 06 s", "Fast, about 1 min 30 s", "Draft, about 1 min 11 s"]


def test_guidance_1_halves_the_evaluations() -> None:
    assert words(times("x").words(["x"], "1", 20, 1))[0] == "Exact, about 21 s"


def test_core_ml_cannot_rest_the_deep_layers() -> None:
    assert words(times("x", engine="coreml").words(["x"], "1", 20, 7.5))[2] == "Draft, about 23 s"


@pytest.mark.parametrize("models", [[], ["x", "new"]], ids=["no model", "a model never timed here"])
def test_without_times_the_share_is_said(models: list[str]) -> None:
    assert words(times("x").words(models, "1", 20, 7.5))[1] == "Fast, 35 % of the network’s time"


@pytest.mark.parametrize(("seeds", "steps"), [("many", 20), ("1", 0)])
def test_a_wrong_form_leaves_the_buttons(seeds: str, steps: int) -> None:
    assert not any("value" in update for update in times("x").words(["x"], seeds, steps, 7.5))


def test_short_times_have_a_decimal() -> None:
    assert time_words("Fast", 2.44) == "Fast, about 2.4 s"
    assert time_words("Fast", 9.96) == "Fast, about 10 s"
