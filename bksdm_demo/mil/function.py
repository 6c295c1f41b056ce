"""From the messages of a parsed model to a Program: picks the main function and walks its operations once.

Follows MIL.proto: every value is defined before it is used, `const` and `constexpr_*` operations become constants,
inline argument values become constants under generated names. Refuses nested blocks, names that nothing defines and
names defined twice, each with the operation's name. Knows no files: weight files come from the function it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.blob import WeightFile
from bksdm_demo.mil.constants import Immediate, Stored, compressed
from bksdm_demo.mil.program import Constant, Operation, Program, Value
from bksdm_demo.mil.schema import Message, check_immediate, immediate_array, tensor_type

OpenWeights = Callable[[str], WeightFile]


def read_function(model: Message, open_weights: OpenWeights, source: str) -> Program:
    """The main function of `model` as a Program; `open_weights` opens a weight file by the name the model uses."""
    name = _main_name(model, source)
    function = model.mlProgram.functions[name]
    if function.opset not in function.block_specializations:
        raise PackageError(f"{source}: function {name} has no body for its opset {function.opset!r}; it is damaged.")
    block = function.block_specializations[function.opset]
    walk = _Walk(open_weights, source)
    inputs = tuple(walk.input(item) for item in function.inputs)
    for position, operation in enumerate(block.operations):
        walk.operation(operation, position)
    for output in block.outputs:
        walk.check_known(output, "the function's outputs")
    return Program(
        inputs=inputs,
        outputs=tuple(block.outputs),
        operations=tuple(walk.operations),
        constants=walk.constants,
        opset=function.opset,
        specification_version=model.specificationVersion,
        metadata=dict(model.description.metadata.userDefined),
        extra=_facts(model, name),
    )


def _main_name(model: Message, source: str) -> str:
    """The function "main", else the default function that the model names, else its only function."""
    names = sorted(model.mlProgram.functions)
    for candidate in ("main", model.description.defaultFunctionName):
        if candidate in names:
            return candidate
    if len(names) == 1:
        return names[0]
    raise PackageError(f"{source} has no function called main; it has {', '.join(names) or 'none at all'}.")


def _facts(model: Message, name: str) -> dict[str, Any]:
    about = model.description.metadata
    texts = {"author": about.author, "licence": about.license, "version": about.versionString}
    return {
        "function": name,
        "functions": sorted(model.mlProgram.functions),
        "description": about.shortDescription,
        **{key: text for key, text in texts.items() if text},
    }


class _Walk:
    """Collects operations and constants in file order, knowing every name defined so far."""

    def __init__(self, open_weights: OpenWeights, source: str) -> None:
        self.operations: list[Operation] = []
        self.constants: dict[str, Constant] = {}
        self._values: set[str] = set()
        self._open_weights = open_weights
        self._source = source

    def input(self, item: Message) -> Value:
        """An input of the function."""
        value = Value(item.name, tensor_type(item.type, f"{self._source}: input {item.name}"))
        self._define(value.name, "the function's inputs")
        return value

    def operation(self, message: Message, position: int) -> None:
        """Any operation, at its position in the function."""
        outputs = message.outputs
        kind, name = message.type, _operation_name(message, position)
        where = f"{self._source}: {kind} {name}"
        if len(message.blocks):
            raise PackageError(f"{where} holds nested operations (control flow), which are not supported.")
        if kind == "const":
            self._constant(message, where)
            return
        if kind.startswith("constexpr_"):
            self._compressed(message, where)
            return
        inputs = self._inputs(message, outputs[0].name if len(outputs) else name, where)
        values = tuple(Value(out.name, tensor_type(out.type, f"{where}: output {out.name}")) for out in outputs)
        for value in values:
            self._define(value.name, where)
        self.operations.append(Operation(kind, name, inputs, values))

    def check_known(self, name: str, where: str) -> None:
        """Refuses a name that nothing before has defined."""
        if name not in self._values and name not in self.constants:
            raise PackageError(f"{self._source}: {where} refers to {name!r}, which nothing defines; it is damaged.")

    def _define(self, name: str, where: str) -> None:
        if not name or name in self._values or name in self.constants:
            raise PackageError(f"{self._source}: {where} defines {name!r}, which is empty or taken; it is damaged.")
        self._values.add(name)

    def _add_constant(self, name: str, constant: Constant, where: str) -> None:
        self._define(name, where)
        self._values.discard(name)
        self.constants[name] = constant

    def _constant(self, message: Message, where: str) -> None:
        value = _value_of(message, "val")
        if value is None or len(message.outputs) != 1:
            raise PackageError(f"{where} has no value; the file is damaged.")
        self._add_constant(message.outputs[0].name, self._read_value(value, where), where)

    def _compressed(self, message: Message, where: str) -> None:
        if len(message.outputs) != 1:
            raise PackageError(f"{where} has {len(message.outputs)} outputs instead of one; the file is damaged.")
        operands = {}
        for key in {*message.attributes, *message.inputs} - {"name"}:
            value = _value_of(message, key)
            operands[key] = self._read_value(value, f"{where}.{key}") if value else self._named(message, key, where)
        output = message.outputs[0]
        constant = compressed(message.type, tensor_type(output.type, where), operands, where)
        self._add_constant(output.name, constant, where)

    def _named(self, message: Message, key: str, where: str) -> Constant:
        """A constant operand given by name."""
        name = message.inputs[key].arguments[0].name if message.inputs[key].arguments else ""
        if name not in self.constants:
            raise PackageError(f"{where}: its {key} {name!r} is no constant; the file is damaged.")
        return self.constants[name]

    def _inputs(self, message: Message, prefix: str, where: str) -> Mapping[str, tuple[str, ...]]:
        inputs = {}
        for key, argument in message.inputs.items():
            names = []
            for place, binding in enumerate(argument.arguments):
                if binding.WhichOneof("binding") == "value":
                    names.append(self._inline(binding.value, f"{prefix}%{key}%{place}", where))
                else:
                    self.check_known(binding.name, f"{where}: {key}")
                    names.append(binding.name)
            inputs[key] = tuple(names)
        for key in message.attributes:
            if key != "name" and key not in inputs:  # some exporters keep plain parameters here
                inputs[key] = (self._inline(message.attributes[key], f"{prefix}%{key}", where),)
        return inputs

    def _inline(self, value: Message, name: str, where: str) -> str:
        self._add_constant(name, self._read_value(value, f"{where}: {name}"), where)
        return name

    def _read_value(self, value: Message, where: str) -> Constant:
        type_ = tensor_type(value.type, where)
        if value.WhichOneof("value") == "blobFileValue":
            blob = value.blobFileValue
            file = self._open_weights(blob.fileName)
            file.payload(blob.offset, type_, where)  # a bad weight is found now, not when it is used
            return Stored(type_, file, blob.offset, where)
        tensor = check_immediate(value, type_, where)
        return Immediate(type_, partial(immediate_array, tensor, type_))


def _operation_name(message: Message, position: int) -> str:
    """The name the file gives, else the first output's; unique only together with the outputs."""
    if "name" in message.attributes:
        strings = message.attributes["name"].immediateValue.tensor.strings.values
        if strings and strings[0]:
            return strings[0]
    return message.outputs[0].name if message.outputs else f"operation {position}"


def _value_of(message: Message, key: str) -> Message | None:
    """The value of a parameter, wherever the exporter put it; None where it is absent or given by name."""
    if key in message.attributes:
        return message.attributes[key]
    if key in message.inputs and message.inputs[key].arguments:
        binding = message.inputs[key].arguments[0]
        return binding.value if binding.WhichOneof("binding") == "value" else None
    return None
