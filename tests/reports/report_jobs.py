"""Hand-made comparisons for the tests of reports, with every outcome."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.prompt_gate import PROMPT_BLOCKED
from bksdm_demo.errors import RequestError
from bksdm_demo.library.catalog import System
from bksdm_demo.parameters.png_writer import encode_png
from bksdm_demo.records import Cell, Job, Phase, Request, Result, Timings, Verdict
from bksdm_demo.reports.formats import make_material, write_report
from bksdm_demo.reports.material import Material

SIDE = 16  # pixels of a test picture
MODELS = ("emoji-original", "emoji-base", "emoji-small", "emoji-tiny")
CREATED = 1_795_416_000.0  # 2026-11-23 06:40:00 UTC
ENVIRONMENT = {
    "demo_version": "0.1.0",
    "engine": "openvino",
    "precision": "auto",
    "cpu": {"name": "A processor", "count": 2, "quota": None},
    "memory_bytes": 16_000_000_000,
    "platform": "Linux",
    "python": "3.11.7",
    "implementation": "CPython",
    "packages": {"numpy": "2.3.5", "gradio": None},
    "parts": {"emoji-base_unet": {"engine": "openvino", "precision": "bf16"}},
}
SECRET = 211  # the colour of a picture that no report may contain


def picture(index: int) -> NDArray:
    """Noise, different for every cell."""
    return np.random.RandomState(index).randint(0, 200, (SIDE, SIDE, 3)).astype(np.uint8)


def timings(index: int = 0, **changes: Any) -> Timings:
    made = Timings(1.5, 0.01, 0.3 + index / 10, 0.1, 0.05, 1.96 + index / 10, (0.1, 0.12, 0.08), cold=index < 4)
    return replace(made if made.cold else replace(made, load=0.0), **changes)


def done(index: int, model: str, seed: int, request: Request) -> Cell:
    result = Result(
        model, replace(request, seed=seed), Verdict(False), timings(index), picture(index), (), "fake", 2_000_000
    )
    return Cell(model, Phase.DONE, 3, 3, result, seed=seed)


def blocked(cell: Cell) -> Cell:
    """The same cell blocked. Its pixels stay in by mistake, because no report may rely on their absence."""
    assert cell.result is not None
    pixels = np.full((SIDE, SIDE, 3), SECRET, np.uint8)
    result = replace(cell.result, verdict=Verdict(True, "It resembles a weapon.", (0.2,)), image=pixels)
    return replace(cell, phase=Phase.BLOCKED, result=result, message="The safety checker blocked it.")


def refused(cell: Cell) -> Cell:
    """The same cell blocked by the gate on the request, so it was not drawn."""
    assert cell.result is not None
    taken = Timings(load=1.5, encode=0.01, safety=0.001, total=1.511, cold=True)
    result = replace(cell.result, verdict=Verdict(True, PROMPT_BLOCKED), timings=taken, image=None)
    return replace(cell, phase=Phase.BLOCKED, step=0, result=result, message=PROMPT_BLOCKED)


def job_of(
    request: Request | None = None, models: Sequence[str] = MODELS, seeds: Sequence[int] = (7, 8), **changes: Any
) -> Job:
    """All done; `changes` are the job's."""
    request = replace(request or Request("red apple", steps=3), seed=seeds[0])
    pairs = [(model, seed) for seed in seeds for model in models]
    cells = tuple(done(index, model, seed, request) for index, (model, seed) in enumerate(pairs))
    return replace(Job("the-id", request, cells, created=CREATED, environment=ENVIRONMENT), **changes)


def mixed_job(request: Request | None = None) -> Job:
    """Four models with two seeds; cell 5 is blocked, cell 6 failed."""
    job = job_of(request)
    cells = list(job.cells)
    cells[5] = blocked(cells[5])
    cells[6] = Cell(MODELS[2], Phase.FAILED, 1, 3, None, "The U-Net <b>broke</b>.", seed=8)
    return replace(job, cells=tuple(cells))


def system(key: str, **changes: Any) -> System:
    made = System(
        key,
        key.replace("-", " ").title(),
        "Family",
        "A summary.",
        Path(key),
        parameters=9_000_000,
        unet_parameters=6_000_000,
        size_bytes=8_000_000,
        weights="6-bit palettized",
        attention="split_einsum_v2",
        licence="Apache-2.0",
        licence_url="https://www.apache.org/licenses/LICENSE-2.0",
        card_url="https://example.org/card",
    )
    return replace(made, **changes)


SYSTEMS = {key: system(key) for key in MODELS}


def png_of(job: Job, index: int) -> bytes:
    result = job.cells[index].result
    if result is None:
        raise RequestError("There is no such picture.")
    return encode_png(result, result.model, job.environment)


def material(job: Job, **changes: Any) -> Material:
    """The material of a job; `changes` replace its fields."""
    return replace(make_material(job, SYSTEMS, lambda index: png_of(job, index)), **changes)


def written(made: Material, kind: str) -> bytes:
    stream = io.BytesIO()
    write_report(made, kind, stream)
    return stream.getvalue()


def rows_of(data: bytes) -> list[dict[str, str]]:
    assert data.startswith(b"\xef\xbb\xbf")  # for Excel
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def archive_of(data: bytes) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    return archive
