"""Records to JSON text and back, for the store: complete, so that a stored timing reads as it was measured.

Numbers keep every digit. Leaves out pixels, previews and `earlier`: the store holds final cells, and their pictures are
files. Only the store reads this text; reports/json_report.py writes the JSON that others may read.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from bksdm_demo.records import Cell, Job, Phase, Request, Result, Timings, Verdict


def job_text(job: Job) -> str:
    """The fields that all cells of a job share, as JSON."""
    return _text({"request": asdict(job.request), "preview_every": job.preview_every})


def job_fields(text: str) -> dict[str, Any]:
    """`request` and `preview_every` from `job_text`. Raises ValueError, KeyError or TypeError for anything else."""
    read = json.loads(text)
    return {"request": Request(**read["request"]), "preview_every": int(read["preview_every"])}


def cell_text(cell: Cell) -> str:
    """A cell without its picture, as JSON."""
    record = {
        "model": cell.model,
        "seed": cell.seed,
        "phase": cell.phase.value,
        "step": cell.step,
        "steps": cell.steps,
        "message": cell.message,
        "result": None if cell.result is None else _result(cell.result),
    }
    return _text(record)


def read_cell(text: str, request: Request) -> Cell:
    """The cell from `cell_text`. `request` is its job's. Raises as `job_fields` does."""
    read = json.loads(text)
    result = read.pop("result")
    read["phase"] = Phase(read["phase"])
    if result is not None:
        result = _read_result(result, Request(**{**asdict(request), "seed": read["seed"]}))
    return Cell(**read, result=result)


def environment_text(environment: Any) -> str:
    return _text(dict(environment))


def _text(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"))  # ASCII: a lone surrogate in a prompt survives as its escape


def _result(result: Result) -> dict[str, Any]:
    """Every field but the pixels and the request: that is the job's with the cell's seed."""
    return {
        "model": result.model,
        "verdict": asdict(result.verdict),
        "timings": asdict(result.timings),
        "cut_off": result.truncated,
        "engine": result.engine,
        "size_bytes": result.size_bytes,
        "stored_size": result.size,
    }


def _read_result(read: dict[str, Any], request: Request) -> Result:
    verdict, timings, size = read.pop("verdict"), read.pop("timings"), read.pop("stored_size")
    truncated = read.pop("cut_off")  # stored under the name that earlier versions gave it
    return Result(
        **read,
        request=request,
        truncated=tuple(truncated),
        verdict=Verdict(verdict["blocked"], verdict["reason"], tuple(verdict["scores"])),
        timings=Timings(**{**timings, "steps": tuple(timings["steps"])}),
        stored_size=None if size is None else (int(size[0]), int(size[1])),
    )
