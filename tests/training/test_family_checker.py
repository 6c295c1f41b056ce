"""The safety checker's training and its measurement: the loss, thresholds, planned runs, and the table's shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]
torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

OTHERS = ("fox", "lion", "zebra", "panda", "tulip", "lemon", "pear", "pizza")


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Every flagged concept, two look-alikes, eight others."""
    from training import checker_runs, data, look_alikes
    from training.concepts import FLAGGED

    labels = (*FLAGGED, "skull", "hammer", *OTHERS)
    entries = [
        {"label": label, "plain": [f"{label} picture"], "tags": [], "flagged": label in FLAGGED} for label in labels
    ]
    monkeypatch.setattr(data, "words", lambda: entries)
    monkeypatch.setattr(look_alikes, "_LABELS", "skull; hammer")
    checker_runs._entries.cache_clear()
    yield entries
    checker_runs._entries.cache_clear()


def judged_at(own: list[float], others: list[float]) -> tuple[float, float]:
    """The shares of a concept's own pictures, and of all others, above its threshold."""
    from training import checker

    cosines = torch.tensor([*own, *others])[:, None].repeat(1, 2)
    targets = torch.tensor([0] * len(own) + [1] * len(others))
    above = cosines[:, 0] > checker.thresholds(cosines, targets, torch.tensor([0]))
    return above[: len(own)].float().mean().item(), above[len(own) :].float().mean().item()


def test_where_there_is_a_gap_a_threshold_catches_all_and_alarms_none() -> None:
    assert judged_at([0.8 + 0.002 * place for place in range(50)], [0.4] * 1000) == (1.0, 0.0)


def test_where_there_is_none_false_alarms_stay_within_what_is_allowed() -> None:
    from training import checker

    others = [place / 1000 for place in range(1000)]
    caught, alarms = judged_at([0.5 + 0.01 * place for place in range(51)], others)
    assert alarms <= checker.ALLOWED
    assert 0 < caught < 0.1  # the pictures above nearly all others


def test_the_loss_falls_to_nothing_where_the_gap_is_kept() -> None:
    from training import checker

    targets, flagged = torch.tensor([0, 2]), torch.tensor([0])
    kept = torch.tensor([[0.95, -0.9, -0.9], [-0.9, -0.9, 0.95]])
    crossed = torch.tensor([[0.5, -0.9, -0.9], [-0.9, -0.9, 0.95]])
    alarm = torch.tensor([[0.95, -0.9, -0.9], [0.5, -0.9, 0.95]])
    small, missed, false = (checker.loss_of(each, targets, flagged).item() for each in (kept, crossed, alarm))
    assert small < 0.01
    assert missed > small + 0.05
    assert false > small + 0.05


def test_a_picture_without_a_class_counts_only_where_it_reaches_into_the_gap() -> None:
    from training import checker

    flagged = torch.tensor([0])
    quiet, alarm = (torch.tensor([[cosine, 0.3, -0.3]]) for cosine in (-0.9, 0.6))
    without = torch.tensor([-1])
    assert checker.loss_of(quiet, without, flagged).item() < 0.001
    assert checker.loss_of(alarm, without, flagged).item() > 0.1


def test_runs_cover_the_range_and_learning_leaves_out_what_is_held(words: list[dict[str, Any]]) -> None:
    from bksdm_demo.records import GENERATORS, GUIDANCE_RANGE, SCHEDULERS, STEPS_RANGE
    from training import checker_runs

    learn, judge = (list(checker_runs.plan(kind, 3000)) for kind in ("learn", "judge"))
    assert not any(run.held_out for run in learn)
    assert 500 < sum(run.held_out for run in judge) < 2500
    for runs in (learn, judge):
        assert sum(run.flagged for run in runs) == 1000
        assert {run.scheduler for run in runs} == set(SCHEDULERS)
        assert {run.generator for run in runs} == set(GENERATORS)
        assert {run.system for run in runs} == {f"emoji-{name}" for name in checker_runs.NAMES}
        assert {run.precision for run in runs} == {"auto", "int8"}
        steps, guidance = [run.steps for run in runs], [run.guidance_scale for run in runs]
        assert (min(steps), max(guidance)) == (STEPS_RANGE[0], GUIDANCE_RANGE[1])
        assert max(steps) > 100
        assert min(guidance) < 0.5
    assert not {run.seed for run in learn} & {run.seed for run in judge}


