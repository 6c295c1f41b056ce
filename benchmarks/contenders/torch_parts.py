"""Runs diffusers and transformers on torch, in float32 or wholly converted to bfloat16, as their users do."""

from __future__ import annotations

from pathlib import Path

import torch
from numpy.typing import NDArray

from benchmarks.contenders.networks import DTYPES, load_part
from benchmarks.contenders.peer import INPUTS, Arrays, Network, PeerEngine
from benchmarks.subjects import Subject


def open_part(
    subject: Subject, role: str, precision: str, threads: int, cache: Path | None = None
) -> tuple[PeerEngine, ...]:
    """Stores nothing on disk, so `cache` is not used."""
    return (PeerEngine(subject, role, lambda: _open(subject, role, DTYPES[precision], threads)),)


def _open(subject: Subject, role: str, dtype: torch.dtype, threads: int) -> Network:
    torch.set_num_threads(threads)
    part = load_part(subject, role, dtype)

    @torch.inference_mode()
    def run(arrays: Arrays) -> list[NDArray]:
        tensors = (torch.from_numpy(arrays[name]) for name in INPUTS[role])
        typed = (tensor.to(dtype) if tensor.is_floating_point() else tensor for tensor in tensors)
        return [tensor.float().numpy() for tensor in part(*typed)]

    return run
