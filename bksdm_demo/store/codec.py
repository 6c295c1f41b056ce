"""Records to JSON text and back, for the store: complete, so that a stored timing reads as it was measured.

Numbers keep every digit. Leaves out pixels, previews and `earlier`: the store holds final cells, and their pictures are
files. Only the store reads this text; reports/json_report.py writes the JSON that others may read.

Reading trusts nothing: each value has the type of its field, and each text is `repaired`, or the record is refused. So
whoever gets a stored job can show it.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields
from typing import Any

from bksdm_demo.errors import RequestError
from bksdm_demo.records import Cell, Job, Phase, Request, Result, Timings, Verdict, repaired

UNREADABLE = (ValueError, LookupError, TypeError, OverflowError, RecursionError, RequestError)
LARGEST = 2**53  # of a whole number: bytes, pixels, steps
LONGEST = 1e9  # seconds of one phase


def job_text(job: Job) -> str:
    """The fields that all cells of a job share, as JSON."""
    record = {"request": job.request.fields(), "preview_every": job.preview_every}
    return _text({**record, "by_seed": True} if job.by_seed else record)


def job_fields(text: str) -> dict[str, Any]:
    """The fields from `job_text`. All readers here raise one of UNREADABLE for anything else."""
    read = _read(text)
    return {
        "request": Request(**read["request"]),
        "preview_every": _whole(read["preview_every"]),
        "by_seed": _flag(read.get("by_seed", False)),
    }


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
    """The cell from `cell_text`. `request` is its job's."""
    read = _read(text)
    own = Request(**{**asdict(request), "seed": read["seed"]})
    return Cell(
        model=_string(read["model"]),
        seed=own.seed,
        phase=Phase(read["phase"]),
        step=_whole(read["step"]),
        steps=_whole(read["steps"]),
        message=_string(read["message"]),
        result=None if read["result"] is None else _read_result(read["result"], own),
    )


def environment_text(environment: Any) -> str:
    return _text(dict(environment))


def read_environment(text: str) -> dict[str, Any]:
    """The environment from `environment_text`, with everything inside that reports look up."""
    read = _read(text)
    for name in ("cpu", "packages", "parts"):
        if not isinstance(read.get(name) or {}, dict):
            raise TypeError(f"{name} is no object")
    if not isinstance(read.get("pool", []), list):
        raise TypeError("pool is no list")
    if not all(isinstance(part, dict) for part in (read.get("parts") or {}).values()):
        raise TypeError("parts has a part that is no object")
    return read


def _text(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"))  # ASCII, which SQLite takes whatever the record says


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
        "negative_cut_off": result.negative_truncated,
        **({"machine": result.machine} if result.machine else {}),
    }


def _read_result(read: dict[str, Any], request: Request) -> Result:
    verdict, size = read["verdict"], read["stored_size"]
    return Result(
        model=_string(read["model"]),
        request=request,
        verdict=Verdict(
            _flag(verdict["blocked"]), _string(verdict["reason"]), tuple(_number(score) for score in verdict["scores"])
        ),
        timings=_timings(read["timings"]),
        truncated=tuple(_string(word) for word in read["cut_off"]),  # under the name that earlier versions gave it
        engine=_string(read["engine"]),
        size_bytes=_whole(read["size_bytes"]),
        stored_size=None if size is None else (_whole(size[0]), _whole(size[1])),
        negative_truncated=tuple(_string(word) for word in read.get("negative_cut_off", ())),  # not in earlier records
        machine=_string(read.get("machine", "")),
    )


def _timings(read: dict[str, Any]) -> Timings:
    """Fields that an earlier version did not have keep their defaults."""
    values: dict[str, Any] = {"steps": tuple(_seconds(second) for second in read["steps"])}
    known = {field.name for field in fields(Timings)} - set(values)
    for name in known & set(read):
        values[name] = _flag(read[name]) if name == "cold" else _seconds(read[name])
    return Timings(**values)


def _read(text: str) -> dict[str, Any]:
    read = _repaired(json.loads(text))
    if not isinstance(read, dict):
        raise TypeError(f"a record is an object, not {type(read).__name__}")
    return read


def _repaired(value: Any) -> Any:
    if isinstance(value, str):
        return repaired(value)
    if isinstance(value, list):
        return [_repaired(item) for item in value]
    if isinstance(value, dict):
        return {repaired(key): _repaired(item) for key, item in value.items()}
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.60} is neither true nor false")
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < LARGEST:
        raise TypeError(f"{value!r:.60} is no count")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r:.60} is no number")
    return float(value)


def _seconds(value: object) -> float:
    seconds = _number(value)
    if not math.isfinite(seconds) or abs(seconds) > LONGEST:
        raise ValueError(f"{seconds} is no time that a phase takes")
    return seconds
