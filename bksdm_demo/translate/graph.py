"""A Program becomes an OpenVINO model: passes, the check for missing ops, then one translator call per operation.

The timestep's sinusoid is cut into a model of its own (`prelude`), because a run in bf16 would round the timestep
before the sines: whole steps become equal. Follows MIL's semantics; refuses flexible shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import openvino as ov
import openvino.opset13 as op
from openvino import Node, Output

from bksdm_demo.errors import PackageError, UnsupportedModelError
from bksdm_demo.mil.program import Operation, Program, Value
from bksdm_demo.translate.context import Context, element_type, partial_shape
from bksdm_demo.translate.passes.order import rewrite
from bksdm_demo.translate.passes.prelude import cut_prelude
from bksdm_demo.translate.registry import find, missing_operations

# How a file that contradicts itself ends a pass or a translator; RuntimeError is how OpenVINO refuses shapes and types
# that do not fit each other, and Python too long a chain.
FAILURES = (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, StopIteration)
LISTED = 10  # refused operations that an error names


@dataclass(frozen=True)
class Translation:
    """The models of one program; inputs and outputs bear the program's names and keep their order.

    `prelude`, where there is one, must run in f32 first: it takes some of the program's inputs, and its outputs are
    further inputs of `model`, by name. `rewrites` says how often each pass hit.
    """

    model: ov.Model
    prelude: ov.Model | None
    rewrites: Mapping[str, int]


def translate(program: Program) -> Translation:
    """The program as OpenVINO models, rewritten for speed.

    Raises UnsupportedModelError naming every op without a translator and how often it occurs, or every operation of a
    form that is refused; PackageError where the file contradicts itself.
    """
    program, rewrites = _rewritten(program)
    refuse_missing(program)
    main, prelude = cut_prelude(program)
    return Translation(build_model(main), None if prelude is None else build_model(prelude), rewrites)


def _rewritten(program: Program) -> tuple[Program, dict[str, int]]:
    try:
        return rewrite(program)
    except FAILURES as error:
        refuse_missing(program)
        build_model(program)  # names the operation, if one by itself is to blame
        raise PackageError(f"The program has a form that cannot be rewritten. {_last_line(error)}") from error


def refuse_missing(program: Program) -> None:
    """Raises UnsupportedModelError that lists all ops without a translator, with counts."""
    missing = missing_operations(program)
    if missing:
        listed = ", ".join(f"{kind} ({count})" for kind, count in missing.items())
        raise UnsupportedModelError(f"{len(missing)} kinds of operation cannot be run here: {listed}.")


def build_model(program: Program) -> ov.Model:
    """The program as it stands, one translator call per operation, each output checked against its declaration.

    An operation that is refused yields an open end of the declared type, so that all of them are found in one go.
    """
    context = Context(program)
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
                open_end = op.parameter(partial_shape(value.type.shape), element_type(value.type.dtype))
                context.define(value, open_end.output(0), operation.name)
    if refusals:
        raise UnsupportedModelError(_listing(refusals))
    results = [_result(name, context.lookup(name)) for name in program.outputs]
    return ov.Model(results, parameters, "program")


def _parameter(value: Value) -> Node:
    if None in value.type.shape:
        raise UnsupportedModelError(f"The input {value.name} has a flexible shape ({value.type}); only fixed ones run.")
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
        raise PackageError(f"{where}: yields {len(outputs)} values, the file names {len(operation.outputs)}.")
    for value, output in zip(operation.outputs, outputs, strict=True):
        context.define(value, output, where)


def _listing(refusals: Sequence[str]) -> str:
    """One refusal as it is, or several in one message, up to LISTED of them in full."""
    if len(refusals) == 1:
        return refusals[0]
    more = f" And {len(refusals) - LISTED} more." if len(refusals) > LISTED else ""
    return f"{len(refusals)} operations cannot be run here. {' '.join(refusals[:LISTED])}{more}"


def _listed(made: Output | Sequence[Output]) -> Sequence[Output]:
    return [made] if isinstance(made, Output) else made


def _last_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[-1] if text else f"({type(error).__name__})"
