"""Random programs with weight files for property tests, and a check that two programs are equal."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.mil.blob import CODES, WeightFile
from bksdm_demo.mil.builder import Argument, ProgramBuilder, Written
from bksdm_demo.mil.elements import BITS, from_bytes, numpy_type, stored_size
from bksdm_demo.mil.program import OPSETS, Program, TensorType, Value

WEIGHT_FILE = "@model_path/weights/weight.bin"
_NUMBERS = sorted(BITS)
_STORABLE = sorted(CODES.values())
_CHARACTERS = 'ab"\\\n\t\r\x00\x1f\x7f\x85 /;]})({[<>,=é漢\u2028🍎'
_FLOATS = (0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1e-5, 2.0**-24, 6.1e-5)


class RandomProgram:
    """One program of about `size` statements, made from `seed`; its weights go to the file `weights`."""

    def __init__(self, seed: int, size: int, weights: Path) -> None:
        self._random = np.random.RandomState(seed)
        self._records = bytearray(struct.pack("<II", 1, 2).ljust(64, b"\0"))
        self._size = size
        self._file = weights
        self._values: list[str] = []
        self._names = 0

    def program(self) -> Program:
        inputs = [Value(self._name(), self._type(open_dims=True)) for _ in range(self._random.randint(1, 4))]
        self._values += [value.name for value in inputs]
        statements: list[Callable[[ProgramBuilder], None]] = []
        for _ in range(self._size):
            made = (self._const, self._palette, self._joint, self._operation)[
                self._random.choice(4, p=[0.4, 0.1, 0.1, 0.4])
            ]
            statements.append(made())
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_bytes(self._records)
        file = WeightFile.open(self._file)
        builder = ProgramBuilder(lambda name: file, "made up")
        for value in inputs:
            builder.input(value)
        for add in statements:
            add(builder)
        return Program(
            inputs=tuple(inputs),
            outputs=tuple(self._chosen(3)),
            operations=tuple(builder.operations),
            constants=builder.constants,
            opset=str(self._random.choice(list(OPSETS.values()))),
            extra={"function": "main", "functions": ["main"]},
        )

    def _const(self) -> Callable[[ProgramBuilder], None]:
        name, value = self._name(), self._written()
        self._values.append(name)
        return lambda builder: builder.operation("const", name, [Value(name, value.type)], {}, {"val": value})

    def _palette(self) -> Callable[[ProgramBuilder], None]:
        name, bits = self._name(), int(self._random.choice([1, 2, 4, 6, 8]))
        shape = self._shape()
        self._values.append(name)
        operands = {
            "indices": self._stored(TensorType("uint8", (stored_size(f"uint{bits}", math.prod(shape)),))),
            "lut": self._stored(TensorType("fp16", (2**bits,))),
            "shape": self._immediate(TensorType("uint32", (len(shape),)), np.array(shape, np.uint32)),
        }
        output = Value(name, TensorType("fp16", shape))
        return lambda builder: builder.operation("constexpr_lut_to_dense", name, [output], {}, operands)

    def _joint(self) -> Callable[[ProgramBuilder], None]:
        """A sparse quantized weight of iOS18: two operations, the first with two outputs."""
        mask = self._random.randint(0, 2, self._shape()).astype(np.uint8)
        count = int(mask.sum())
        where, values, dense = self._name(), self._name(), self._name()
        self._values.append(dense)
        kind = TensorType("uint1", mask.shape)
        first: dict[str, list[Argument]] = {
            "data_mask": [self._immediate(kind, mask)],
            "nonzero_data": [self._stored(TensorType("int4", (count,)))],
            "scale": [
                self._immediate(TensorType("fp16", (1,) * mask.ndim), np.full((1,) * mask.ndim, 0.5, np.float16))
            ],
        }
        outputs = [Value(where, kind), Value(values, TensorType("fp16", (count,)))]

        def add(builder: ProgramBuilder) -> None:
            builder.operation("constexpr_sparse_blockwise_shift_scale", where, outputs, first, {})
            second = {"mask": [where], "nonzero_data": [values]}
            builder.operation(
                "constexpr_sparse_to_dense", dense, [Value(dense, TensorType("fp16", mask.shape))], second, {}
            )

        return add

    def _operation(self) -> Callable[[ProgramBuilder], None]:
        kind = str(self._random.choice(["add", "concat", "ios17.made_up"]))
        name = self._text()
        outputs = [Value(self._name(), self._type(open_dims=True)) for _ in range(self._random.randint(1, 3))]
        arguments: dict[str, list[Argument]] = {
            key: [self._argument() for _ in range(self._random.randint(0, 4))]
            for key in self._random.choice(["x", "y", "values", "_z9"], self._random.randint(0, 4), replace=False)
        }
        attributes = {"mode": self._written()} if self._random.rand() < 0.2 else {}
        self._values += [output.name for output in outputs]
        return lambda builder: builder.operation(kind, name, outputs, arguments, attributes)

    def _argument(self) -> Argument:
        return self._written() if self._random.rand() < 0.3 else self._chosen(1)[0]

    def _chosen(self, most: int) -> list[str]:
        return [str(name) for name in self._random.choice(self._values, self._random.randint(1, most + 1))]

    def _written(self) -> Written:
        if self._random.rand() < 0.3:
            return self._stored(TensorType(str(self._random.choice(_STORABLE)), self._shape()))
        type_ = TensorType(str(self._random.choice([*_NUMBERS, "string"])), self._shape())
        return self._immediate(type_, self._array(type_))

    def _immediate(self, type_: TensorType, array: NDArray) -> Written:
        return Written(type_, read=lambda: array)

    def _stored(self, type_: TensorType) -> Written:
        """A record of the weight file, filled at random."""
        offset, count = len(self._records), math.prod(dim or 0 for dim in type_.shape)
        size = stored_size(type_.dtype, count)
        code = next(code for code, name in CODES.items() if name == type_.dtype)
        padding = size * 8 - count * BITS[type_.dtype]
        self._records += struct.pack("<IIQQQ", 0xDEADBEEF, code, size, offset + 64, padding).ljust(64, b"\0")
        self._records += self._random.bytes(size).ljust(-(-size // 64) * 64, b"\0")
        return Written(type_, blob=(WEIGHT_FILE, offset))

    def _array(self, type_: TensorType) -> NDArray:
        shape = tuple(dim or 0 for dim in type_.shape)
        count = math.prod(shape)
        if type_.dtype == "string":
            return np.array([self._text() for _ in range(count)], object).reshape(shape)
        if type_.dtype == "bool":
            return np.asarray(self._random.rand(*shape) < 0.5)
        raw = np.frombuffer(self._random.bytes(stored_size(type_.dtype, count)), np.uint8)
        array = from_bytes(raw, type_.dtype, count).astype(numpy_type(type_.dtype)).reshape(shape)
        if array.dtype.kind != "f":
            return array
        array = np.where(np.isnan(array), array.dtype.type(np.nan), array)  # a payload has no text
        special = self._random.choice(_FLOATS, shape).astype(array.dtype)
        return np.where(self._random.rand(*shape) < 0.3, special, array)

    def _type(self, open_dims: bool) -> TensorType:
        shape = tuple(None if open_dims and self._random.rand() < 0.05 else dim for dim in self._shape())
        return TensorType(str(self._random.choice(_NUMBERS)), shape)

    def _shape(self) -> tuple[int, ...]:
        return tuple(
            int(dim)
            for dim in self._random.choice([0, 1, 2, 3, 4], self._random.randint(0, 4), p=[0.05, 0.35, 0.2, 0.2, 0.2])
        )

    def _name(self) -> str:
        self._names += 1
        return str(self._random.choice(["x_", "Y.", "_"])) + str(self._names)

    def _text(self) -> str:
        return "".join(self._random.choice(list(_CHARACTERS), self._random.randint(0, 8)))


def mixed(text: str, seed: int) -> str:
    """Text of the older spelling in which every other scalar type is spelled as in the newer one, by chance."""
    random = np.random.RandomState(seed)
    outside_strings = re.compile(r'("(?:[^"\\]|\\.)*")|tensor<(\w+), \[\]>')
    return outside_strings.sub(
        lambda found: found[2] if found[2] and random.rand() < 0.5 else found[0],
        text,
    )


def assert_same(ours: Program, theirs: Program) -> None:
    """Equal in everything the text can say, every array bit for bit."""
    assert (ours.inputs, ours.outputs, ours.opset) == (theirs.inputs, theirs.outputs, theirs.opset)
    assert ours.operations == theirs.operations
    assert list(ours.constants) == list(theirs.constants)
    for name, constant in theirs.constants.items():
        same = ours.constants[name]
        assert (same.type, same.encoding, same.stored_bytes) == (
            constant.type,
            constant.encoding,
            constant.stored_bytes,
        )
        one, other = same.array(), constant.array()
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tolist() == other.tolist() if one.dtype == object else one.tobytes() == other.tobytes()
