"""Exports a part to ONNX in float32 with torch's exporter. That takes minutes, so the file stays beside the weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from benchmarks.contenders.networks import load_part
from benchmarks.contenders.ours import open_part as open_our_part
from benchmarks.contenders.parts import example_inputs
from benchmarks.contenders.peer import INPUTS, OUTPUTS, network_inputs
from benchmarks.subjects import Subject


class Export:
    """`run` writes the ONNX file of a part, with its weights in a file beside it, unless it exists."""

    def __init__(self, subject: Subject, role: str) -> None:
        self._subject, self._role = subject, role

    def prepare(self) -> None:
        """Do nothing."""

    def run(self) -> None:
        target = self._subject.onnx(self._role)
        if target.is_file():
            return
        partial = target.parent.with_name("onnx-partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        part = load_part(self._subject, self._role, torch.float32)
        write(part, self._role, self._tensors(), partial / target.name)
        partial.rename(target.parent)

    def _tensors(self) -> tuple[torch.Tensor, ...]:
        """Inputs to trace with: the Core ML part's shapes, the network's types."""
        ports = open_our_part(self._subject, self._role, "f32", 1)[0].inputs
        arrays = network_inputs(example_inputs(ports))
        return tuple(torch.from_numpy(arrays[name]) for name in INPUTS[self._role])


@torch.no_grad()
def write(part: torch.nn.Module, role: str, tensors: tuple[torch.Tensor, ...], path: Path) -> None:
    """Fixed shapes, external data."""
    names = {"input_names": list(INPUTS[role]), "output_names": list(OUTPUTS[role])}
    torch.onnx.export(part, tensors, path, **names, dynamo=True, external_data=True)
