"""Cuts a U-Net in two at the skip connection nearest its output, so that the deep part can rest for some steps.

Deep features change little from step to step (DeepCache, Ma et al., arXiv 2312.00858). The cut lies at the last
concatenation of two values in the size of the sample, of which one depends on the other: the skip connection around
everything in between. What flows into it from below are the deep features.
"""

from __future__ import annotations

from dataclasses import replace

from bksdm_demo.mil.program import Operation, Program
from bksdm_demo.translate.passes.rewrite import needed

SAMPLE_RANK = 4  # [B, C, h, w]
LARGEST_SHARE = 0.5  # of all operations that a shallow part may have; above, the cut saves little


def find_deep_features(program: Program) -> str | None:
    """The name of the value at the cut; None if the program has no such skip connection."""
    for operation in reversed(program.operations):
        deep = _deep_operand(program, operation)
        if deep is not None:
            found = len(shallow_operations(program, deep)) <= LARGEST_SHARE * len(program.operations)
            return deep if found else None
    return None


def shallow_operations(program: Program, deep: str) -> tuple[Operation, ...]:
    """What the outputs need beside the value `deep`."""
    rest = [operation for operation in program.operations if all(value.name != deep for value in operation.outputs)]
    return needed(rest, program.outputs)


def _deep_operand(program: Program, operation: Operation) -> str | None:
    values = operation.inputs.get("values", ())
    if operation.kind != "concat" or len(values) != 2:
        return None
    sizes = [value.type.shape[2:] for value in program.inputs if len(value.type.shape) == SAMPLE_RANK]
    if any(program.type_of(name).shape[2:] not in sizes for name in values):
        return None
    return next((deep for deep, skip in (values, values[::-1]) if deep != skip and _depends(program, deep, skip)), None)


def _depends(program: Program, value: str, earlier: str) -> bool:
    return any(made.name == earlier for operation in needed(program.operations, [value]) for made in operation.outputs)


def with_features(program: Program, deep: str) -> Program:
    """The program with the value `deep` as a further output."""
    return replace(program, outputs=(*program.outputs, deep))
