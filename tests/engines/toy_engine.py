"""A third engine, as a newcomer would add one: this file, and one line to register it (see test_registry.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bksdm_demo.engines.base import EngineOptions, Port
from tests.fakes import FakeEngine

KIND = "toy"
BYTES_PER_WEIGHT = 3


def open_part(path: Path, options: EngineOptions, exact: bool) -> FakeEngine:
    """An engine that adds the number of threads to its input."""
    threads = options.threads or 0
    return FakeEngine([Port("x", (2,))], [Port("y", (2,))], lambda x: {"y": x["x"] + np.float32(threads)})


def expected_memory(weights: int, exact_weights: int, size_bytes: int, options: EngineOptions) -> int:
    return BYTES_PER_WEIGHT * (weights + exact_weights)
