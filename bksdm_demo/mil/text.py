"""Parser of `model.mil`, the text form of an ML Program that Apple's compiler writes.

Reads both spellings, in any mix: `program(1.0)` with scalars as `tensor<int32, []>(1)`, and `program(1.3)` with
`int32(1)`. One forward pass. Attributes of the program and of functions are skipped. Leaves out nested blocks and
list, tuple and dictionary values, each refused with file, line and column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from bksdm_demo.mil.builder import Argument, Written
from bksdm_demo.mil.elements import SCALARS, numpy_type
from bksdm_demo.mil.program import TensorType, Value
from bksdm_demo.mil.tokens import Tokens

_COMPOUND = frozenset({"list", "dict", "tuple", "state"})
_TRUTH = {"true": True, "false": False}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True)
class TextOperation:
    """One operation as written; `name` is its name attribute, or its first output where it has none."""

    kind: str
    name: str
    outputs: tuple[Value, ...]
    arguments: dict[str, list[Argument]]
    attributes: dict[str, Written]
    start: int  # its first token


@dataclass(frozen=True)
class TextFunction:
    """The head of a function, and the token where its body starts."""

    name: str
    opset: str  # "ios16"
    inputs: tuple[Value, ...]
    body: int


class TextProgram:
    """A file of MIL text. Its functions are found at once, their operations read when asked for.

    Every method raises PackageError with file, line and column.
    """

    def __init__(self, text: str, source: str) -> None:
        self._tokens = Tokens(text, source)
        self.functions = tuple(self._heads())

    def operations(self, function: TextFunction) -> Iterator[TextOperation]:
        """The operations of a function in file order."""
        tokens = self._tokens
        tokens.at = function.body
        while tokens.peek() != "}":
            yield self._operation()

    def outputs(self) -> tuple[str, ...]:
        """The names after a function's last operation."""
        self._tokens.expect("}", "->", "(")
        return tuple(self._tokens.separated(self._tokens.word, ")"))

    def position(self, operation: TextOperation) -> str:
        """Where an operation starts, as "line:column"."""
        return self._tokens.position(operation.start)

    def _heads(self) -> Iterator[TextFunction]:
        tokens = self._tokens
        tokens.expect("program")
        tokens.skip_balanced()  # the version
        if tokens.peek() == "[":
            tokens.skip_balanced()  # who compiled it
        tokens.expect("{")
        while tokens.peek() != "}":
            yield self._head()

    def _head(self) -> TextFunction:
        tokens = self._tokens
        tokens.expect("func")
        name = tokens.word()
        tokens.expect("<")
        opset = tokens.word()
        tokens.expect(">", "(")
        inputs = tuple(tokens.separated(self._declaration, ")"))
        if tokens.peek() == "[":
            tokens.skip_balanced()  # the shapes that flexible inputs may take
        body = tokens.at + 1
        tokens.skip_balanced()
        tokens.expect("->")
        tokens.skip_balanced()
        tokens.expect(";")
        return TextFunction(name, opset, inputs, body)

    def _operation(self) -> TextOperation:
        tokens, start = self._tokens, self._tokens.at
        outputs = [self._declaration()]
        while tokens.peek() == ",":
            tokens.at += 1
            outputs.append(self._declaration())
        tokens.expect("=")
        kind = tokens.word()
        tokens.expect("(")
        arguments = dict(tokens.separated(self._argument, ")"))
        attributes: dict[str, Written] = {}
        if tokens.peek() == "[":
            tokens.at += 1
            attributes = dict(tokens.separated(self._attribute, "]"))
        if tokens.peek() != ";":
            tokens.fail(f"expected ';' after {kind}, found {tokens.peek()!r}; nested operations are not supported")
        tokens.at += 1
        named = attributes.pop("name", None)
        name = named.read().item() if named and named.read else outputs[0].name
        return TextOperation(kind, str(name), tuple(outputs), arguments, attributes, start)

    def _declaration(self) -> Value:
        type_ = self._type()
        return Value(self._tokens.word(), type_)

    def _argument(self) -> tuple[str, list[Argument]]:
        tokens = self._tokens
        key = tokens.word()
        tokens.expect("=")
        if tokens.peek() == "(":
            tokens.at += 1
            return key, list(tokens.separated(self._item, ")"))
        return key, [self._item()]

    def _attribute(self) -> tuple[str, Written]:
        key = self._tokens.word()
        self._tokens.expect("=")
        return key, self._value()

    def _item(self) -> Argument:
        """A value, or the name of one: a name is not followed by a type's or a value's bracket."""
        tokens = self._tokens
        name = tokens.word()
        if tokens.peek() not in ("<", "("):
            return name
        tokens.at -= 1
        return self._value()

    def _type(self) -> TensorType:
        tokens = self._tokens
        kind = tokens.word()
        if kind in SCALARS:
            return TensorType(kind)
        if kind in _COMPOUND:
            tokens.skip_balanced()
            return TensorType(kind)
        if kind != "tensor":
            tokens.at -= 1
            tokens.fail(f"expected a type, found {kind!r}")
        tokens.expect("<")
        dtype = tokens.word()
        if dtype not in SCALARS:
            tokens.at -= 1
            tokens.fail(f"unknown element type {dtype!r}")
        tokens.expect(",", "[")
        shape = tuple(tokens.separated(self._dimension, "]"))
        tokens.expect(">")
        return TensorType(dtype, shape)

    def _dimension(self) -> int | None:
        token = self._tokens.peek()
        if token != "?" and not token.isdecimal():
            self._tokens.fail(f"expected a size or ?, found {token!r}")
        self._tokens.at += 1
        return None if token == "?" else int(token)

    def _value(self) -> Written:
        tokens = self._tokens
        type_ = self._type()
        if type_.dtype in _COMPOUND:
            tokens.fail(f"a {type_.dtype} value; only tensors are supported")
        tokens.expect("(")
        value = Written(type_, blob=self._blob()) if tokens.peek() == "BLOBFILE" else self._literal(type_)
        tokens.expect(")")
        return value

    def _blob(self) -> tuple[str, int]:
        """BLOBFILE(path = ..., offset = ...)"""
        tokens = self._tokens
        tokens.expect("BLOBFILE", "(")
        found = dict(tokens.separated(self._attribute, ")"))
        if set(found) != {"path", "offset"} or any(item.read is None for item in found.values()):
            tokens.fail("a BLOBFILE needs a path and an offset")
        path, offset = (found[key].read().item() for key in ("path", "offset"))  # type: ignore[misc]
        if not isinstance(path, str) or not isinstance(offset, int):
            tokens.fail("a BLOBFILE's path is a string and its offset a whole number")
        return path, offset

    def _literal(self, type_: TensorType) -> Written:
        """The elements of a tensor, row-major; brackets only group them, and some writers drop the outermost."""
        tokens, start = self._tokens, self._tokens.at
        written, depth = [], 0
        while (token := tokens.peek()) != ")":
            depth += (token == "[") - (token == "]")
            if token not in ("[", "]", ","):
                written.append(token)
            tokens.take()
        shape = tuple(dim if dim is not None else -1 for dim in type_.shape)
        try:
            if depth or len(written) != prod(shape):
                raise ValueError(f"{len(written)} elements")
            elements = [_element(token, type_.dtype) for token in written]
            with np.errstate(over="raise"):
                array = np.array(elements, numpy_type(type_.dtype)).reshape(shape)
        except (ValueError, OverflowError, FloatingPointError) as error:
            tokens.at = start
            tokens.fail(f"this is no value of the type {type_} ({error})")
        return Written(type_, read=lambda: array)


def _element(token: str, dtype: str) -> object:
    """One element; floats may be hexadecimal (0x1.8p-3), decimal, inf or nan. ValueError for anything else."""
    if dtype == "string":
        if token[0] != '"' or len(token) < 2:
            raise ValueError(f"{token} instead of a string")
        return _ESCAPE.sub(_unescaped, token[1:-1]) if "\\" in token else token[1:-1]
    if dtype == "bool":
        if token not in _TRUTH:
            raise ValueError(f"{token} instead of true or false")
        return _TRUTH[token]
    if "int" in dtype:
        return int(token)
    return float.fromhex(token) if "x" in token else float(token)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPED.get(code, code)
