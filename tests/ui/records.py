"""Records for the page's tests: jobs and systems in every state, without any service."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bksdm_demo.diffusion.prompt_gate import PROMPT_BLOCKED
from bksdm_demo.library.catalog import Availability, System
from bksdm_demo.records import Cell, Job, Phase, Request, Result, Timings, Verdict

REQUEST = Request("red apple", seed=7, steps=20)
PIXELS = np.zeros((8, 8, 3), np.uint8)


def system(key: str, name: str, **changes: Any) -> System:
    fields = {"family": "Test", "summary": f"About {name}.", "availability": Availability.EMBEDDED}
    return System(key=key, name=name, folder=Path(key), size_bytes=12_100_000, **(fields | changes))


SYSTEMS = {"a": system("a", "Alpha", unet_parameters=12_990_000), "b": system("b", "Beta"), "c": system("c", "Gamma")}


def timings(denoise: float, load: float = 0.0, steps: int = 4) -> Timings:
    """0.1 s encode, 0.3 s decode, 0.1 s safety around the given load and denoise."""
    total = load + 0.5 + denoise
    return Timings(load, 0.1, denoise, 0.3, 0.1, total, (denoise / steps,) * steps if steps else (), load > 0)


def result(
    model: str,
    taken: Timings,
    blocked: bool = False,
    truncated: tuple[str, ...] = (),
    engine: str = "fake",
    negative_truncated: tuple[str, ...] = (),
) -> Result:
    image, size = None if blocked else PIXELS, 12_100_000
    verdict = Verdict(blocked)
    return Result(model, REQUEST, verdict, taken, image, truncated, engine, size, negative_truncated=negative_truncated)


def done(model: str, denoise: float = 1.0, load: float = 0.0, **fields: Any) -> Cell:
    return Cell(model, Phase.DONE, 20, 20, result(model, timings(denoise, load), **fields), seed=REQUEST.seed)


def blocked(model: str, denoise: float = 1.0) -> Cell:
    judged = result(model, timings(denoise), blocked=True)
    return Cell(model, Phase.BLOCKED, 20, 20, judged, "Not for this page.", seed=REQUEST.seed)


def refused(model: str) -> Cell:
    """A cell that the gate on the request blocked: loaded and encoded, but not drawn."""
    judged = replace(result(model, Timings(load=0.5, encode=0.1, safety=0.1, total=0.7, cold=True)), image=None)
    judged = replace(judged, verdict=Verdict(True, PROMPT_BLOCKED))
    return Cell(model, Phase.BLOCKED, 0, 20, judged, PROMPT_BLOCKED, seed=REQUEST.seed)


def job(*cells: Cell, request: Request = REQUEST, **changes: Any) -> Job:
    """A job with one seed, also for cells that were made without."""
    return Job("job-1", request, tuple(replace(cell, seed=request.seed) for cell in cells), **changes)
