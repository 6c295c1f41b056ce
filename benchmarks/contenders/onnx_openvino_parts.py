"""Runs the exported ONNX files through OpenVINO's own reader, with the settings that our engine uses."""

from __future__ import annotations

from pathlib import Path

import openvino as ov
from numpy.typing import NDArray

from benchmarks.contenders.peer import Arrays, Network, PeerEngine
from benchmarks.subjects import Subject


def open_part(
    subject: Subject, role: str, precision: str, threads: int, cache: Path | None = None
) -> tuple[PeerEngine, ...]:
    """`cache` is OpenVINO's folder for compiled models."""
    return (PeerEngine(subject, role, lambda: _open(subject.onnx(role), precision, threads, cache)),)


def _open(path: Path, precision: str, threads: int, cache: Path | None) -> Network:
    core = ov.Core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        **({} if cache is None else {"CACHE_DIR": str(cache)}),
    }
    model = core.read_model(path)
    inputs = [parameter.get_friendly_name() for parameter in model.get_parameters()]
    request = core.compile_model(model, "CPU", settings).create_infer_request()

    def run(arrays: Arrays) -> list[NDArray]:
        produced = request.infer([arrays[name] for name in inputs], share_inputs=True)
        return [produced[place] for place in range(len(produced))]

    return run
