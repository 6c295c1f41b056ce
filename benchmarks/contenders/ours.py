"""Runs the Core ML files through the engine that this demo would choose."""

from __future__ import annotations

from pathlib import Path

from benchmarks.subjects import Subject
from bksdm_demo.engines.base import Engine, EngineOptions
from bksdm_demo.engines.registry import open_engine
from bksdm_demo.mil.identity import remember_digests

EXACT = ("text_encoder", "safety_checker")  # as library/assemble.py asks for them


def open_part(
    subject: Subject, role: str, precision: str, threads: int, cache: Path | None = None
) -> tuple[Engine, ...]:
    if cache is not None:
        remember_digests(cache)  # as start.py does: else every load reads all weights for their digests
    options = EngineOptions(precision=precision, threads=threads, cache_dir=cache)
    return tuple(open_engine(path, options, exact=role in EXACT) for path in subject.models(role))
