"""Comparisons, systems and packages as plain data for JSON: `result.json` and every `--json` answer.

parameters/result_json.py has the schema numbers, and the records that the metadata of pictures shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from bksdm_demo.languages import ENGLISH, speaking
from bksdm_demo.library.catalog import System
from bksdm_demo.library.sharing import Sharing
from bksdm_demo.parameters.result_json import (
    NO_RESULT,
    SCHEMA,
    SCHEMA_VERSION,
    request_report,
    result_report,
    timestamp,
)
from bksdm_demo.records import Cell, Job
from bksdm_demo.store.contract import Page

SYSTEMS_SCHEMA = "bksdm-demo/models"
PACKAGES_SCHEMA = "bksdm-demo/packages"
HISTORY_SCHEMA = "bksdm-demo/history"
NOTHING_SHARED = Sharing()
_OFFERED = (
    "key", "name", "family", "available", "reason", "licence", "unet_parameters", "size_bytes", "steps",
    "guidance_scale", "scheduler",
)  # fmt: skip
_SYSTEM_FACTS = tuple(
    field.name for field in fields(System) if field.name not in ("folder", "shared", "parts", "availability")
)


@speaking(ENGLISH)
def job_report(
    job: Job,
    names: Mapping[str, str],
    files: Mapping[int, str],
    environment: Mapping[str, Any],
    contact_sheet: str | None = None,
) -> dict[str, Any]:
    """A whole comparison. `models` has an entry per cell: all models of the first seed, then of the next.

    `names` maps model keys to display names, `files` indexes of cells to picture file names.
    """
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "created": timestamp(job.created),
        "request": request_report(job.request),
        "seeds": list(job.seeds),
        "models": [cell_report(cell, names, files.get(index)) for index, cell in enumerate(job.cells)],
        "contact_sheet": contact_sheet,
        "environment": dict(environment),
    }


def systems_report(systems: Sequence[System], sharing: Sharing = NOTHING_SHARED) -> dict[str, Any]:
    """The systems and their shared parts for `models --json`; counts are numbers of weights, sizes are bytes."""
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
    """Every plain fact of a system, and the folder of its parts."""
    facts = {name: getattr(system, name) for name in _SYSTEM_FACTS}
    return {**facts, "availability": system.availability.value, "folder": str(system.folder)}


def offers_report(systems: Sequence[System]) -> list[dict[str, Any]]:
    """What a program needs to choose among the systems; no folder of this machine."""
    return [{name: getattr(system, name) for name in _OFFERED} for system in systems]


def history_report(page: Page) -> dict[str, Any]:
    """Some stored comparisons for `history --json`, with the outcomes in the order of the cells.

    `unreadable` are the ids of those among them whose record cannot be read.
    """
    return {
        "schema": HISTORY_SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "total": page.total,
        "comparisons": [
            {
                "id": job.id,
                "created": timestamp(job.created),
                "request": request_report(job.request),
                "models": list(job.models),
                "seeds": list(job.seeds),
                "statuses": [cell.phase.value for cell in job.cells],
                "starred": job.starred,
            }
            for job in page.jobs
        ],
        "unreadable": [lost.id for lost in page.unreadable],
    }


def packages_report(packages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The facts of packages for `inspect --json`."""
    return {
        "schema": PACKAGES_SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "packages": [dict(facts) for facts in packages],
    }


def cell_report(cell: Cell, names: Mapping[str, str], file: str | None) -> dict[str, Any]:
    """The outcome of one cell. Without a result, the fields of a result are None.

    `steps` counts the denoising steps that ran, even if the run was stopped.
    """
    result = cell.result
    return {
        "model": cell.model,
        "name": names.get(cell.model, cell.model),
        "seed": cell.seed,
        "status": cell.phase.value,
        "message": cell.message,
        "file": file,
        "steps": len(result.timings.steps) if result else cell.step,
        **(result_report(result) if result else NO_RESULT),
    }
