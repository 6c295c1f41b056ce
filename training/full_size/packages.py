"""Converts a torch module to a Core ML package, with the palettes that are already in the weights.

The converter does not know palettes. A last pass turns every float16 constant with at most 256 distinct values into
a look-up table of 1, 2, 4, 6 or 8 bits, without loss. Everything else stays float16.
"""

import os
import shutil
from pathlib import Path

import coremltools as ct
import numpy as np
import torch
from coremltools.converters.mil import Builder as mb
from coremltools.converters.mil.mil import Block, Operation, Program
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
from coremltools.converters.mil.mil.passes.pass_registry import register_pass
from numpy.typing import NDArray

from training.full_size.systems import RECIPE

HALF, SINGLE = np.float16, np.float32
SMALLEST = 2048  # weights; smaller constants stay as they are
WIDTHS = (1, 2, 4, 6, 8)
LICENCE = "Apache-2.0; random weights"

Inputs = dict[str, tuple[tuple[int, ...], type]]


@register_pass(namespace="full_size")
class release_module(AbstractGraphPass):
    """Empties the torch module. The program holds copies by then, so this saves a third of the peak memory."""

    module: torch.nn.Module | None = None  # set as an option

    def apply(self, prog: Program) -> None:
        if self.module is not None:
            for parameter in self.module.parameters():
                parameter.data = torch.empty(0)


@register_pass(namespace="full_size")
class fold_palettes(AbstractGraphPass):  # the registry names a pass by its class
    """Constants with few distinct float16 values -> constexpr_lut_to_dense."""

    def apply(self, prog: Program) -> None:
        for function in prog.functions.values():
            with function:
                for operation in list(function.operations):
                    if operation.op_type == "const" and _is_weight(operation.outputs[0].val):
                        _fold(function, operation)


def _is_weight(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float16 and value.size >= SMALLEST


def _fold(block: Block, operation: Operation) -> None:
    old = operation.outputs[0]
    found = palette_of(old.val)
    if found is None:
        return
    table, indices = found
    new = mb.constexpr_lut_to_dense(
        indices=pack(indices, int(np.log2(len(table)))),
        lut=table,
        shape=np.array(old.shape, dtype=np.uint32),
        before_op=operation,
        name=f"{operation.name}_palettized",
    )
    block.replace_uses_of_var_after_op(anchor_op=operation, old_var=old, new_var=new, no_check_var_types=True)
    block.remove_ops([operation])


def palette_of(values: NDArray) -> tuple[NDArray, NDArray] | None:
    """float16 values -> their table [2^n] float16, ascending and padded with zeros, and uint8 indexes; None for more
    than 256 distinct values."""
    patterns = values.ravel().view(np.uint16)
    present = np.flatnonzero(np.bincount(patterns, minlength=1 << 16)).astype(np.uint16)
    if len(present) > 256:
        return None
    bits = next(width for width in WIDTHS if len(present) <= 1 << width)
    distinct = present.view(np.float16)
    order = np.argsort(distinct, kind="stable")
    table = np.zeros(1 << bits, dtype=np.float16)
    table[: len(present)] = distinct[order]
    places = np.zeros(1 << 16, dtype=np.uint8)
    places[present[order]] = np.arange(len(present))
    return table, places[patterns]


def pack(indices: NDArray, bits: int) -> NDArray:
    """Pack indexes of `bits` bits each, from the lowest bit of every byte on."""
    if bits == 8:
        return indices
    planes = (indices[:, None] >> np.arange(bits, dtype=np.uint8)) & 1
    return np.packbits(planes.ravel(), bitorder="little")


def convert(module: torch.nn.Module, inputs: Inputs, outputs: list[str]) -> ct.models.MLModel:
    """Trace and convert one float32 module: mlprogram, float16, iOS 16; outputs are float32. Empties the module."""
    example = [torch.rand(shape) for shape, _ in inputs.values()]
    with torch.no_grad():
        traced = torch.jit.trace(module.eval(), example, check_trace=False)
    passes = ct.PassPipeline()
    passes.insert_pass(0, "full_size::release_module")
    passes.set_options("full_size::release_module", {"module": module})
    passes.append_pass("full_size::fold_palettes")
    return ct.convert(
        traced,
        inputs=[ct.TensorType(name=name, shape=shape, dtype=dtype) for name, (shape, dtype) in inputs.items()],
        outputs=[ct.TensorType(name=name, dtype=SINGLE) for name in outputs],
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS16,
        compute_precision=ct.precision.FLOAT16,
        skip_model_load=True,
        pass_pipeline=passes,
    )


def save(model: ct.models.MLModel, path: Path, description: str, facts: dict[str, str]) -> None:
    """Write the package completely beside its place, then move it there."""
    model.author, model.license, model.short_description = "BK-SDM Core ML demo", LICENCE, description
    model.user_defined_metadata.update({**facts, "recipe": RECIPE})
    partial = path.with_name(f"partial-{path.name}")
    shutil.rmtree(partial, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(str(partial))
    shutil.rmtree(path, ignore_errors=True)
    os.replace(partial, path)


def up_to_date(path: Path) -> bool:
    """Whether the package exists and was made by the present recipe. Opening it as an MLModel would write to it."""
    program = path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    if not program.exists():
        return False
    model = ct.proto.Model_pb2.Model.FromString(program.read_bytes())
    return model.description.metadata.userDefined["recipe"] == RECIPE
