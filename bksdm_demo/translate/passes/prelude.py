"""Cuts the timestep's sinusoid out of a program, so that it can run in f32 while the rest runs in bf16.

bf16 has 8 bits of mantissa. 980 and 981 round to the same number, and steps at large times come out 6-12 dB worse. The
cut holds the cheap operations that depend on one input only, and is made if a sine or cosine is among them. Unlike the
other passes, this one makes two programs of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bksdm_demo.mil.program import Operation, Program, Value
from bksdm_demo.translate.passes.rewrite import needed

WAVES = frozenset({"sin", "cos"})
CHEAP = WAVES | {
    "add", "cast", "concat", "exp", "expand_dims", "identity", "mul", "real_div", "reshape", "slice_by_index", "split",
    "squeeze", "stack", "sub", "tile", "transpose",
}  # fmt: skip


def cut_prelude(program: Program) -> tuple[Program, Program | None]:
    """The program without its sinusoid, and the sinusoid (the prelude); (program, None) when no input feeds sines.

    The prelude's outputs become inputs of the first program, under the same names.
    """
    for value in program.inputs:
        cut = _reach(program, value.name)
        if any(operation.kind in WAVES for operation in cut):
            return _split(program, value, cut)
    return program, None


def _reach(program: Program, source: str) -> tuple[Operation, ...]:
    """The cheap operations that depend on `source` and otherwise on constants only."""
    known = {source}
    cut = []
    for operation in program.operations:
        reads = {name for names in operation.inputs.values() for name in names if name not in program.constants}
        if operation.kind in CHEAP and reads and reads <= known:
            cut.append(operation)
            known.update(value.name for value in operation.outputs)
    return tuple(cut)


def _split(program: Program, source: Value, cut: Sequence[Operation]) -> tuple[Program, Program | None]:
    inside = {id(operation) for operation in cut}
    rest = tuple(operation for operation in program.operations if id(operation) not in inside)
    read = {name for operation in rest for names in operation.inputs.values() for name in names} | set(program.outputs)
    crossing = tuple(value for operation in cut for value in operation.outputs if value.name in read)
    if not rest:  # the program is nothing but the sinusoid
        return program, None
    kept = tuple(value for value in program.inputs if value is not source or value.name in read)
    names = tuple(value.name for value in crossing)
    prelude = replace(program, inputs=(source,), outputs=names, operations=needed(cut, names))
    return replace(program, inputs=kept + crossing, operations=rest), prelude
