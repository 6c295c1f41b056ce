"""The page's figures for Prometheus: counts what happens, and reads the state of all services at each scrape.

docs/operating.md lists every metric. Each `Metrics` has a registry of its own, so that several services can run in one
process. Figures of processes come from /proc and are missing where there is none.
"""

from __future__ import annotations

import logging
from collections import Counter as Counts
from collections.abc import Iterator
from contextlib import suppress

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

import bksdm_demo
from bksdm_demo.environment import resident_bytes
from bksdm_demo.errors import DemoError
from bksdm_demo.records import Cell, Phase
from bksdm_demo.start import Services

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # upper ends of the histograms' buckets
disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which says only when it began
PHASES = ("encode", "denoise", "decode", "safety", "total")


class Metrics:
    """A Meter that counts for Prometheus. `watch` adds the services, `handler` counts problems in the log."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._waits = Histogram(
            "bksdm_queue_wait_seconds", "Seconds that a comparison waited", registry=self.registry, buckets=SECONDS
        )
        self._evaluations = Counter(
            "bksdm_unet_evaluations",
            "Runs of a U-Net for both halves of guidance; one half alone is 0.5, a forecast step 0",
            ["model"],
            registry=self.registry,
        )
        self._phases = Histogram(
            "bksdm_phase_seconds",
            "Seconds of each phase of a picture; load only where a part had to be loaded",
            ["phase", "model"],
            registry=self.registry,
            buckets=SECONDS,
        )
        self._pictures = Counter(
            "bksdm_pictures", "Pictures that ended, by verdict", ["verdict", "model"], registry=self.registry
        )
        self._problems = Counter(
            "bksdm_log_problems", "Warnings and errors in the log", ["level", "logger"], registry=self.registry
        )
        Info("bksdm_demo", "The version of the demo", registry=self.registry).info({"version": bksdm_demo.__version__})
        ProcessCollector(registry=self.registry)

    def watch(self, services: Services) -> None:
        """Read the state of these services at each scrape."""
        self.registry.register(_State(services))

    def handler(self) -> logging.Handler:
        """A handler for the root logger."""
        return _Problems(self._problems)

    def text(self) -> bytes:
        """All figures in Prometheus's text format, whose type is CONTENT_TYPE."""
        return generate_latest(self.registry)

    # --- Meter -------------------------------------------------------------------------------------------------------

    def began(self, waited: float) -> None:
        self._waits.observe(waited)

    def evaluated(self, model: str, evaluations: float) -> None:
        self._evaluations.labels(model).inc(evaluations)

    def ended(self, cell: Cell) -> None:
        self._pictures.labels(verdict_of(cell), cell.model).inc()
        timings = None if cell.result is None else cell.result.timings
        if timings is None:
            return
        drew = bool(timings.steps)
        for phase in (*(("load",) if timings.cold else ()), *PHASES):
            if drew or phase not in ("denoise", "decode"):
                self._phases.labels(phase, cell.model).observe(getattr(timings, phase))


def verdict_of(cell: Cell) -> str:
    """Say in one word how a final picture ended. The gate on the prompt blocks before the first step."""
    if cell.phase is Phase.DONE:
        return "shown"
    if cell.phase is Phase.BLOCKED and cell.result is not None:
        return "blocked_by_checker" if cell.result.timings.steps else "blocked_by_prompt_gate"
    return cell.phase.value


class _Problems(logging.Handler):
    """Counts warnings and errors by the module that logged them; libraries by their name alone."""

    def __init__(self, counter: Counter) -> None:
        super().__init__(logging.WARNING)
        self._counter = counter

    def emit(self, record: logging.LogRecord) -> None:
        package = record.name.partition(".")[0]
        place = record.name if package == bksdm_demo.__name__ else package
        self._counter.labels(record.levelname.lower(), place).inc()


class _State(Collector):
    """What the services hold now. A service that cannot answer leaves its figures out."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        yield from self._queue()
        yield from self._cache()
        yield from self._processes()
        yield from self._pool()
        with suppress(DemoError):
            yield from self._store()

    def _queue(self) -> Iterator[Metric]:
        comparisons = self._services.comparisons
        waiting = comparisons.waiting
        yield GaugeMetricFamily("bksdm_queue_length", "Comparisons that wait", len(waiting))
        yield GaugeMetricFamily(
            "bksdm_queue_longest_wait_seconds", "Seconds that the longest waiting comparison has waited",
            max(waiting, default=0.0),
        )  # fmt: skip
        yield GaugeMetricFamily("bksdm_busy", "1 while a comparison waits or runs", comparisons.busy)
        yield GaugeMetricFamily("bksdm_draining", "1 after a signal to end", comparisons.draining)

    def _cache(self) -> Iterator[Metric]:
        state = self._services.cache.state()
        yield CounterMetricFamily("bksdm_cache_hits", "Parts that a lease found loaded", value=state.hits)
        yield CounterMetricFamily("bksdm_cache_loads", "Parts that had to be loaded", value=state.loads)
        yield CounterMetricFamily("bksdm_cache_evictions", "Parts that were unloaded", value=state.evictions)
        yield GaugeMetricFamily("bksdm_cache_parts", "Loaded parts", len(state.parts))
        yield GaugeMetricFamily("bksdm_cache_bytes", "Memory of loaded parts, as their engines expect it", state.bytes)
        yield GaugeMetricFamily("bksdm_cache_budget_bytes", "Memory that loaded parts may take", state.budget_bytes)

    def _processes(self) -> Iterator[Metric]:
        processes = self._services.processes
        if processes is None:
            return
        counts = processes.counts()
        yield CounterMetricFamily("bksdm_part_processes_started", "Processes of parts started", value=counts.started)
        yield CounterMetricFamily(
            "bksdm_part_processes_died", "Processes of parts that crashed or took too long", value=counts.died
        )
        yield GaugeMetricFamily("bksdm_part_processes", "Living processes of parts", len(counts.living))
        sizes = [size for pid in counts.living if (size := resident_bytes(pid)) is not None]
        if sizes:
            yield GaugeMetricFamily("bksdm_part_processes_resident_bytes", "Resident memory of them", sum(sizes))

    def _pool(self) -> Iterator[Metric]:
        """What the workers said last. Their names are no labels: a worker gets a new one at each start."""
        if self._services.pool is None:
            return
        living = self._services.pool.roster.living()
        yield GaugeMetricFamily("bksdm_pool_workers", "Workers that answer", len(living))
        yield GaugeMetricFamily(
            "bksdm_pool_draining", "Those that take no orders", sum(beat.draining for beat in living)
        )
        yield GaugeMetricFamily(
            "bksdm_pool_places", "Pictures that they can draw at a time", sum(b.places for b in living)
        )
        yield GaugeMetricFamily("bksdm_pool_busy", "Pictures that they draw now", sum(beat.busy for beat in living))
        warm = GaugeMetricFamily("bksdm_pool_warm", "Workers that have a model loaded", labels=["model"])
        for key, workers in Counts(o.system.key for beat in living for o in beat.offers if o.warm).items():
            warm.add_metric([key], workers)
        yield warm

    def _store(self) -> Iterator[Metric]:
        usage = self._services.comparisons.usage()
        yield GaugeMetricFamily("bksdm_store_comparisons", "Stored comparisons", usage.jobs)
        yield GaugeMetricFamily("bksdm_store_bytes", "Bytes of stored comparisons", usage.bytes)
        yield GaugeMetricFamily("bksdm_store_quota_bytes", "Bytes that they may take", usage.retention.quota_bytes)
