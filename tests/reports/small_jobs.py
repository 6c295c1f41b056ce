"""Jobs of one or a few cells with noise for pictures, for the tests of files and sheets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bksdm_demo.records import Cell, Job, Phase, Request, Result, Timings, Verdict

SIDE = 16  # pixels of a test picture
ENVIRONMENT = {"demo_version": "0.1.0", "engine": "fake", "cpu": {"name": "A processor", "count": 2}}
NAMES = {"a": "Model A", "b": "Model B"}


def request(**changes: Any) -> Request:
    return replace(Request("red apple", seed=7, steps=3), **changes)


def picture(seed: int = 1) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)


def result(model: str = "a", **changes: Any) -> Result:
    timings = Timings(0.5, 0.01, 0.3, 0.1, 0.05, 0.96, (0.1, 0.1, 0.1), cold=True)
    made = Result(model, request(), Verdict(False), timings, picture(), ("extra",), "fake", 1_500_000)
    return replace(made, **changes)


def done(model: str = "a", **changes: Any) -> Cell:
    return Cell(model, Phase.DONE, 3, 3, result(model, **changes))


def blocked(model: str = "b", image: np.ndarray | None = None) -> Cell:
    verdict = Verdict(True, "It resembles a weapon.", (0.2, float("nan")))
    return Cell(model, Phase.BLOCKED, 3, 3, result(model, verdict=verdict, image=image), "It was blocked.")


def job(*cells: Cell) -> Job:
    return Job("id", request(), cells or (done(),), created=0.0)
