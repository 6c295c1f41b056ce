"""Writes programs as MIL text, the inverse of text.py: reading it gives the same program, every number bit for bit.

Follows the files of Apple's compiler: both its spellings, arguments in alphabetical order, hexadecimal floats, each
constant before the first operation that reads it. Constants whose names are not identifiers (the generated names of
inline values) are written inline again. Text is written line by line and weights stay in their files, so a long program
takes no memory. A NaN keeps its sign, not its payload. Leaves out weight files; compiled_writer.py copies them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, TextIO

from bksdm_demo.errors import UnsupportedModelError
from bksdm_demo.mil.constants import Compressed, Stored
from bksdm_demo.mil.elements import SCALARS
from bksdm_demo.mil.program import OPSETS, Constant, Operation, Program, TensorType, Value

SPELLINGS = ("1.0", "1.3")
NEW_SPELLING = 9  # the first specification version for which Apple's compiler writes 1.3

_IDENTIFIER = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)
_TO_ESCAPE = re.compile(r'["\\\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]')  # also what reorders a line on a terminal
_ESCAPES = {'"': r"\"", "\\": r"\\", "\n": r"\n", "\t": r"\t", "\r": r"\r"}
_OPSET_NAMES = {opset: name for name, opset in OPSETS.items()}
_STRING = TensorType("string")
_OFFSET = TensorType("uint64")


def write_text(functions: Sequence[Program], file: TextIO, spelling: str | None = None) -> None:
    """Write `functions`, each a Program of the same file, line by line to `file`.

    `spelling` is one of SPELLINGS; None chooses by the specification version. Raises UnsupportedModelError for names
    that are not identifiers and values that are not tensors: they have no text form here.
    """
    newest = max((program.specification_version for program in functions), default=0)
    printer = _Printer(spelling or SPELLINGS[newest >= NEW_SPELLING])
    for line in printer.file(functions):
        file.write(line)


class _Printer:
    """Prints in one spelling."""

    def __init__(self, spelling: str) -> None:
        if spelling not in SPELLINGS:
            raise ValueError(f"the spelling {spelling!r}; there are {', '.join(SPELLINGS)}")
        self._spelling = spelling

    def file(self, functions: Sequence[Program]) -> Iterator[str]:
        string = self._type(_STRING)
        yield f'program({self._spelling})\n[buildInfo = dict<{string}, {string}>({{{{"written-by", "bksdm-demo"}}}})]\n'
        yield "{\n"
        for program in functions:
            yield from self._function(program)
        yield "}"

    def _function(self, program: Program) -> Iterator[str]:
        name = _identifier(str(program.extra.get("function", "main")))
        opset = _identifier(_OPSET_NAMES.get(program.opset, program.opset or "ios16"))
        yield f"    func {name}<{opset}>({', '.join(map(self._declaration, program.inputs))}) {{\n"
        for statement in self._statements(program):
            yield f"            {statement};\n"
        yield f"        }} -> ({', '.join(map(_identifier, program.outputs))});\n"

    def _statements(self, program: Program) -> Iterator[str]:
        """All statements; constants keep their order, and each comes before the first operation that reads it."""
        constants = list(program.constants.items())
        places = {name: place for place, (name, _) in enumerate(constants)}
        names = {id(constant): name for name, constant in constants}
        written = 0
        for operation in program.operations:
            reads = [places[name] for names in operation.inputs.values() for name in names if name in places]
            upto = max([written, *(place + 1 for place in reads)])
            while upto < len(constants) and isinstance(last := constants[upto][1], Compressed) and last.output > 0:
                upto += 1  # the other outputs of the same operation
            yield from self._constants(constants[written:upto], names)
            written = upto
            yield self._operation(operation, program.constants)
        yield from self._constants(constants[written:], names)

    def _constants(self, constants: Sequence[tuple[str, Constant]], names: Mapping[int, str]) -> Iterator[str]:
        for place, (name, constant) in enumerate(constants):
            if not _IDENTIFIER.fullmatch(name):
                continue  # written where it is used
            if not isinstance(constant, Compressed):
                declared = self._declaration(Value(name, constant.type))
                yield f"{declared} = const()[name = {self._text(name)}, val = {self._value(constant)}]"
            elif constant.output == 0:
                outputs = [item for item in constants[place : place + 2] if _made_with(item[1], constant)]
                yield self._compressed(constant, outputs, names)

    def _compressed(
        self, constant: Compressed, outputs: Sequence[tuple[str, Constant]], names: Mapping[int, str]
    ) -> str:
        declared = ", ".join(self._declaration(Value(name, output.type)) for name, output in outputs)
        operands = ", ".join(
            f"{_identifier(key)} = {self._operand(item, outputs[0][0], names)}"
            for key, item in sorted(constant.operands.items())
        )
        name = f"name = {self._text(outputs[0][0])}"
        if constant.in_attributes:
            return f"{declared} = {_identifier(constant.kind)}()[{operands}, {name}]"
        return f"{declared} = {_identifier(constant.kind)}({operands})[{name}]"

    def _operand(self, constant: Constant, reader: str, names: Mapping[int, str]) -> str:
        name = names.get(id(constant), "")
        if _IDENTIFIER.fullmatch(name):
            return name
        if isinstance(constant, Compressed):
            raise UnsupportedModelError(
                f"The weight {reader} is decoded from another one that has no name; MIL text cannot say that."
            )
        return self._value(constant)

    def _operation(self, operation: Operation, constants: Mapping[str, Constant]) -> str:
        if not operation.outputs:
            raise UnsupportedModelError(f"{operation.kind} {operation.name} has no output; MIL text cannot say that.")
        arguments = ", ".join(
            f"{_identifier(key)} = {self._items(items, constants)}" for key, items in sorted(operation.inputs.items())
        )
        outputs = ", ".join(map(self._declaration, operation.outputs))
        return f"{outputs} = {_identifier(operation.kind)}({arguments})[name = {self._text(operation.name)}]"

    def _items(self, items: Sequence[str], constants: Mapping[str, Constant]) -> str:
        written = [
            self._value(constants[name]) if name in constants and not _IDENTIFIER.fullmatch(name) else _identifier(name)
            for name in items
        ]
        return written[0] if len(written) == 1 else f"({', '.join(written)})"

    def _declaration(self, value: Value) -> str:
        return f"{self._type(value.type)} {_identifier(value.name)}"

    def _type(self, type_: TensorType) -> str:
        if type_.dtype not in SCALARS:
            raise UnsupportedModelError(
                f"A value of the type {type_.dtype} cannot be written as MIL text; only tensors can."
            )
        if self._spelling != "1.0" and not type_.shape:
            return type_.dtype
        return f"tensor<{type_.dtype}, [{', '.join('?' if dim is None else str(dim) for dim in type_.shape)}]>"

    def _text(self, text: str) -> str:
        return f"{self._type(_STRING)}({_quoted(text)})"

    def _value(self, constant: Constant) -> str:
        type_ = self._type(constant.type)
        if isinstance(constant, Stored):
            offset = f"{self._type(_OFFSET)}({constant.offset})"
            return f"{type_}(BLOBFILE(path = {self._text(constant.file_name)}, offset = {offset}))"
        if isinstance(constant, Compressed):
            raise UnsupportedModelError(f"{constant.where} has no name; MIL text cannot say that.")
        if prod(dim or 0 for dim in constant.type.shape) == 0:
            return f"{type_}([])"
        return f"{type_}({_elements(constant.array().tolist())})"


def _made_with(constant: Constant, other: Compressed) -> bool:
    """Whether both are outputs of one operation."""
    return isinstance(constant, Compressed) and constant.operands is other.operands


def _identifier(name: str) -> str:
    if not _IDENTIFIER.fullmatch(name):
        raise UnsupportedModelError(
            f"{name!r} is not an identifier (letters, digits, _ and .); MIL text cannot spell it."
        )
    return name


def _elements(item: Any) -> str:
    """An element, or nested lists of them: numbers, bools or strings."""
    if isinstance(item, list):
        return f"[{', '.join(map(_elements, item))}]"
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, float):
        return _hexadecimal(item)
    return _quoted(item) if isinstance(item, str) else str(item)


def _hexadecimal(number: float) -> str:
    """C99's shortest form, as Apple's compiler prints it: 0x1.8p-3, -0x1p+0, 0x0p+0, inf, nan."""
    if math.isnan(number):
        return "-nan" if math.copysign(1, number) < 0 else "nan"
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    digits, _, exponent = number.hex().partition("p")
    return f"{digits.rstrip('0').removesuffix('.') if '.' in digits else digits}p{exponent}"


def _quoted(text: str) -> str:
    return f'"{_TO_ESCAPE.sub(_escaped, text)}"'


def _escaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}"
