"""Turns nearest-neighbour doubling and a 3x3 convolution into four 2x2 convolutions of the small picture.

A 3x3 kernel reads nine pixels of a doubled picture, most of them copies of one another. Summing the weights that meet
the same original pixel leaves one 2x2 kernel for each place (a, b) in a doubled pixel. A row at a = 0 reads rows h-1
and h of the original with w[0] and w[1] + w[2]. A row at a = 1 reads h and h+1 with w[0] + w[1] and w[2]. Columns work
alike. That is 16 products instead of 36, with the same result up to rounding, zeros at the border included.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.mil.program import Constant, Operation, Program, TensorType, Value
from bksdm_demo.translate.passes.rewrite import Added, Index, added_int, added_ints, added_text, inserted, only

PLACES = ((0, 0), (0, 1), (1, 0), (1, 1))  # row and column inside a doubled pixel, in the order of depth_to_space
SIDES = ("height", "width")
MEETING = (((0,), (1, 2)), ((0, 1), (2,)))  # for each place along one axis: which of three weights meet


def convolve_before_doubling(program: Program) -> tuple[Program, int]:
    """The program with the convolutions of doubled pictures rewritten, and the number of those."""
    index = Index(program)
    changes: dict[str, list[Operation]] = {}
    constants: dict[str, Constant] = {}
    for operation in program.operations:
        source = _doubled(index, operation)
        if source is not None and _is_plain(index, operation):
            changes[operation.outputs[0].name], added = _four(index, operation, source)
            constants |= added
    return (inserted(program, changes, constants), len(changes)) if changes else (program, 0)


def _doubled(index: Index, conv: Operation) -> str | None:
    """The picture that is doubled for this convolution, or None."""
    doubling = index.producer(only(conv, "x"), "upsample_nearest_neighbor") if conv.kind == "conv" else None
    if doubling is None or any(index.scalar(doubling, f"scale_factor_{side}", 1.0) != 2.0 for side in SIDES):
        return None
    source = only(doubling, "x")
    return source if source is not None and len(index.shape(source)) == 4 else None


def _is_plain(index: Index, conv: Operation) -> bool:
    """Whether it is 3x3 with a padding of one pixel, constant weights, and no strides, dilations or groups."""
    constant = all(index.is_constant(name) for key, names in conv.inputs.items() if key != "x" for name in names)
    weight = only(conv, "weight")
    if not constant or weight is None or index.shape(weight)[2:] != (3, 3):
        return False
    ones = [index.array(conv, key) for key in ("strides", "dilations", "groups")]
    if any(array is not None and (array != 1).any() for array in ones):
        return False
    padding, pad = index.text(conv, "pad_type"), index.array(conv, "pad")
    return padding in ("same", "same_lower") or (padding == "custom" and pad is not None and (pad == 1).all())


def _four(index: Index, conv: Operation, source: str) -> tuple[list[Operation], dict[str, Constant]]:
    """The four convolutions, the concat of their results, the depth_to_space; and the constants they read."""
    output = conv.outputs[0]
    batch, channels, height, width = output.type.shape
    small = (batch, channels, (height or 0) // 2, (width or 0) // 2)
    kernel = index.array(conv, "weight")
    assert kernel is not None
    constants: dict[str, Constant] = {
        f"{output.name}:custom": added_text("custom"),
        f"{output.name}:axis": added_int(1),
        f"{output.name}:block": added_int(2),
    }
    operations, parts = [], []
    for a, b in PLACES:
        name = f"{output.name}:{a}{b}"
        met = meeting(kernel.astype(np.float32), a, b)
        constants[f"{name}:weight"] = Added(TensorType("fp32", met.shape), met)
        constants[f"{name}:pad"] = added_ints((1 - a, a, 1 - b, b))
        inputs = {"x": (source,), "weight": (f"{name}:weight",), "bias": conv.inputs.get("bias", ())}
        inputs |= {"pad_type": (f"{output.name}:custom",), "pad": (f"{name}:pad",)}
        parts.append(Value(name, TensorType(output.type.dtype, small)))
        operations.append(Operation("conv", name, inputs, (parts[-1],)))
    joined = Value(f"{output.name}:joined", TensorType(output.type.dtype, (batch, 4 * (channels or 0), *small[2:])))
    inputs = {"values": tuple(part.name for part in parts), "axis": (f"{output.name}:axis",)}
    operations.append(Operation("concat", joined.name, inputs, (joined,)))
    inputs = {"x": (joined.name,), "block_size": (f"{output.name}:block",)}
    operations.append(Operation("depth_to_space", conv.name, inputs, (output,)))
    return operations, constants


def meeting(kernel: NDArray[np.float32], a: int, b: int) -> NDArray[np.float32]:
    """[Co, Ci, 3, 3] -> [Co, Ci, 2, 2]: the weights that meet the same original pixel at place (a, b), summed."""
    rows = np.stack([kernel[:, :, list(group)].sum(axis=2) for group in MEETING[a]], axis=2)
    return np.stack([rows[:, :, :, list(group)].sum(axis=3) for group in MEETING[b]], axis=3)
