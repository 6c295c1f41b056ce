"""Replaces a projection and the split of its result by one projection per part, each with its rows of the weights.

A gated feed-forward projects value and gate together and then splits them. The split copies the largest tensor of the
block, and keeps the runtime from fusing the gate's activation into its projection.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from numpy.typing import NDArray

from bksdm_demo.mil.program import Constant, Operation, Program, TensorType
from bksdm_demo.translate.passes.rewrite import Index, inserted, only

CHANNEL_AXIS = {"conv": 1, "linear": -1}  # of the result; in the weights and the bias it is the first


@dataclass(frozen=True)
class Rows:
    """Some rows of a constant; decoding them decodes the whole constant."""

    source: Constant
    start: int
    stop: int

    @property
    def type(self) -> TensorType:
        return TensorType(self.source.type.dtype, (self.stop - self.start, *self.source.type.shape[1:]))

    @property
    def encoding(self) -> str:
        return self.source.encoding

    @property
    def stored_bytes(self) -> int:
        return self.source.stored_bytes * (self.stop - self.start) // (self.source.type.shape[0] or 1)

    def array(self) -> NDArray:
        return self.source.array()[self.start : self.stop]


def project_into_parts(program: Program) -> tuple[Program, int]:
    """The program with the projections that only a split reads divided into parts, and the number of those."""
    index = Index(program)
    uses = Counter(name for operation in program.operations for names in operation.inputs.values() for name in names)
    uses.update(program.outputs)
    changes: dict[str, list[Operation]] = {}
    constants: dict[str, Constant] = {}
    for operation in program.operations:
        projection = _projection(index, operation)
        if projection is None or uses[projection.outputs[0].name] != 1:
            continue
        changes[operation.outputs[0].name] = parts = []
        start = 0
        for value in operation.outputs:
            stop = start + (value.type.shape[CHANNEL_AXIS[projection.kind]] or 0)
            inputs = dict(projection.inputs)
            for key in ("weight", "bias"):
                if inputs.get(key):
                    constants[f"{value.name}:{key}"] = Rows(index.constant(inputs[key][0]), start, stop)
                    inputs[key] = (f"{value.name}:{key}",)
            parts.append(Operation(projection.kind, value.name, inputs, (value,)))
            start = stop
    return (inserted(program, changes, constants), len(changes)) if changes else (program, 0)


def _projection(index: Index, split: Operation) -> Operation | None:
    """The ungrouped conv or linear with constant weights whose channels this split divides; else None."""
    projection = index.producer(only(split, "x"), *CHANNEL_AXIS) if split.kind == "split" else None
    axis = index.scalar(split, "axis")
    if projection is None or axis is None or index.scalar(projection, "groups", 1.0) != 1.0:
        return None
    dims = len(projection.outputs[0].type.shape)
    if int(axis) % dims != CHANNEL_AXIS[projection.kind] % dims:
        return None
    names = [*projection.inputs.get("weight", ()), *projection.inputs.get("bias", ())]
    return projection if names and all(index.is_constant(name) for name in names) else None
