"""One request and one result as JSON data, for `result.json`, the API and the record inside a PNG.

The schema has a name and a number; a reader should refuse a higher number. New keys keep the number; a changed meaning
needs a new one. Pictures are left out: they are files of their own, and a blocked one must not leave its worker.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from bksdm_demo.records import Request, Result, Timings, Verdict
from bksdm_demo.wording.timing import PHASES

SCHEMA = "bksdm-demo/result"
SCHEMA_VERSION = 1
SECONDS = (*PHASES, "total", "preview")  # the times of a result, by their names in Timings


def request_report(request: Request) -> dict[str, Any]:
    """Return the fields of the request under their own names; see `Request.fields`."""
    return request.fields()


def result_report(result: Result) -> dict[str, Any]:
    """Return the measurements and the verdict of one run. `width` and `height` are in pixels, None if blocked."""
    height, width = result.size or (None, None)
    return {
        "width": width,
        "height": height,
        "verdict": verdict_report(result.verdict),
        "cold": result.timings.cold,
        "seconds": seconds_report(result.timings),
        "step_seconds": [_number(seconds) for seconds in result.timings.steps],
        "cut_off": list(result.truncated),
        "negative_cut_off": list(result.negative_truncated),
        "engine": result.engine,
        "size_bytes": result.size_bytes,
        **({"machine": result.machine} if result.machine else {}),
    }


NO_RESULT: dict[str, Any] = dict.fromkeys(
    (
        "width",
        "height",
        "verdict",
        "cold",
        "seconds",
        "step_seconds",
        "cut_off",
        "negative_cut_off",
        "engine",
        "size_bytes",
    )
)


def verdict_report(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict. A blocked picture has no scores here, because they would help to get around the checker.

    A score of NaN, from a failed checker, becomes None: JSON has no NaN.
    """
    return {
        "blocked": verdict.blocked,
        "reason": verdict.reason,
        "scores": [] if verdict.blocked else [_number(score) for score in verdict.scores],
    }


def seconds_report(timings: Timings) -> dict[str, float | None]:
    """Return the wall-clock seconds of each phase, to the microsecond; None throughout if nothing was drawn."""
    return {phase: _number(getattr(timings, phase)) if timings.drew else None for phase in SECONDS}


def timestamp(seconds: float) -> str:
    """Turn seconds since the epoch into ISO 8601 in UTC, with whole seconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _number(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None
