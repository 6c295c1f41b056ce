"""Other forms of a U-Net's program: cut into two chunks, or for a batch of one. For tests, from a golden package.

The cut follows the rules of Apple's chunk_mlprogram.py: where half the weights are used up, at a value with a single
reader; what crosses does so in fp32 under its own name. Leaves out programs that mix batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from bksdm_demo.mil.program import Constant, Operation, Program, TensorType, Value
from bksdm_demo.translate.passes.rewrite import Added

BATCH_KEYS = frozenset({"shape", "end"})  # arguments of reshape and slice_by_index that repeat the batch


def halfway(program: Program) -> int:
    """How many operations the first chunk gets."""
    sizes = {name: prod(dim or 0 for dim in constant.type.shape) for name, constant in program.constants.items()}
    reads = Counter(name for operation in program.operations for name in _read(operation))
    total, seen = sum(sizes.values()), set[str]()
    for count, operation in enumerate(program.operations, start=1):
        seen |= _read(operation) & set(sizes)
        single = len(operation.outputs) == 1 and reads[operation.outputs[0].name] == 1
        if single and sum(sizes[name] for name in seen) > total / 2:
            return count
    raise AssertionError("This program cannot be halved.")


def chunks(program: Program, place: int) -> tuple[Program, Program]:
    """The first `place` operations, and the rest; what the rest reads of the first crosses as fp32, by name."""
    first, rest = program.operations[:place], program.operations[place:]
    read = set().union(*(_read(operation) for operation in rest))
    crossing = [value for operation in first for value in operation.outputs if value.name in read]
    halves = {value.name: f"{value.name}_fp16" for value in crossing if value.type.dtype == "fp16"}
    wide = [
        replace(value, type=replace(value.type, dtype="fp32")) if value.name in halves else value for value in crossing
    ]
    casts = [(value.name, halves[value.name], value.type) for value in crossing if value.name in halves]
    down = [_cast(f"{name}_out", half, Value(name, replace(kind, dtype="fp32"))) for name, half, kind in casts]
    up = [_cast(f"{name}_in", name, Value(half, kind)) for name, half, kind in casts]
    inputs = tuple(value for value in program.inputs if value.name in read)
    one = [*(_renamed(operation, halves) for operation in first), *down]
    two = [*up, *(_renamed(operation, halves) for operation in rest)]
    return (
        _made_of(program, program.inputs, [value.name for value in wide], one),
        _made_of(program, (*inputs, *wide), program.outputs, two),
    )


def batch_of_one(program: Program) -> Program:
    """The same network for one sample: every batch of two, in types and in arguments that repeat it, becomes one."""

    def narrow(value: Value) -> Value:
        first, *others = value.type.shape
        return replace(value, type=replace(value.type, shape=(1 if first == 2 else first, *others)))

    constants: dict[str, Constant] = dict(program.constants)
    for operation in program.operations:
        for key in BATCH_KEYS & set(operation.inputs):
            for name in operation.inputs[key]:
                array = program.constants[name].array().copy()
                array[0] = 1 if array[0] == 2 else array[0]
                constants[name] = Added(constants[name].type, array)
    operations = tuple(replace(item, outputs=tuple(map(narrow, item.outputs))) for item in program.operations)
    return replace(program, inputs=tuple(map(narrow, program.inputs)), operations=operations, constants=constants)


def _read(operation: Operation) -> set[str]:
    return {name for names in operation.inputs.values() for name in names}


def _renamed(operation: Operation, names: dict[str, str]) -> Operation:
    inputs = {key: tuple(names.get(name, name) for name in read) for key, read in operation.inputs.items()}
    outputs = tuple(replace(value, name=names.get(value.name, value.name)) for value in operation.outputs)
    return replace(operation, inputs=inputs, outputs=outputs)


def _cast(name: str, source: str, made: Value) -> Operation:
    return Operation("cast", name, {"x": (source,), "dtype": (f"to_{made.type.dtype}",)}, (made,))


def _made_of(
    program: Program, inputs: tuple[Value, ...], outputs: Sequence[str], operations: Sequence[Operation]
) -> Program:
    """A program with the constants that these operations read."""
    read = set().union(*(_read(operation) for operation in operations))
    targets = {f"to_{kind}": Added(TensorType("string"), np.array(kind, dtype=object)) for kind in ("fp16", "fp32")}
    constants = {name: item for name, item in {**targets, **program.constants}.items() if name in read}
    return replace(program, inputs=inputs, outputs=tuple(outputs), operations=tuple(operations), constants=constants)
