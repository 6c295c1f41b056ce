"""Fuses quantize and dequantize into one rounding of a float value, so that no integers flow through the program.

Converters put both around each value that a quantized layer reads or makes. A layout operation may stand between them:
it then runs on the rounded floats. The scales of the two may differ, because converters move them through sums.
"""

from __future__ import annotations

from collections.abc import Mapping

from bksdm_demo.mil.program import Operation, Program, TensorType, Value
from bksdm_demo.translate.added_ops import ROUNDING
from bksdm_demo.translate.passes.rewrite import Index, inserted, only

LAYOUT = ("expand_dims", "identity", "reshape", "slice_by_index", "squeeze", "transpose")
GRID = ("scale", "zero_point")


def fuse_rounding(program: Program) -> tuple[Program, int]:
    """The program with one rounding in place of each dequantize, and the number of those."""
    index = Index(program)
    changes = {
        operation.outputs[0].name: made
        for operation in program.operations
        if operation.kind == "dequantize" and (made := _rounded(index, operation)) is not None
    }
    return (inserted(program, changes, {}), len(changes)) if changes else (program, 0)


def _rounded(index: Index, end: Operation) -> list[Operation] | None:
    """The rounding and the layout operations that together yield what this dequantize yields; None for integers."""
    between: list[Operation] = []
    name = only(end, "input")
    while (layout := index.producer(name, *LAYOUT)) is not None:
        between.insert(0, layout)
        name = only(layout, "x")
    start = index.producer(name, "quantize")
    if start is None or not _fit(index, start, end, moved=bool(between)):
        return None
    inputs = {"x": start.inputs["input"], "output_dtype": start.inputs["output_dtype"]}
    for key in GRID:
        for operation, prefix in ((start, ""), (end, "written_")):
            if operation.inputs.get(key):
                inputs[f"{prefix}{key}"] = operation.inputs[key]
    axis = start.inputs.get("axis") or end.inputs.get("axis")
    if axis:
        inputs["axis"] = axis
    return _chain(index, inputs, end, between)


def _fit(index: Index, start: Operation, end: Operation, moved: bool) -> bool:
    """Whether the constants of both are known, and channels that have scales of their own stay where they are."""
    axes = [index.scalar(operation, "axis") for operation in (start, end) if operation.inputs.get("axis")]
    dims = len(start.outputs[0].type.shape)
    grids = [index.array(item, key) for item in (start, end) for key in GRID if item.inputs.get(key)]
    if any(array is None for array in grids) or any(axis is None for axis in axes):
        return False
    one = all(array is not None and array.size == 1 for array in grids)
    return one or (not moved and len({int(axis or 0) % dims for axis in axes}) == 1)


def _chain(
    index: Index, inputs: Mapping[str, tuple[str, ...]], end: Operation, layouts: list[Operation]
) -> list[Operation]:
    """The rounding, then the layout operations on its floats; the last of them yields what `end` yields."""
    (value,) = end.outputs
    names = [f"{value.name}:{place}" for place in range(len(layouts))] + [value.name]
    shapes = [index.shape(inputs["x"][0]), *(layout.outputs[0].type.shape for layout in layouts)]
    made = [Value(name, TensorType(value.type.dtype, shape)) for name, shape in zip(names, shapes, strict=True)]
    chain = [Operation(ROUNDING, end.name, inputs, (made[0],))]
    for layout, source, result in zip(layouts, made, made[1:], strict=False):
        chain.append(Operation(layout.kind, result.name, {**layout.inputs, "x": (source.name,)}, (result,)))
    return chain