def test_a_third_of_the_runs_ask_for_scenes(words: list[dict[str, Any]]) -> None:
    from training import checker_runs
    from training.concepts import FLAGGED

    learn, judge = (list(checker_runs.plan(kind, 1200)) for kind in ("learn", "judge"))
    for runs in (learn, judge):
        composed = [run for run in runs if run.composed]
        assert 0.25 < len(composed) / len(runs) < 0.5
        assert {run.label for run in composed} == {*FLAGGED, ""}
        assert all(run.label.split()[-1] in run.prompt for run in composed if run.flagged)
        assert not any(run.label == "" for run in runs if not run.composed)


def test_the_recommended_runs_are_at_the_recommended_settings(words: list[dict[str, Any]]) -> None:
    from training import checker_runs
    from training.concepts import FLAGGED

    runs = list(checker_runs.plan("recommended", checker_runs.RUNS["recommended"]))
    assert {(run.steps, run.guidance_scale, run.scheduler) for run in runs} == {(20, 3.0, "dpmpp-2m")}
    for label in FLAGGED:
        own = [run for run in runs if run.label == label]
        assert (len(own), sum(run.composed for run in own)) == (36, 12)
        assert {run.system for run in own} == {f"emoji-{name}" for name in checker_runs.NAMES}
    assert sum(run.composed and not run.label for run in runs) == checker_runs.HARMLESS_SCENES


def test_a_longer_plan_keeps_its_first_runs(words: list[dict[str, Any]]) -> None:
    from training import checker_runs

    assert list(checker_runs.plan("judge", 40))[:20] == list(checker_runs.plan("judge", 20))


def test_estimates_are_of_steps_before_the_last(words: list[dict[str, Any]]) -> None:
    from training import checker_runs

    run = next(checker_runs.plan("learn", 1))
    assert checker_runs.estimated_steps("learn", run, 1) == set()
    assert checker_runs.estimated_steps("learn", run, 3) == {1, 2}
    many = checker_runs.estimated_steps("learn", run, 50)
    assert len(many) == checker_runs.ESTIMATES["learn"]
    assert many <= set(range(1, 50))


def test_a_look_alike_that_is_no_label_is_refused(words: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    from training import look_alikes

    monkeypatch.setattr(look_alikes, "_LABELS", "skull; space rokcet")
    with pytest.raises(SystemExit, match="space rokcet"):
        look_alikes.look_alikes()


def judged(words: list[dict[str, Any]]) -> Any:
    """Two flagged runs and one other, each with an estimate at step 1 and a finished picture."""
    from training.checker_runs import Album, plan
    from training.checker_table import Judged

    runs = [run for run in plan("judge", 60) if run.flagged][:2] + [run for run in plan("judge", 60) if not run.flagged]
    runs = runs[:3]
    album = Album(np.zeros((6, 4, 4, 3), np.uint8), np.array([0, 0, 1, 1, 2, 2]), np.array([1, 0] * 3), tuple(runs))
    scores = np.array([-0.2, 0.1, -0.01, -0.1, 0.2, -0.3])
    return Judged(album, scores, np.array([True, False, False]))


def test_the_table_counts_what_each_gate_lets_out(words: list[dict[str, Any]]) -> None:
    found = judged(words).shares(judged(words).pictures(lambda run: True))
    assert (found["flagged"], found["others"]) == (2, 1)
    assert (found["out_checker"].value, found["out_both"].value) == (0.5, 0.5)
    assert (found["alarms_checker"].value, found["alarms_both"].value) == (0, 0)
    previews = judged(words).shares(judged(words).pictures(lambda run: True, finished=False))
    assert (previews["out_checker"].value, previews["alarms_checker"].value) == (1, 1)


def test_previews_count_runs_that_end_blocked_after_showing_one(words: list[dict[str, Any]]) -> None:
    from training.checker_table import preview_rows

    rows = preview_rows(judged(words))
    assert [row[0] for row in rows] == ["0.000", "0.025", "0.050", "0.100"]
    assert rows[0][1] == "1"  # flagged runs that end blocked
    assert rows[0][2].startswith("100.00")
    assert rows[0][3].startswith("0.00")
