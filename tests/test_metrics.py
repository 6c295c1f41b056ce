"""The figures: parsed by prometheus_client's own parser after comparisons whose counts are known."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bksdm_demo.engines.child.pool import ProcessCounts
from bksdm_demo.errors import EngineError
from bksdm_demo.metrics import Metrics
from bksdm_demo.records import Request
from bksdm_demo.start import Services
from bksdm_demo.store.contract import StoreError
from tests.fakes import BLOCKED_WORD, FAMILY, REFUSED_WORD, fake_background, fake_comparisons

ROOT = Path(__file__).parents[1]
STEPS = 3
MODEL = FAMILY[0]


def figures(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Every sample by its name and its labels' values in alphabetical order of the labels."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_document_lists_every_figure(tmp_path: Path) -> None:
    metrics = Metrics()
    made = services(tmp_path, metrics)
    try:
        run(made, "red apple")
        names = {family.name for family in text_string_to_metric_families(metrics.text().decode())}
    finally:
        made.close()
    listed = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    own = {name for name in names if name.startswith("bksdm_")}
    assert len(own) > 15
    assert {name for name in own if f"`{name}" not in listed} == set()


def services(folder: Path, metrics: Metrics, **options: dict[str, object]) -> Services:
    comparisons = fake_comparisons(folder, options, meter=metrics)
    made = Services(comparisons.catalog, comparisons.cache, comparisons, fake_background(comparisons))
    metrics.watch(made)
    return made


def run(made: Services, prompt: str, model: str = MODEL) -> None:
    job = made.comparisons.submit(Request(prompt, steps=STEPS), [model])
    *_, _ended = made.comparisons.watch(job.id)
    made.comparisons.star(job.id, False)


def test_comparisons_are_counted(tmp_path: Path) -> None:
    metrics = Metrics()
    made = services(tmp_path, metrics, small_unet={"failure": EngineError("It broke.")})
    try:
        for prompt in ("red apple", "blue apple", BLOCKED_WORD, REFUSED_WORD):
            run(made, prompt)
        run(made, "red apple", FAMILY[2])
        seen = figures(metrics)
    finally:
        made.close()
    verdicts = {"shown": 2, "blocked_by_checker": 1, "blocked_by_prompt_gate": 1}
    assert {verdict: seen["bksdm_pictures_total", MODEL, verdict] for verdict in verdicts} == verdicts
    assert seen["bksdm_pictures_total", FAMILY[2], "failed"] == 1
    assert seen["bksdm_unet_evaluations_total", MODEL] == 3 * STEPS
    assert seen["bksdm_queue_wait_seconds_count",] == 5
    counts = {phase: seen["bksdm_phase_seconds_count", MODEL, phase] for phase in ("encode", "safety", "total")}
    assert counts == {"encode": 4, "safety": 4, "total": 4}
    assert [seen["bksdm_phase_seconds_count", MODEL, phase] for phase in ("denoise", "decode", "load")] == [3, 3, 1]
    assert seen["bksdm_phase_seconds_sum", MODEL, "total"] >= seen["bksdm_phase_seconds_sum", MODEL, "denoise"] > 0


def test_the_state_is_read_at_each_scrape(tmp_path: Path) -> None:
    metrics = Metrics()
    made = services(tmp_path, metrics)
    try:
        before = figures(metrics)
        run(made, "red apple")
        run(made, "red apple")
        after = figures(metrics)
        cache, usage = made.cache.state(), made.comparisons.usage()
    finally:
        made.close()
    assert (before["bksdm_cache_loads_total",], before["bksdm_store_comparisons",]) == (0, 0)
    assert after["bksdm_cache_loads_total",] == cache.loads == 4
    assert after["bksdm_cache_hits_total",] == cache.hits == 4
    assert after["bksdm_cache_evictions_total",] == 0
    assert after["bksdm_cache_bytes",] == cache.bytes > 0
    assert after["bksdm_cache_budget_bytes",] == 1_000_000
    assert (after["bksdm_store_comparisons",], after["bksdm_store_bytes",]) == (2, usage.bytes)
    assert (after["bksdm_queue_length",], after["bksdm_draining",]) == (0, 0)
    assert figures(metrics)["bksdm_draining",] == 1


def test_a_store_that_fails_leaves_only_its_own_figures_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise StoreError("The disk is full.")

    metrics = Metrics()
    made = services(tmp_path, metrics)
    try:
        monkeypatch.setattr(made.comparisons, "usage", fail)
        seen = figures(metrics)
    finally:
        made.close()
    assert ("bksdm_cache_bytes",) in seen
    assert ("bksdm_store_bytes",) not in seen


def test_processes_of_parts_are_counted(tmp_path: Path) -> None:
    class Pool:
        def counts(self) -> ProcessCounts:
            return ProcessCounts((os.getpid(), 2**30), started=5, died=2)

        def close(self) -> None:
            pass

    metrics = Metrics()
    comparisons = fake_comparisons(tmp_path)
    parts = (comparisons.catalog, comparisons.cache, comparisons, fake_background(comparisons))
    made = Services(*parts, processes=Pool())  # type: ignore[arg-type]
    metrics.watch(made)
    try:
        seen = figures(metrics)
    finally:
        made.close()
    started, died = seen["bksdm_part_processes_started_total",], seen["bksdm_part_processes_died_total",]
    assert (started, died, seen["bksdm_part_processes",]) == (5, 2, 2)
    if sys.platform == "linux":  # of a process that is gone, nothing is counted
        assert seen["bksdm_part_processes_resident_bytes",] > 1e6
        assert seen["process_resident_memory_bytes",] > 1e6


def test_problems_in_the_log_are_counted_by_place() -> None:
    metrics = Metrics()
    handler = metrics.handler()
    loggers = [logging.getLogger(name) for name in ("bksdm_demo.test_metrics", "other_library.inside")]
    for logger in loggers:
        logger.propagate = False
        logger.addHandler(handler)
    try:
        for logger in loggers:
            logger.info("not counted")
            logger.warning("counted")
        loggers[0].error("counted")
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
    counted = {key[1:]: value for key, value in figures(metrics).items() if key[0] == "bksdm_log_problems_total"}
    assert counted == {
        ("warning", "bksdm_demo.test_metrics"): 1,
        ("error", "bksdm_demo.test_metrics"): 1,
        ("warning", "other_library"): 1,
    }
