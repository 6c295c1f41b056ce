"""Times from stored comparisons: per model, steps, machine and engine, never mixed. Warm pictures only, and none that
were drawn with options that save evaluations.

The pictures of one comparison share its hour, so they count as one sample: the median of a comparison, and then the
median over comparisons with its interval. These runs were not interleaved by design, and other programs may have run.
They say what visitors waited; for a speed against another model, measure with the lab.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from bksdm_demo.environment import unet_precisions
from bksdm_demo.evaluation.statistics import Estimate, Spread, median_estimate, spread
from bksdm_demo.records import Cell, Job
from bksdm_demo.wording.comparison import plural
from bksdm_demo.wording.timing import drawing_seconds, timings_of

UNKNOWN = "unknown"
RUNTIMES = ("openvino", "coremltools")


@dataclass(frozen=True, order=True)
class Place:
    """What times may share a median: one model with its steps, on one machine, with one engine and its versions."""

    machine: str
    engine: str
    model: str
    steps: int


@dataclass(frozen=True)
class StoredRow:
    """The drawing seconds of one place: over comparisons, each of which counts once."""

    place: Place
    spread: Spread
    estimate: Estimate
    comparisons: int
    pictures: int


def stored_rows(jobs: Iterable[Job]) -> tuple[StoredRow, ...]:
    """Return a row per place, in the order of machine, engine, model and steps."""
    found: dict[Place, list[list[float]]] = {}
    for job in jobs:
        if job.request.savings:
            continue
        own: dict[Place, list[float]] = {}
        for cell in job.cells:
            timings = timings_of(cell)
            if timings is not None and not timings.cold:
                own.setdefault(_place(job, cell), []).append(drawing_seconds(timings))
        for place, seconds in own.items():
            found.setdefault(place, []).append(seconds)
    return tuple(_row(place, found[place]) for place in sorted(found))


def machine_words(environment: Mapping[str, Any]) -> str:
    """ "AMD EPYC 7B13, 2 cores, 1 granted, Linux-6.1"; "unknown" for a record without a machine."""
    cpu = environment.get("cpu") or {}
    cores, quota = cpu.get("count"), cpu.get("quota")
    facts = (
        cpu.get("name"),
        plural(cores, "core") if isinstance(cores, int) else "",
        f"{quota:g} granted" if isinstance(quota, (int, float)) else "",
        environment.get("platform"),
    )
    return ", ".join(str(fact) for fact in facts if fact) or UNKNOWN


def engine_words(environment: Mapping[str, Any], engine: str) -> str:
    """ "openvino, bf16, 2 threads, openvino 2025.3, demo 1.0"."""
    packages, threads = environment.get("packages") or {}, environment.get("threads")
    precisions = unet_precisions(environment) or (environment.get("precision"),)
    facts = (
        engine or environment.get("engine"),
        "/".join(str(precision) for precision in precisions if precision),
        plural(threads, "thread") if isinstance(threads, int) else "",
        *(f"{name} {packages[name]}" for name in RUNTIMES if packages.get(name)),
        environment.get("demo_version") and f"demo {environment['demo_version']}",
    )
    return ", ".join(str(fact) for fact in facts if fact) or UNKNOWN


def stored_report(rows: Iterable[StoredRow]) -> dict[str, Any]:
    """Return the rows as plain data: seconds; an interval is None below 5 comparisons."""
    return {
        "schema": "bksdm-demo/stored-times",
        "schema_version": 1,
        "rows": [
            {
                "model": row.place.model,
                "steps": row.place.steps,
                "machine": row.place.machine,
                "engine": row.place.engine,
                "comparisons": row.comparisons,
                "pictures": row.pictures,
                "median": row.spread.median,
                "quartiles": [row.spread.low, row.spread.high],
                "interval": None if row.estimate.low is None else [row.estimate.low, row.estimate.high],
            }
            for row in rows
        ],
    }


def _place(job: Job, cell: Cell) -> Place:
    assert cell.result is not None, "a timed cell has a result"
    engine = engine_words(job.environment, cell.result.engine)
    return Place(machine_words(job.environment), engine, cell.model, len(cell.result.timings.steps))


def _row(place: Place, comparisons: list[list[float]]) -> StoredRow:
    medians = [median(seconds) for seconds in comparisons]
    pictures = sum(len(seconds) for seconds in comparisons)
    return StoredRow(place, spread(medians), median_estimate(medians), len(comparisons), pictures)
