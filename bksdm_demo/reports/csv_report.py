"""A comparison as CSV (RFC 4180): a row per picture with its settings, its outcome and its measurements.

Made for spreadsheets. The UTF-8 text starts with a byte order mark, because Excel garbles letters without one. A text
that a spreadsheet would run as a formula, perhaps after trimming what one does not see, gets an apostrophe (OWASP, "CSV
Injection"). Programs should read the JSON.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from typing import Any, BinaryIO

from bksdm_demo.languages import ENGLISH, speaking
from bksdm_demo.parameters.result_json import timestamp
from bksdm_demo.records import Cell
from bksdm_demo.reports.json_report import cell_report
from bksdm_demo.reports.material import Material
from bksdm_demo.wording.comparison import saving_facts
from bksdm_demo.wording.timing import drawing_seconds, median_step, timings_of

FORMULA_SIGNS = "=+-@|\N{MINUS SIGN}"  # "|" starts a command of DDE
INVISIBLE = ("Cc", "Cf", "Zl", "Zp", "Zs")  # Unicode's categories of controls, zero-width characters and white space
SECONDS = ("load", "encode", "denoise", "decode", "safety", "total", "preview")
HEADS = (
    "created",
    "prompt",
    "negative_prompt",
    "seed",
    "steps",
    "guidance_scale",
    "scheduler",
    "generator",
    "model",
    "name",
    "outcome",
    "message",
    "blocked",
    "reason",
    "file",
    "width",
    "height",
    "psnr_db",
    "ssim",
    "steps_run",
    *(f"{phase}_seconds" for phase in SECONDS),
    "drawing_seconds",
    "median_step_seconds",
    "step_seconds",
    "cold",
    "engine",
    "precision",
    "size_bytes",
    "unet_parameters",
    "weights",
    "attention",
    "licence",
)


@speaking(ENGLISH)
def write_csv(material: Material, stream: BinaryIO, files: dict[int, str] | None = None) -> None:
    """Write the table. `files` are the file names of pictures beside it, by the index of their cell.

    `psnr_db` and `ssim` compare with the first model's picture of the same seed. `step_seconds` has a semicolon between
    two steps. A field without a value is empty. Options that save evaluations have columns at the end if they are on,
    and so have the machines of a pool.
    """
    text = io.StringIO(newline="")
    machines = ("machine",) if any(cell.result and cell.result.machine for cell in material.job.cells) else ()
    writer = csv.DictWriter(text, (*HEADS, *material.job.request.savings, *machines), extrasaction="ignore")
    writer.writeheader()
    for index in range(len(material.job.cells)):
        row = _row(material, index, (files or {}).get(index))
        writer.writerow({key: _field(value) for key, value in row.items()})
    stream.write(text.getvalue().encode("utf-8-sig", "replace"))


def _row(material: Material, index: int, file: str | None) -> dict[str, Any]:
    job, cell = material.job, material.job.cells[index]
    request, record = job.request_of(index), cell_report(cell, material.names, file)
    verdict, seconds = record["verdict"] or {}, record["seconds"] or {}
    similarity, system = material.similarities.get(index), material.systems.get(cell.model)
    return {
        "created": timestamp(job.created),
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "seed": request.seed,
        "steps": request.steps,
        "guidance_scale": request.guidance_scale,
        "scheduler": request.scheduler,
        "generator": request.generator,
        "model": cell.model,
        "name": record["name"],
        "outcome": record["status"],
        "message": cell.message,
        "blocked": verdict.get("blocked"),
        "reason": verdict.get("reason"),
        "file": file,
        "width": record["width"],
        "height": record["height"],
        "psnr_db": similarity and round(similarity.psnr, 4),
        "ssim": similarity and round(similarity.ssim, 6),
        "steps_run": record["steps"],
        **{f"{phase}_seconds": seconds.get(phase) for phase in SECONDS},
        **_further_seconds(cell),
        "cold": record["cold"],
        "engine": record["engine"],
        "precision": material.precision(index) if cell.result else None,
        "size_bytes": record["size_bytes"] or (system and system.size_bytes),
        "unet_parameters": system and system.unet_parameters,
        "weights": system and system.weights,
        "attention": system and system.attention,
        "licence": system and system.licence,
        **{name: value for name, (_, value) in zip(request.savings, saving_facts(request), strict=True)},
        "machine": cell.result and cell.result.machine,
    }


def _further_seconds(cell: Cell) -> dict[str, Any]:
    timings = timings_of(cell)
    if timings is None:
        return {}
    step = median_step(timings)
    return {
        "drawing_seconds": round(drawing_seconds(timings), 6),
        "median_step_seconds": None if step is None else round(step, 6),
        "step_seconds": ";".join(f"{seconds:.6f}" for seconds in timings.steps),
    }


def _field(value: Any) -> Any:
    """Numbers as they are, booleans as yes or no, None as an empty field, and text made harmless."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, (int, float)):
        return value
    return harmless(str(value))


def harmless(text: str) -> str:
    """The text; with an apostrophe in front if a spreadsheet may run it as a formula.

    After plain spaces that is a sign, in any width or height (NFKC makes "＝", "﹦" and "⁼" a "="), or an invisible
    character, which may hide a sign behind it.
    """
    first = text.lstrip(" ")[:1]
    sign = unicodedata.normalize("NFKC", first)[:1]
    risky = first and (sign in FORMULA_SIGNS or unicodedata.category(first) in INVISIBLE)
    return f"'{text}" if risky else text
