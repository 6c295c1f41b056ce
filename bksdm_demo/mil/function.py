"""Turns the parsed messages of a model file into a Program: picks the main function and passes each operation on.

Follows MIL.proto, including where exporters differ: values inline or by name, parameters among the inputs or the
attributes. Refuses nested blocks. The builder checks how the operations fit together.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.builder import Argument, OpenWeights, ProgramBuilder, Written
from bksdm_demo.mil.program import Program, Value
from bksdm_demo.mil.schema import Message, check_immediate, immediate_array, tensor_type

MOST_NAMES = 10  # in an error message


def read_function(model: Message, open_weights: OpenWeights, source: str, name: str | None = None) -> Program:
    """The function `name` of `model`, or its main one. Raises PackageError.

    `open_weights` opens a weight file by the name that the model uses.
    """
    name = name or main_name(sorted(model.mlProgram.functions), model.description.defaultFunctionName, source)
    function = model.mlProgram.functions[name]
    if function.opset not in function.block_specializations:
        raise PackageError(
            f"{source}: function {name} has no body for its opset {function.opset!r}; the file is damaged."
        )
    block = function.block_specializations[function.opset]
    builder = ProgramBuilder(open_weights, source)
    inputs = tuple(Value(x.name, tensor_type(x.type, f"{source}: input {x.name}")) for x in function.inputs)
    for value in inputs:
        builder.input(value)
    for position, operation in enumerate(block.operations):
        _add(builder, operation, position, source)
    for output in block.outputs:
        builder.check_known(output, "the function's outputs")
    return Program(
        inputs=inputs,
        outputs=tuple(block.outputs),
        operations=tuple(builder.operations),
        constants=builder.constants,
        opset=function.opset,
        specification_version=model.specificationVersion,
        metadata=dict(model.description.metadata.userDefined),
        extra=_facts(model, name),
    )


def main_name(names: list[str], default: str, source: str) -> str:
    """The name of the model's default function, else of the function "main", else of its only function."""
    for candidate in (default, "main"):
        if candidate in names:
            return candidate
    if len(names) == 1:
        return names[0]
    shown = ", ".join(names[:MOST_NAMES]) or "none at all"
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    raise PackageError(f"{source} has no function called main; it has {shown}{more}.")


def _facts(model: Message, name: str) -> dict[str, Any]:
    about = model.description.metadata
    texts = {
        "description": about.shortDescription,
        "author": about.author,
        "licence": about.license,
        "version": about.versionString,
    }
    default = model.description.defaultFunctionName
    functions = {"function": name, "functions": sorted(model.mlProgram.functions)}
    return functions | {key: text for key, text in {"default_function": default, **texts}.items() if text}


def _add(builder: ProgramBuilder, message: Message, position: int, source: str) -> None:
    name = _operation_name(message, position)
    where = f"{source}: {message.type} {name}"
    if len(message.blocks):
        raise PackageError(f"{where} holds nested operations (control flow), which are not supported.")
    builder.operation(
        kind=message.type,
        name=name,
        outputs=[Value(x.name, tensor_type(x.type, f"{where}: output {x.name}")) for x in message.outputs],
        arguments=_arguments(message, where),
        attributes={
            key: _written(message.attributes[key], f"{where}.{key}")
            for key in sorted(message.attributes)
            if key != "name"
        },
    )


def _arguments(message: Message, where: str) -> Mapping[str, list[Argument]]:
    return {
        key: [
            _written(binding.value, f"{where}.{key}") if binding.WhichOneof("binding") == "value" else binding.name
            for binding in message.inputs[key].arguments
        ]
        for key in sorted(message.inputs)  # protobuf has no order
    }


def _written(value: Message, where: str) -> Written:
    type_ = tensor_type(value.type, where)
    if value.WhichOneof("value") == "blobFileValue":
        return Written(type_, blob=(value.blobFileValue.fileName, value.blobFileValue.offset))
    tensor = check_immediate(value, type_, where)
    return Written(type_, read=partial(immediate_array, tensor, type_, where))


def _operation_name(message: Message, position: int) -> str:
    """The operation's name in the file, else its first output's; it need not be unique."""
    if "name" in message.attributes:
        strings = message.attributes["name"].immediateValue.tensor.strings.values
        if strings and strings[0]:
            return strings[0]
    return message.outputs[0].name if message.outputs else f"operation {position}"
