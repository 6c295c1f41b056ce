"""Times of stored comparisons: never mixed between machines, engines, models or steps, and warm only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bksdm_demo.evaluation.stored_times import engine_words, machine_words, stored_report, stored_rows
from bksdm_demo.records import Cell, Job, Phase
from tests.ui.records import done, job, refused

ENVIRONMENT = {
    "cpu": {"name": "Processor", "count": 2, "quota": 1.5},
    "platform": "Linux-6",
    "precision": "auto",
    "threads": 2,
    "packages": {"openvino": "2025.3", "coremltools": None},
    "demo_version": "1.0",
    "parts": {"emoji-tiny_unet": {"engine": "openvino", "precision": "bf16"}},
}


def drawn(*seconds: float, environment: dict[str, Any] = ENVIRONMENT, load: float = 0.0) -> Job:
    """A comparison by one model; a picture takes half a second beside denoising."""
    return job(*(done("a", one - 0.5, load) for one in seconds), environment=environment)


def test_a_comparison_counts_once() -> None:
    (row,) = stored_rows([drawn(1.0, 1.2, 1.4), drawn(2.0), drawn(4.0, 4.0)])
    assert (row.comparisons, row.pictures) == (3, 6)
    assert row.spread.median == pytest.approx(2.0)  # of 1.2, 2.0 and 4.0
    assert row.estimate.low is None


def test_options_that_save_evaluations_do_not_count_as_the_model_s_speed() -> None:
    saving = drawn(0.6)
    saving = replace(saving, request=replace(saving.request, forecast=True))
    (row,) = stored_rows([drawn(1.0), saving])
    assert row.comparisons == 1
    assert row.spread.median == pytest.approx(1.0)


def test_five_comparisons_have_an_interval() -> None:
    (row,) = stored_rows([drawn(seconds) for seconds in (1.0, 1.1, 1.2, 1.3, 1.4)])
    assert row.estimate.low is not None
    assert row.estimate.high is not None
    assert 0.999 < row.estimate.low < 1.2 < row.estimate.high < 1.401


@pytest.mark.parametrize(
    "other",
    [
        {"cpu": {"name": "Another", "count": 2, "quota": 1.5}},
        {"cpu": {"name": "Processor", "count": 4, "quota": 1.5}},
        {"platform": "macOS-26"},
        {"parts": {"emoji-tiny_unet": {"engine": "openvino", "precision": "f32"}}},
        {"threads": 1},
        {"packages": {"openvino": "2026.0"}},
    ],
)
def test_machines_and_engines_are_not_mixed(other: dict[str, Any]) -> None:
    rows = stored_rows([drawn(1.0), drawn(2.0, environment=ENVIRONMENT | other)])
    assert sorted(row.spread.median for row in rows) == pytest.approx([1.0, 2.0])


def test_steps_and_models_are_not_mixed() -> None:
    cell = done("a", 0.5)
    assert cell.result is not None
    longer = replace(cell.result, timings=replace(cell.result.timings, steps=(0.1,) * 5))
    rows = stored_rows([job(cell, replace(cell, result=longer), done("b", 0.5))])
    assert [(row.place.model, row.place.steps) for row in rows] == [("a", 4), ("a", 5), ("b", 4)]


def test_cold_failed_and_undrawn_pictures_do_not_count() -> None:
    assert stored_rows([drawn(1.0, load=3.0), job(Cell("a", Phase.FAILED), refused("a"))]) == ()


def test_old_records_without_a_machine_are_apart() -> None:
    assert (machine_words({}), engine_words({}, "")) == ("unknown", "unknown")
    assert machine_words(ENVIRONMENT) == "Processor, 2 cores, 1.5 granted, Linux-6"
    assert engine_words(ENVIRONMENT, "openvino") == "openvino, bf16, 2 threads, openvino 2025.3, demo 1.0"


def test_the_report_has_the_numbers_of_the_rows() -> None:
    (row,) = stored_report(stored_rows([drawn(1.0, 1.2), drawn(2.0)]))["rows"]
    assert (row["comparisons"], row["pictures"], row["interval"]) == (2, 3, None)
    assert row["median"] == pytest.approx(1.55)
