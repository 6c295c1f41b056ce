"""Records as plain data for JSON: the contents of `result.json`, of a picture's metadata and of every `--json` answer.

The schema is named and numbered; a reader should refuse a higher number. Grows by adding keys; a changed meaning
needs a new number. Leaves out pictures: a blocked one must not travel, and the others are files of their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from bksdm_demo.library.catalog import System
from bksdm_demo.library.sharing import Sharing
from bksdm_demo.records import Column, Job, Request, Result, Timings, Verdict

SCHEMA = "bksdm-demo/result"
SYSTEMS_SCHEMA = "bksdm-demo/models"
PACKAGES_SCHEMA = "bksdm-demo/packages"
HISTORY_SCHEMA = "bksdm-demo/history"
SCHEMA_VERSION = 1
PHASES = ("load", "encode", "denoise", "decode", "safety", "total", "preview")
NOTHING_SHARED = Sharing()
_SYSTEM_FACTS = tuple(
    field.name for field in fields(System) if field.name not in ("folder", "shared", "parts", "availability")
)


def job_report(
    job: Job,
    names: Mapping[str, str],
    files: Mapping[int, str],
    environment: Mapping[str, Any],
    contact_sheet: str | None = None,
) -> dict[str, Any]:
    """A whole comparison, an entry under `models` for each column: model by model, seed after seed.

    `names` maps model keys to display names, `files` indexes of columns to picture file names.
    """
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "created": timestamp(job.created),
        "request": request_report(job.request),
        "seeds": list(job.seeds),
        "models": [column_report(column, names, files.get(index)) for index, column in enumerate(job.columns)],
        "contact_sheet": contact_sheet,
        "environment": dict(environment),
    }


def systems_report(systems: Sequence[System], sharing: Sharing = NOTHING_SHARED) -> dict[str, Any]:
    """The catalogue and what its systems share for `models --json`; counts are numbers of weights, sizes bytes."""
    return {
        "schema": SYSTEMS_SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "models": [system_report(system) for system in systems],
        "sharing": {
            "disk_bytes": sharing.disk_bytes,
            "separate_bytes": sharing.separate_bytes,
            "parts": [{**asdict(part), "saved_bytes": part.saved_bytes} for part in sharing.parts],
        },
    }


def system_report(system: System) -> dict[str, Any]:
    """Every plain fact of a system; of its parts only the folder."""
    facts = {name: getattr(system, name) for name in _SYSTEM_FACTS}
    return {**facts, "availability": system.availability.value, "folder": str(system.folder)}


def history_report(jobs: Sequence[Job], total: int) -> dict[str, Any]:
    """Some of `total` kept comparisons, with the outcome of each picture in the job's order, for `history --json`."""
    return {
        "schema": HISTORY_SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "total": total,
        "comparisons": [
            {
                "id": job.id,
                "created": timestamp(job.created),
                "request": request_report(job.request),
                "models": list(job.models),
                "seeds": list(job.seeds),
                "statuses": [column.phase.value for column in job.columns],
                "starred": job.starred,
            }
            for job in jobs
        ],
    }


def packages_report(packages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The facts of packages for `inspect --json`."""
    return {
        "schema": PACKAGES_SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "packages": [dict(facts) for facts in packages],
    }


def request_report(request: Request) -> dict[str, Any]:
    """Every field of the request under its own name."""
    return asdict(request)


def column_report(column: Column, names: Mapping[str, str], file: str | None) -> dict[str, Any]:
    """One model's outcome; everything a result would say is None where there is no result.

    `steps` counts the denoising steps really run, also when the run was stopped.
    """
    result = column.result
    return {
        "model": column.model,
        "name": names.get(column.model, column.model),
        "seed": column.seed,
        "status": column.phase.value,
        "message": column.message,
        "file": file,
        "steps": len(result.timings.steps) if result else column.step,
        **(result_report(result) if result else _NO_RESULT),
    }


def result_report(result: Result) -> dict[str, Any]:
    """What one run measured and decided; `width` and `height` are pixels, None for a blocked picture."""
    height, width = result.size or (None, None)
    return {
        "width": width,
        "height": height,
        "verdict": verdict_report(result.verdict),
        "cold": result.timings.cold,
        "seconds": seconds_report(result.timings),
        "step_seconds": [_number(seconds) for seconds in result.timings.steps],
        "cut_off": list(result.cut_off),
        "engine": result.engine,
        "size_bytes": result.size_bytes,
    }


_NO_RESULT: dict[str, Any] = dict.fromkeys(
    ("width", "height", "verdict", "cold", "seconds", "step_seconds", "cut_off", "engine", "size_bytes")
)


def verdict_report(verdict: Verdict) -> dict[str, Any]:
    """A score that is not a number (a failed checker) becomes None: JSON has no NaN."""
    return {
        "blocked": verdict.blocked,
        "reason": verdict.reason,
        "scores": [_number(score) for score in verdict.scores],
    }


def seconds_report(timings: Timings) -> dict[str, float | None]:
    """Wall-clock seconds of each phase, to the microsecond."""
    return {phase: _number(getattr(timings, phase)) for phase in PHASES}


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, whole seconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _number(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None
