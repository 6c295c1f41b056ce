"""A measurement as JSON and as CSV: every sample of every round, and in the JSON the summary and the machine."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, BinaryIO

from bksdm_demo.evaluation.lab import Measurement, Sample
from bksdm_demo.evaluation.lab_summary import Row, Summary
from bksdm_demo.parameters.result_json import request_report
from bksdm_demo.reports.csv_report import harmless
from bksdm_demo.wording.timing import PHASES, drawing_seconds

SCHEMA = "bksdm-demo/lab"
SCHEMA_VERSION = 1
HEADS = (
    "part",
    "round",
    "place",
    "model",
    "steps",
    "matches",
    "cold",
    *(f"{phase}_seconds" for phase in PHASES),
    "drawing_seconds",
    "step_seconds",
)


def lab_report(
    measurement: Measurement, summary: Summary, environment: Mapping[str, Any], peak_bytes: int | None
) -> dict[str, Any]:
    """Return everything as plain data. Times are in seconds, memory in bytes.

    `samples` are in the order in which they were drawn; their `seconds` are the fields of Timings. An interval is
    [low, high], or None for fewer than 5 rounds. `peak_bytes` is the most memory that the process held, None if
    unknown.
    """
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "request": request_report(measurement.request),
        "reference": measurement.reference,
        "rounds": summary.rounds,
        "rounds_left_out": summary.left_out,
        "warm_up_rounds": summary.warm_up,
        "rows": [_row(row) for row in summary.rows],
        "drift": None if summary.drift is None else {**asdict(summary.drift), "found": summary.drift.found},
        "load_averages": list(measurement.loads),
        "cores": measurement.cores,
        "peak_bytes": peak_bytes,
        "notes": list(summary.sentences),
        "warm_up": [_sample(sample) for sample in measurement.warm_up],
        "samples": [_sample(sample) for sample in measurement.samples],
        "environment": dict(environment),
    }


def _row(row: Row) -> dict[str, Any]:
    interval, ratio = row.estimate, row.ratio
    return {
        **asdict(row.variant),
        "drawing": {**asdict(row.drawing), "interval": _interval(interval.low, interval.high)},
        "phases": {phase: asdict(found) for phase, found in row.phases.items()},
        "speed": ratio and {"ratio": ratio.value, "interval": _interval(ratio.low, ratio.high), "rounds": ratio.count},
        "line": asdict(row.line),
        "cold": row.cold and asdict(row.cold),
        "memory_bytes": row.memory,
    }


def _interval(low: float | None, high: float | None) -> list[float] | None:
    return None if low is None or high is None else [low, high]


def _sample(sample: Sample) -> dict[str, Any]:
    timings = asdict(sample.timings)
    step_seconds = timings.pop("steps")
    place = {"round": sample.round, "place": sample.place}
    return {**asdict(sample.variant), **place, "seconds": timings, "step_seconds": step_seconds}


def write_json(record: Mapping[str, Any], stream: BinaryIO) -> None:
    stream.write((json.dumps(record, indent=2, allow_nan=False) + "\n").encode())


def write_samples(measurement: Measurement, stream: BinaryIO) -> None:
    """Write a row per sample, those of the warm-up first. Lists have a semicolon between two values."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, HEADS)
    writer.writeheader()
    for part, samples in (("warm-up", measurement.warm_up), ("rounds", measurement.samples)):
        writer.writerows({"part": part, **_fields(sample)} for sample in samples)
    stream.write(text.getvalue().encode("utf-8-sig", "replace"))


def _fields(sample: Sample) -> dict[str, Any]:
    timings = sample.timings
    return {
        "round": sample.round,
        "place": sample.place,
        "model": harmless(sample.variant.model),
        "steps": sample.variant.steps,
        "matches": harmless(";".join(sample.variant.matches)),
        "cold": "yes" if timings.cold else "no",
        **{f"{phase}_seconds": round(getattr(timings, phase), 6) for phase in PHASES},
        "drawing_seconds": round(drawing_seconds(timings), 6),
        "step_seconds": ";".join(f"{seconds:.6f}" for seconds in timings.steps),
    }
