"""Reading the inputs of an operation, and checking each value against its declared type."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
import pytest

from bksdm_demo.errors import PackageError, UnsupportedModelError
from bksdm_demo.mil.program import Operation, Program, TensorType, Value
from bksdm_demo.translate.context import MOST_UNDECLARED, Context, constant_node, element_type
from tests.translate.programs import Builder


def operation(**inputs: Any) -> tuple[Context, Operation]:
    b = Builder()
    b.input("x", (2, 3))
    ref = b.op("relu", (2, 3), **inputs)
    program = b.program(ref)
    return Context(program), program.operations[0]


@pytest.mark.parametrize(
    ("mil", "running"),
    [("fp16", "f32"), ("fp32", "f32"), ("int32", "i32"), ("uint16", "i32"), ("int8", "i32"), ("bool", "boolean")],
)
def test_type_policy(mil: str, running: str) -> None:
    assert element_type(mil).to_string() == running


def test_text_is_no_number() -> None:
    with pytest.raises(UnsupportedModelError, match="string"):
        element_type("string")


def test_constants_as_plain_data() -> None:
    context, op = operation(a=[1, -2], b=3, c=0.5, d="EXACT", e=np.bool_(True), f=np.ones((2, 2), np.float16))
    assert context.ints(op, "a") == [1, -2]
    assert context.integer(op, "b") == 3
    assert context.number(op, "c") == 0.5
    assert context.text(op, "d") == "EXACT"
    assert context.flag(op, "e", False) is True
    floats = context.floats(op, "f")
    assert floats is not None
    assert floats.dtype == np.float32


def test_defaults_of_absent_keys() -> None:
    context, op = operation()
    assert context.ints(op, "a", [7]) == [7]
    assert context.integer(op, "a", 0) == 0
    assert context.flag(op, "a", False) is False
    assert context.floats(op, "a") is None
    assert context.optional(op, "a") is None
    with pytest.raises(PackageError, match="relu op_0: the required input a is absent"):
        context.integer(op, "a")
    with pytest.raises(PackageError, match="needs 1 value, not 0"):
        context.value(op, "a")


def test_an_undefined_value_is_named() -> None:
    program = Program((), ("ghost",), (), {})
    with pytest.raises(PackageError, match="'ghost'"):
        Context(program).lookup("ghost")


@pytest.mark.parametrize(
    "declared", [TensorType("fp16", (2, 4)), TensorType("int32", (2, 3)), TensorType("fp16", (6,))]
)
def test_a_value_of_another_type_than_declared_is_refused(declared: TensorType) -> None:
    context, _ = operation()
    made = ov.opset13.parameter([2, 3], ov.Type.f32).output(0)
    with pytest.raises(PackageError, match=r"relu r: output y is f32\[2,3\], but the file declares"):
        context.define(Value("y", declared), made, "relu r")


@pytest.mark.parametrize("shape", [(2, 3), (None, 3), (None, None)])
def test_open_dimensions_fit_any_size(shape: tuple[int | None, ...]) -> None:
    context, _ = operation()
    made = ov.opset13.parameter([2, 3], ov.Type.f32).output(0)
    context.define(Value("y", TensorType("fp32", shape)), made, "relu r")
    assert context.lookup("y") == made


@pytest.mark.parametrize("shape", [(None, 2), (None, None)])
def test_an_open_dimension_does_not_evade_the_memory_estimate(shape: tuple[int | None, ...]) -> None:
    context, _ = operation()
    made = ov.opset13.parameter([MOST_UNDECLARED // 2 + 1, 2], ov.Type.f32).output(0)
    with pytest.raises(PackageError, match=r"relu r: output y is .*a value of open size"):
        context.define(Value("y", TensorType("fp32", shape)), made, "relu r")
    context.define(Value("y", TensorType("fp32", (MOST_UNDECLARED // 2 + 1, 2))), made, "relu r")
    small = ov.opset13.parameter([MOST_UNDECLARED // 2, 2], ov.Type.f32).output(0)
    context.define(Value("z", TensorType("fp32", shape)), small, "relu r")


@pytest.mark.parametrize(("axis", "expected"), [(0, 0), (2, 2), (-1, 2), (-3, 0)])
def test_axes_count_from_the_front(axis: int, expected: int) -> None:
    context, op = operation(axis=axis, axes=[axis, 1])
    assert context.axis(op, "axis", 3) == expected
    assert context.axes(op, "axes", 3) == [expected, 1]


@pytest.mark.parametrize("axis", [3, -4, 2**31 - 1])
def test_an_axis_out_of_range_is_refused(axis: int) -> None:
    context, op = operation(axis=axis, axes=[0, axis])
    with pytest.raises(PackageError, match=rf"relu op_0: axis names the axis {axis} of 3"):
        context.axis(op, "axis", 3)
    with pytest.raises(PackageError, match=rf"relu op_0: axes names the axis {axis} of 3"):
        context.axes(op, "axes", 3)


@pytest.mark.parametrize("size", [3, 3000])
@pytest.mark.parametrize("writeable", [True, False])
def test_a_half_precision_constant_survives_its_array(size: int, writeable: bool) -> None:
    array = np.arange(size).astype(np.float16)
    array.flags.writeable = writeable
    node = constant_node(array)
    expected = array.astype(np.float32)
    del array
    compiled = ov.Core().compile_model(ov.Model([node], [], "constant"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    np.testing.assert_array_equal(compiled([])[0], expected)


def test_an_integer_beyond_32_bits_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="32 bits"):
        constant_node(np.array([2**40]))
