"""Turns a Program into OpenVINO models: runs the passes, checks for missing ops, calls a translator per operation.

The timestep's sinusoid becomes a model of its own, the prelude. In bf16 the timestep would be rounded before the sines,
and neighbouring steps would become equal. Follows MIL's semantics; refuses flexible shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import openvino as ov
import openvino.opset13 as op
from openvino import Input, Node, Output

from bksdm_demo.errors import PackageError, UnsupportedModelError
from bksdm_demo.mil.program import Operation, Program, Value
from bksdm_demo.translate.context import Context, element_type, partial_shape
from bksdm_demo.translate.passes.order import rewrite
from bksdm_demo.translate.passes.prelude import cut_prelude
from bksdm_demo.translate.registry import find, missing_operations

# What passes and translators raise for a file that contradicts itself. RuntimeError comes from OpenVINO, for shapes and
# types that do not fit each other, and from Python, for a chain that is too long (RecursionError).
FAILURES = (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, StopIteration)
LISTED = 10  # refused operations that an error names


@dataclass(frozen=True)
class Translation:
    """The models of one program; inputs and outputs keep the program's names and order.

    `prelude`, if there is one, must run first and in f32. It reads some of the program's inputs, and its outputs are
    inputs of `model`, by name. `rewrites` counts the sites that each pass rewrote.
    """

    model: ov.Model
    prelude: ov.Model | None
    rewrites: Mapping[str, int]


@dataclass(frozen=True)
class Cut:
    """The place of one value in a translated model, by what reads it: for U-Nets in two parts, see deep_features.py."""

    model: ov.Model
    readers: tuple[Input, ...]

    @classmethod
    def of(cls, model: ov.Model, deep: str) -> Cut:
        """Take the output `deep` away from the model, and remember its place."""
        result = next(result for result in model.get_results() if result.get_friendly_name() == deep)
        readers = result.input_value(0).get_target_inputs()
        model.remove_result(result)
        return cls(model, tuple(reader for reader in readers if reader.get_node() != result))

    def deep(self, name: str) -> ov.Model:
        """The model up to that value, its only output, under this name."""
        result = op.result(self.readers[0].get_source_output())
        result.set_friendly_name(name)
        return ov.Model([result], self.model.get_parameters(), name)

    def shallow(self, name: str) -> ov.Model:
        """The model that takes that value as a further input of this name. Changes `model`."""
        value = self.readers[0].get_source_output()
        parameter = op.parameter(value.get_shape(), value.get_element_type(), name=name)
        for reader in self.readers:
            reader.replace_source_output(parameter.output(0))
        return ov.Model(self.model.get_results(), [*self.model.get_parameters(), parameter], name)


def translate(program: Program, int8: bool = False) -> Translation:
    """The program as OpenVINO models, rewritten for speed.

    `int8` lets OpenVINO compute in integers what the program rounds to 8 bits; the processor must have dot products of
    them (see engines/quantization/part.py). The numbers stay the same up to float32 rounding.

    Raises UnsupportedModelError that names every op without a translator, with counts, or every operation of an
    unsupported form. Raises PackageError for a file that contradicts itself.
    """
    program, rewrites = _rewritten(program)
    refuse_missing(program)
    main, prelude = cut_prelude(program)
    return Translation(build_model(main, int8), None if prelude is None else build_model(prelude), rewrites)


def _rewritten(program: Program) -> tuple[Program, dict[str, int]]:
    try:
        return rewrite(program)
    except FAILURES as error:
        refuse_missing(program)
        build_model(program)  # raises an error that names the operation, if a single one is to blame
        raise PackageError(f"The program has a form that cannot be rewritten. {_last_line(error)}") from error


def refuse_missing(program: Program) -> None:
    """Raises UnsupportedModelError that lists all ops without a translator, with counts."""
    missing = missing_operations(program)
    if missing:
        listed = ", ".join(f"{kind} ({count})" for kind, count in missing.items())
        raise UnsupportedModelError(f"{len(missing)} kinds of operation cannot be run here: {listed}.")


def build_model(program: Program, int8: bool = False) -> ov.Model:
    """The program without passes: one translator call per operation, each output checked against its declaration.

    A refused operation is replaced by a parameter of the declared type, so that one error lists all refused ones.
    """
    context = Context(program, int8)
    parameters = [_parameter(value) for value in program.inputs]
    for value, parameter in zip(program.inputs, parameters, strict=True):
        context.define(value, parameter.output(0), "input")
    refusals: list[str] = []
    for operation in program.operations:
        try:
            _translate_operation(context, operation)
        except UnsupportedModelError as refusal:
            refusals.append(str(refusal))
            for value in operation.outputs:
                stand_in = op.parameter(partial_shape(value.type.shape), element_type(value.type.dtype))
                context.define(value, stand_in.output(0), operation.name)
    if refusals:
        raise UnsupportedModelError(_listing(refusals))
    results = [_result(name, context.lookup(name)) for name in program.outputs]
    return ov.Model(results, parameters, "program")


def _parameter(value: Value) -> Node:
    if None in value.type.shape:
        raise UnsupportedModelError(
            f"The input {value.name} has a flexible shape ({value.type}); convert the model with fixed shapes."
        )
    return op.parameter(value.type.shape, element_type(value.type.dtype), name=value.name)


def _result(name: str, output: Output) -> Node:
    result = op.result(output)
    result.set_friendly_name(name)
    return result


def _translate_operation(context: Context, operation: Operation) -> None:
    where = f"{operation.kind} {operation.name}"
    try:
        made = find(operation.kind)(context, operation)
    except FAILURES as error:
        raise PackageError(f"{where}: the inputs do not fit the operation. {_last_line(error)}") from error
    outputs: Sequence[Output] = made.outputs() if isinstance(made, Node) else _listed(made)
    if len(outputs) != len(operation.outputs):
        raise PackageError(f"{where}: yields {len(outputs)} values, but the file names {len(operation.outputs)}.")
    for value, output in zip(operation.outputs, outputs, strict=True):
        context.define(value, output, where)


def _listing(refusals: Sequence[str]) -> str:
    """One message for all refusals, with up to LISTED of them in full."""
    if len(refusals) == 1:
        return refusals[0]
    more = f" And {len(refusals) - LISTED} more." if len(refusals) > LISTED else ""
    return f"{len(refusals)} operations cannot be run here. {' '.join(refusals[:LISTED])}{more}"


def _listed(made: Output | Sequence[Output]) -> Sequence[Output]:
    return [made] if isinstance(made, Output) else made


def _last_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[-1] if text else f"({type(error).__name__})"
