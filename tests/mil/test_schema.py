"""The message classes load without coremltools itself, and coremltools still works later in the same process."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.program import TensorType
from bksdm_demo.mil.schema import ELEMENT_TYPES, check_immediate, immediate_array, model_kind, parse_model, tensor_type
from tests.mil.samples import GOLDEN, MODEL, operation

DATA = (GOLDEN / "converted.mlpackage" / MODEL).read_bytes()


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_it_loads_neither_coremltools_nor_torch() -> None:
    code = "import sys, bksdm_demo.mil.package; print('coremltools' in sys.modules, 'torch' in sys.modules)"
    assert run(code) == "False False"


@pytest.mark.parametrize("order", ["first", pytest.param("last", marks=pytest.mark.reference)])  # seconds each
def test_lives_beside_the_real_coremltools(order: str) -> None:
    ours, theirs = "import bksdm_demo.mil.schema as schema", "import logging; logging.disable(); import coremltools"
    imports = [ours, theirs] if order == "first" else [theirs, ours]
    path = str(GOLDEN / "converted.mlpackage" / MODEL)
    code = "\n".join(
        [
            *imports,
            f"model = schema.parse_model(open({path!r}, 'rb').read(), 'model')",
            "print(type(model) is coremltools.proto.Model_pb2.Model)",
            f"print(coremltools.utils.load_spec({path!r}) == model)",
        ]
    )
    assert run(code).split() == ["True", "True"]


def test_parses() -> None:
    model = parse_model(DATA, "model")
    assert (model_kind(model), model.specificationVersion) == ("mlProgram", 7)


def test_element_types_have_their_mil_names() -> None:
    names = ["fp16", "fp32", "fp64", "bf16", "fp8e4m3fn", "fp8e5m2", "bool", "string"]
    names += [f"int{bits}" for bits in (4, 8, 16, 32, 64)] + [f"uint{bits}" for bits in (1, 2, 3, 4, 6, 8, 16, 32, 64)]
    assert sorted(ELEMENT_TYPES.values()) == sorted(names)


@pytest.mark.parametrize("cut", [1, 100, len(DATA) // 2, len(DATA) - 1])
def test_truncated_bytes_are_refused(cut: int) -> None:
    with pytest.raises(PackageError, match=r"m\.mlmodel .* truncated"):
        parse_model(DATA[:cut], "m.mlmodel")


@pytest.mark.parametrize(
    ("dtype", "field", "stored", "shape", "expected"),
    [
        ("INT32", "ints", [1, -2], (2,), np.array([1, -2], np.int32)),
        ("INT32", "ints", [7], (), np.array(7, np.int32)),
        ("BOOL", "bools", [True, False], (2,), np.array([True, False])),
        ("FLOAT32", "floats", [0.5], (1, 1), np.array([[0.5]], np.float32)),
        ("FLOAT64", "doubles", [0.1], (), np.array(0.1)),
        ("INT64", "longInts", [2**40], (1,), np.array([2**40])),
        ("FLOAT16", "bytes", np.array([1, 2], "<f2").tobytes(), (2,), np.array([1, 2], np.float16)),
        ("UINT32", "bytes", np.array([3, 4], "<u4").tobytes(), (2,), np.array([3, 4], np.uint32)),
        ("UINT4", "bytes", b"\x21\x03", (3,), np.array([1, 2, 3], np.uint8)),
        ("INT4", "bytes", b"\x8f", (2,), np.array([-1, -8], np.int8)),
        ("FLOAT32", None, None, (0, 3), np.empty((0, 3), np.float32)),
    ],
)
def test_immediate_values(dtype: str, field: str | None, stored: object, shape: tuple, expected: np.ndarray) -> None:
    value = immediate(dtype, field, stored, shape)
    type_ = tensor_type(value.type, "const")
    array = immediate_array(check_immediate(value, type_, "const"), type_)
    assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(array, expected)


def test_a_string_is_a_scalar_str() -> None:
    value = immediate("STRING", "strings", ["custom"], ())
    type_ = tensor_type(value.type, "const")
    assert immediate_array(check_immediate(value, type_, "const"), type_).item() == "custom"


@pytest.mark.parametrize(
    ("dtype", "field", "stored", "shape"),
    [
        ("INT32", "ints", [1, 2], (3,)),
        ("INT32", "ints", [1, 2], ()),
        ("FLOAT16", "bytes", b"123", (2,)),
        ("FLOAT16", "bytes", b"123456", (2,)),
        ("FLOAT32", None, None, ()),
        ("FLOAT32", "floats", [1.0], (None,)),
    ],
)
def test_immediate_values_that_do_not_fit(dtype: str, field: str | None, stored: object, shape: tuple) -> None:
    value = immediate(dtype, field, stored, shape)
    with pytest.raises(PackageError, match="const pad"):
        check_immediate(value, tensor_type(value.type, "const pad"), "const pad")


def test_other_kinds_of_value_are_named() -> None:
    value = immediate("INT32", None, None, (0,))
    value.immediateValue.list.SetInParent()
    with pytest.raises(PackageError, match="is a list value"):
        check_immediate(value, TensorType("int32", (0,)), "const")


def test_open_dimensions_and_other_types() -> None:
    value = immediate("INT32", None, None, (None, 4))
    assert tensor_type(value.type, "x") == TensorType("int32", (None, 4))
    assert str(tensor_type(value.type, "x")) == "int32[?, 4]"
    value.type.listType.SetInParent()
    assert tensor_type(value.type, "x") == TensorType("list")
    value.type.Clear()
    with pytest.raises(PackageError, match="x has no type"):
        tensor_type(value.type, "x")
    value.type.tensorType.dataType = 99
    with pytest.raises(PackageError, match="unknown element type 99"):
        tensor_type(value.type, "x")


def immediate(dtype: str, field: str | None, stored: object, shape: tuple[int | None, ...]) -> Any:
    """A `Value` message with a tensor of the given type, its elements in `field`."""
    model = parse_model(DATA, "model")
    value = operation(model, "const").attributes["val"]
    value.Clear()
    numbers = {name: number for number, name in ELEMENT_TYPES.items()}
    spelling = {"FLOAT16": "fp16", "FLOAT32": "fp32", "FLOAT64": "fp64"}
    value.type.tensorType.dataType = numbers[spelling.get(dtype, dtype.lower())]
    for size in shape:
        dimension = value.type.tensorType.dimensions.add()
        if size is None:
            dimension.unknown.SetInParent()
        else:
            dimension.constant.size = size
    value.immediateValue.tensor.SetInParent()
    if field == "bytes":
        value.immediateValue.tensor.bytes.values = stored
    elif field:
        getattr(value.immediateValue.tensor, field).values.extend(stored)
    keep.append(model)
    return value


keep: list[object] = []  # a message lives as long as the model it is part of
