"""Fills a picture with a constant where a mask is true, without listing the mask's positions.

SD's safety checker has `images[mask] = 0.0`. The converter writes that as cast(mask) -> non_zero -> scatter_nd of a
constant tiled to the number of positions: the only dynamic shapes in any part. This pass writes select(mask, constant,
images).
"""

from __future__ import annotations

from numpy.typing import NDArray

from bksdm_demo.mil.program import Operation, Program, TensorType
from bksdm_demo.translate.passes.rewrite import Added, Index, only, replaced


def fuse_masked_fill(program: Program) -> tuple[Program, int]:
    """The program with one select per site, and the number of sites."""
    index = Index(program)
    changes, constants = {}, {}
    for operation in program.operations:
        mask, filler = _mask(index, operation), _filler(index, operation)
        if mask is None or filler is None:
            continue
        name = f"{operation.outputs[0].name}:filler"
        constants[name] = Added(TensorType(operation.outputs[0].type.dtype), filler.reshape(()))
        inputs = {"cond": (mask,), "a": (name,), "b": operation.inputs["data"]}
        changes[operation.outputs[0].name] = Operation("select", operation.name, inputs, operation.outputs)
    return (replaced(program, changes, constants), len(changes)) if changes else (program, 0)


def _mask(index: Index, scatter: Operation) -> str | None:
    """The bool mask, in the shape of the data, whose true positions this scatter_nd overwrites; else None."""
    if scatter.kind != "scatter_nd" or index.text(scatter, "mode") != "update":
        return None
    listing = _listing(index, only(scatter, "indices"))
    listed = only(listing, "x") if listing is not None else None
    cast = index.producer(listed, "cast")
    mask = only(cast, "x") if cast is not None else listed
    if mask is None or index.type(mask) != TensorType("bool", scatter.outputs[0].type.shape):
        return None
    return mask


def _listing(index: Index, name: str | None) -> Operation | None:
    """The non_zero that lists the positions.

    For iOS17 the converter guards against negative positions, although there are none: select(p >= 0, p, ...).
    """
    guard = index.producer(name, "select")
    if guard is None:
        return index.producer(name, "non_zero")
    test, positions = index.producer(only(guard, "cond"), "greater_equal"), only(guard, "a")
    guarded = test is not None and only(test, "x") == positions and index.scalar(test, "y") == 0.0
    return index.producer(positions, "non_zero") if guarded else None


def _filler(index: Index, scatter: Operation) -> NDArray | None:
    """The single constant that is repeated once per position."""
    repeated = index.producer(only(scatter, "updates"), "tile", "fill") if scatter.kind == "scatter_nd" else None
    if repeated is None or len(repeated.outputs[0].type.shape) != 1:
        return None
    array = index.array(repeated, "x" if repeated.kind == "tile" else "value")
    return array if array is not None and array.size == 1 else None
