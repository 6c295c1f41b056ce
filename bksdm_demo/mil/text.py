"""Parses `model.mil`, the text form of an ML Program that Apple's compiler writes.

Reads both spellings, in any mix: `program(1.0)` with scalars as `tensor<int32, []>(1)`, and `program(1.3)` with
`int32(1)`. One forward pass. Skips attributes of the program and of functions. Refuses nested blocks and list, tuple
and dictionary values, naming file, line and column. Nothing here is recursive, so deep nesting does no harm.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.mil.builder import Argument, Written
from bksdm_demo.mil.elements import MOST_DIMENSIONS, SCALARS, check_shape, numpy_type
from bksdm_demo.mil.program import TensorType, Value
from bksdm_demo.mil.tokens import Tokens

_COMPOUND = frozenset({"list", "dict", "tuple", "state"})
_GROUPING = frozenset("[],")
_LONGEST_SIZE = 12  # digits of a dimension
_LIMITS = {
    "fp16": 65520.0,
    "fp32": 2.0**128 - 2.0**103,
    "bf16": 2.0**128 - 2.0**103,
}  # from here on, numbers round to infinity
_NARROW = {"int4": (-8, 7)} | {f"uint{bits}": (0, 2**bits - 1) for bits in (1, 2, 3, 4, 6)}
_TRUTH = {"true": True, "false": False}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*+"')

Item = TypeVar("Item")
Plain = TypeVar("Plain", str, int)


@dataclass(frozen=True)
class TextOperation:
    """One operation as written; `name` is its name attribute, or else its first output."""

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
    """A file of MIL text. It finds the functions at once, and reads their operations on demand.

    Every method raises PackageError with file, line and column.
    """

    def __init__(self, text: str, source: str) -> None:
        self._tokens = Tokens(text, source)
        self._types: dict[tuple[str, ...], TensorType] = {}  # by their tokens, because a program repeats a few types
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
            tokens.skip_balanced()  # the possible shapes of flexible inputs
        body = tokens.at + 1
        tokens.skip_body()
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
        arguments = self._by_key(tokens.separated(self._argument, ")"))
        attributes: dict[str, Written] = {}
        if tokens.peek() == "[":
            tokens.at += 1
            attributes = self._by_key(tokens.separated(self._attribute, "]"))
        if tokens.peek() != ";":
            tokens.fail(f"expected ';' after {kind}, found {tokens.shown()}; nested operations are not supported")
        tokens.at += 1
        named = attributes.pop("name", None)
        name = outputs[0].name if named is None else _only(named, str)
        if name is None:
            tokens.fail(f"the name of {outputs[0].name} is not a string")
        return TextOperation(kind, name, tuple(outputs), arguments, attributes, start)

    def _by_key(self, pairs: list[tuple[str, Item]]) -> dict[str, Item]:
        found = dict(pairs)
        if len(found) < len(pairs):
            self._tokens.fail(f"one of {', '.join(key for key, _ in pairs)} is given twice")
        return found

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
        """A value, or the name of one; the bracket of a type or value follows only a value."""
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
        start = tokens.at
        if kind != "tensor":
            tokens.at -= 1
            tokens.fail(f"expected a type, found {kind!r}")
        try:
            end = tokens.list.index("]", start) + 2
        except ValueError:
            tokens.fail("this type is never closed; the text is truncated")
        if end - start > 2 * MOST_DIMENSIONS + 8:  # more than one sign and one size for each, and brackets
            tokens.fail(f"a tensor of more than {MOST_DIMENSIONS} dimensions")
        key = tuple(tokens.list[start:end])
        known = self._types.get(key)
        if known is None:
            known = self._types[key] = self._tensor_type()
        tokens.at = end
        return known

    def _tensor_type(self) -> TensorType:
        """The rest of a type after "tensor"."""
        tokens = self._tokens
        tokens.expect("<")
        dtype = tokens.word()
        if dtype not in SCALARS:
            tokens.at -= 1
            tokens.fail(f"unknown element type {dtype!r}")
        tokens.expect(",", "[")
        start = tokens.at
        shape = tuple(tokens.separated(self._dimension, "]"))
        try:
            check_shape(shape)
        except ValueError as error:
            tokens.at = start
            tokens.fail(str(error))
        tokens.expect(">")
        return TensorType(dtype, shape)

    def _dimension(self) -> int | None:
        token = self._tokens.peek()
        if token != "?" and not (token.isdecimal() and len(token) <= _LONGEST_SIZE):
            self._tokens.fail(f"expected a size or ?, found {self._tokens.shown()}")
        self._tokens.at += 1
        return None if token == "?" else int(token)

    def _value(self) -> Written:
        tokens = self._tokens
        if tokens.list[tokens.at] == "tensor" or tokens.list[tokens.at] in SCALARS:
            type_ = self._type()
            tokens.expect("(")
            blob = tokens.list[tokens.at] == "BLOBFILE"
            value = Written(type_, blob=self._blob()) if blob else self._literal(type_)
            tokens.expect(")")
            return value
        type_ = self._type()
        tokens.fail(f"a {type_.dtype} value; only tensors are supported")

    def _blob(self) -> tuple[str, int]:
        """BLOBFILE(path = ..., offset = ...)"""
        tokens = self._tokens
        tokens.expect("BLOBFILE", "(")
        found = dict(tokens.separated(self._place, ")"))
        if set(found) != {"path", "offset"}:
            tokens.fail("a BLOBFILE needs a path and an offset")
        path, offset = _only(found["path"], str), _only(found["offset"], int)
        if path is None or offset is None:
            tokens.fail("a BLOBFILE's path is a string and its offset a whole number")
        return path, offset

    def _place(self) -> tuple[str, Written]:
        """One argument of BLOBFILE."""
        tokens = self._tokens
        key = tokens.word()
        tokens.expect("=")
        type_ = self._type()
        if type_.dtype in _COMPOUND:
            tokens.fail(f"a {type_.dtype} value; only tensors are supported")
        tokens.expect("(")
        value = self._literal(type_)
        tokens.expect(")")
        return key, value

    def _literal(self, type_: TensorType) -> Written:
        """The elements of a tensor in row-major order. Brackets only group them; some writers omit the outermost."""
        tokens, start = self._tokens, self._tokens.at
        if tokens.list[start + 1 : start + 2] == [")"]:
            written, balanced = [tokens.take()], True
        else:
            written, balanced = self._bracketed()
        try:
            if not balanced or None in type_.shape or len(written) != prod(dim or 0 for dim in type_.shape):
                raise ValueError(f"{len(written)} elements")
            array = _array(written, type_)
        except (ValueError, OverflowError) as error:
            tokens.at = start
            tokens.fail(f"this is not a value of the type {type_} ({str(error)[:200]})")
        return Written(type_, read=lambda: array)

    def _bracketed(self) -> tuple[list[str], bool]:
        """The tokens before the closing parenthesis, less brackets and commas; and whether the brackets match."""
        tokens = self._tokens
        try:
            end = tokens.list.index(")", tokens.at)
        except ValueError:
            tokens.fail("this value is never closed; the text is truncated")
        body = tokens.list[tokens.at : end]
        tokens.at = end
        written = [token for token in body if token not in _GROUPING]
        return written, body.count("[") == body.count("]")


def _only(value: Written, kind: type[Plain]) -> Plain | None:
    """The single element of an immediate value if it has that type, else None."""
    array = value.read() if value.read else None
    found = array.item() if array is not None and array.size == 1 else None
    return found if isinstance(found, kind) else None


def _array(written: list[str], type_: TensorType) -> NDArray:
    """The elements as an array. ValueError or OverflowError for any that do not fit the type."""
    elements = [_element(token, type_.dtype) for token in written]
    target = numpy_type(type_.dtype)
    limit = _LIMITS.get(type_.dtype)
    if limit and any(limit <= abs(element) < math.inf for element in elements):
        raise OverflowError("overflow")
    array = np.array(elements, target).reshape([dim or 0 for dim in type_.shape])
    if type_.dtype in _NARROW:
        low, high = _NARROW[type_.dtype]
        if array.size and not low <= int(array.min()) <= int(array.max()) <= high:
            raise OverflowError(f"{type_.dtype} goes from {low} to {high}")
    return array


def _element(token: str, dtype: str) -> Any:
    """One element; floats may be hexadecimal (0x1.8p-3), decimal, inf or nan. ValueError for anything else."""
    if dtype == "string":
        if token[0] != '"':
            raise ValueError(f"{token} instead of a string")
        if not _STRING.fullmatch(token):
            raise ValueError("a string that is not closed on its line")
        return _unescape(token[1:-1]) if "\\" in token else token[1:-1]
    if dtype == "bool":
        if token not in _TRUTH:
            raise ValueError(f"{token} instead of true or false")
        return _TRUTH[token]
    if "int" in dtype:
        return int(token)
    number = float.fromhex(token) if "x" in token else float(token)
    if math.isinf(number) and "inf" not in token:
        raise OverflowError("overflow")
    return number


def _unescape(text: str) -> str:
    """The text without its escapes. Characters beyond \\uffff are two escapes; ValueError for one alone."""
    plain = _ESCAPE.sub(_unescaped, text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16")


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPED.get(code, code)
