"""quantize, dequantize and their fusion, against numpy's statement and coremltools' own folding of constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.errors import PackageError, UnsupportedModelError
from bksdm_demo.mil.program import Program
from bksdm_demo.translate.added_ops import ROUNDING
from bksdm_demo.translate.graph import build_model
from tests.translate.programs import Builder, Const, check_op, run_model, run_program

X = np.random.default_rng(5).normal(0, 3, (2, 3, 4, 5)).astype(np.float32)
HALVES = np.array([-300, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 126.5, 127.5, 300], np.float32)
LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}
ONE: dict[str, Any] = {"scale": np.float32(0.05)}
SHIFTED: dict[str, Any] = {"scale": np.float32(0.05), "zero_point": np.uint8(100)}
EACH: dict[str, Any] = {
    "scale": np.array([0.01, 0.05, 0.2], np.float32),
    "zero_point": np.array([100, 130, 255], np.uint8),
    "axis": 1,
}
GRIDS = {"one scale": ONE, "a zero point": SHIFTED, "scales by channel": EACH, "from the back": EACH | {"axis": -3}}


def across(grid: dict[str, Any], key: str) -> NDArray[np.float32]:
    values = np.asarray(grid.get(key, 0), np.float32)
    return values.reshape(1, -1, 1, 1) if values.ndim else values


def integers(x: NDArray, grid: dict[str, Any], dtype: str) -> NDArray:
    whole = np.round(x / across(grid, "scale")) + across(grid, "zero_point")
    return np.clip(whole, *LIMITS[dtype]).astype(dtype)


def numbers(whole: NDArray, grid: dict[str, Any]) -> NDArray[np.float32]:
    return np.asarray((whole.astype(np.float32) - across(grid, "zero_point")) * across(grid, "scale"), np.float32)


def constants(grid: dict[str, Any], prefix: str = "") -> dict[str, Const]:
    return {(key if key == "axis" else prefix + key): Const(value) for key, value in grid.items()}


def target(grid: dict[str, Any]) -> str:
    return "uint8" if "zero_point" in grid else "int8"


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_quantize_and_dequantize(grid: dict[str, Any]) -> None:
    dtype = target(grid)
    whole = integers(X, grid, dtype)
    assert len(np.unique(whole)) > 50
    check_op("quantize", whole, input=X, output_dtype=dtype, **constants(grid))
    check_op("dequantize", numbers(whole, grid), input=whole, **constants(grid))


@pytest.mark.parametrize("dtype", LIMITS)
def test_halves_go_to_the_even_neighbour_and_the_rest_is_clipped(dtype: str) -> None:
    grid = {"scale": np.float32(1), "zero_point": np.dtype(dtype).type(3)}
    check_op("quantize", integers(HALVES, grid, dtype), input=HALVES, output_dtype=dtype, **constants(grid))


@pytest.mark.reference
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_as_coremltools_computes_constants(grid: dict[str, Any]) -> None:
    utils = pytest.importorskip("coremltools.optimize._utils")
    dtype = target(grid)
    zero_point = across(grid, "zero_point").astype(dtype) if "zero_point" in grid else None
    whole = utils.quantize_by_scale_and_zp(X.copy(), across(grid, "scale"), zero_point, dtype)
    check_op("quantize", whole, input=X, output_dtype=dtype, **constants(grid))
    check_op(
        "dequantize",
        utils.dequantize_by_scale_and_zp(whole, across(grid, "scale"), zero_point),
        input=whole,
        **constants(grid),
    )


def rounding(grid: dict[str, Any], written: dict[str, Any]) -> Program:
    b = Builder()
    x = b.input("x", X.shape, "fp32")
    inputs = constants(grid) | constants(written, "written_")
    return b.program(b.op(ROUNDING, X.shape, "fp32", x=x, output_dtype=target(grid), **inputs))


@pytest.mark.parametrize("int8", [False, True], ids=["floats", "FakeQuantize"])
@pytest.mark.parametrize("written", [None, ONE, SHIFTED], ids=["as read", "one scale", "a zero point"])
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_rounding(grid: dict[str, Any], written: dict[str, Any] | None, int8: bool) -> None:
    program = rounding(grid, grid if written is None else written)
    (made,) = run_model(build_model(program, int8), {"x": X}).values()
    expected = numbers(integers(X, grid, target(grid)), grid if written is None else written)
    np.testing.assert_allclose(made, expected, atol=1e-5 * np.abs(expected).max())


def test_a_negative_scale_is_computed_as_written() -> None:
    """FakeQuantize has no such form."""
    grid = {"scale": np.float32(-0.05)}
    (made,) = run_model(build_model(rounding(grid, grid), int8=True), {"x": X}).values()
    np.testing.assert_allclose(made, numbers(integers(X, grid, "int8"), grid), atol=1e-5)


def refused(**inputs: Any) -> Program:
    b = Builder()
    x = b.input("x", (1, 4), "fp32")
    return b.program(b.op("quantize", (1, 4), "int8", input=x, **inputs))


@pytest.mark.parametrize(
    ("inputs", "error", "words"),
    [
        ({"output_dtype": "int4", "scale": 0.5}, UnsupportedModelError, "'int4' is unknown; there are int8, uint8"),
        ({"output_dtype": "int8"}, PackageError, "scale is absent or zero"),
        ({"output_dtype": "int8", "scale": 0.0}, PackageError, "scale is absent or zero"),
        ({"output_dtype": "int8", "scale": [0.5, 0.5]}, PackageError, "axis is absent"),
        ({"output_dtype": "int8", "scale": [0.5, 0.5], "axis": 2}, PackageError, "axis 2 of 2"),
        ({"output_dtype": "int8", "scale": [0.5, 0.5], "axis": 1}, PackageError, "do not fit"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused(inputs: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run_program(refused(**inputs), {})
