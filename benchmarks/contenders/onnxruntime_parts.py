"""Runs the exported ONNX files on ONNX Runtime's CPU provider in float32. It has no bfloat16 kernels on x86."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort
from numpy.typing import NDArray

from benchmarks.contenders.peer import INPUTS, OUTPUTS, Arrays, Network, PeerEngine
from benchmarks.subjects import Subject

FATAL = 4  # logged; warnings about folded constants are not


def open_part(
    subject: Subject, role: str, precision: str, threads: int, cache: Path | None = None
) -> tuple[PeerEngine, ...]:
    """Only float32. Stores nothing on disk, so `cache` is not used. Raises ValueError for another precision."""
    if precision != "f32":
        raise ValueError(f"ONNX Runtime's CPU provider computes these networks in f32 only, not in {precision}.")
    return (PeerEngine(subject, role, lambda: _open(subject.onnx(role), role, threads)),)


def _open(path: Path, role: str, threads: int) -> Network:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = FATAL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(arrays: Arrays) -> list[NDArray]:
        produced: list[NDArray] = session.run(OUTPUTS[role], {name: arrays[name] for name in INPUTS[role]})
        return produced

    return run
