"""Ops on single elements, against numpy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.errors import UnsupportedModelError
from tests.translate.programs import Builder, Const, check_op, run_program

X = np.random.default_rng(1).normal(0, 2, (2, 3, 4)).astype(np.float32)
POSITIVE = np.abs(X) + np.float32(0.01)
ERF = np.vectorize(math.erf)


@pytest.mark.parametrize("shape", [(2, 3, 4), (24,), ()])
@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("abs", np.abs),
        ("ceil", np.ceil),
        ("cos", np.cos),
        ("erf", lambda x: ERF(x).astype(np.float32)),
        ("exp", np.exp),
        ("exp2", np.exp2),
        ("floor", np.floor),
        ("identity", lambda x: x),
        ("sign", np.sign),
        ("sin", np.sin),
        ("square", np.square),
        ("tanh", np.tanh),
    ],
)
def test_plain(kind: str, statement: Callable[[NDArray], NDArray], shape: tuple[int, ...]) -> None:
    x = X.reshape(shape) if shape else X[0, 0, 0]
    x = np.asarray(x)
    check_op(kind, np.asarray(statement(x), np.float32), x=x)


def test_sqrt() -> None:
    check_op("sqrt", np.sqrt(POSITIVE), x=POSITIVE)


@pytest.mark.parametrize("epsilon", [1e-5, 0.25])
def test_epsilon_is_added_inside(epsilon: float) -> None:
    check_op("rsqrt", 1 / np.sqrt(POSITIVE + epsilon), x=POSITIVE, epsilon=Const(np.float32(epsilon)))
    check_op("inverse", 1 / (POSITIVE + epsilon), x=POSITIVE, epsilon=Const(np.float32(epsilon)))
    check_op("log", np.log(POSITIVE + epsilon), x=POSITIVE, epsilon=Const(np.float32(epsilon)))


def test_epsilon_defaults() -> None:
    check_op("rsqrt", 1 / np.sqrt(POSITIVE), x=POSITIVE)
    check_op("inverse", 1 / (POSITIVE + np.float32(1e-4)), x=POSITIVE)
    check_op("log", np.log(POSITIVE), x=POSITIVE)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 0.5), (0.0, math.inf), (-math.inf, 1.0)])
def test_clip(low: float, high: float) -> None:
    check_op("clip", np.clip(X, low, high), x=X, alpha=Const(np.float16(low)), beta=Const(np.float16(high)))


@pytest.mark.parametrize("target", ["int32", "int16", "uint16"])
def test_cast_float_to_integer_truncates(target: str) -> None:
    x = np.array([-2.9, -0.5, 0.0, 0.5, 1.9, 300.7], np.float32)
    x = np.abs(x) if target == "uint16" else x
    check_op("cast", np.trunc(x).astype(target), x=x, dtype=target)


def test_exp2_over_its_whole_range() -> None:
    x = np.array([-np.inf, -200, -126, -0.5, 0, 10.25, 127, 128, np.inf], np.float32)
    with np.errstate(over="ignore"):
        check_op("exp2", np.exp2(x), x=x)
    check_op("exp2", np.array([1, 8, 1024], np.int32), x=np.array([0, 3, 10], np.int32))


def test_cast_between_floats_keeps_the_value() -> None:
    x = np.array([1 / 3, 70000.0], np.float32)  # beyond fp16's precision and range
    check_op("cast", x[:1], x=x[:1], dtype="fp16")
    check_op("cast", x, x=x, dtype="fp32")


def test_cast_to_fp16_overflows_as_in_numpy() -> None:
    x = np.array([0, -0.0, 65504, 65519.996, 65520, -65520, 70000, -3.4e38, np.inf, -np.inf, np.nan], np.float32)
    with np.errstate(over="ignore"):
        finite = np.where(np.isfinite(x.astype(np.float16)), x, x.astype(np.float16))
        check_op("cast", finite, x=x, dtype="fp16")
    whole = np.array([0, 65519, 65520, -70000], np.int32)
    check_op("cast", np.array([0, 65519, np.inf, -np.inf], np.float32), x=whole, dtype="fp16")


def test_a_value_that_fp16_held_already_is_not_compared() -> None:
    builder = Builder()
    x = builder.input("x", (2,))  # fp16 by declaration; it runs in f32
    made = builder.op("cast", (2,), x=x, dtype="fp16")
    beyond = np.array([70000, 1], np.float32)
    np.testing.assert_array_equal(run_program(builder.program(made), {"x": beyond})[made.name], beyond)


def test_cast_to_and_from_bool() -> None:
    x = np.array([-0.5, 0.0, 0.25, 3.0], np.float32)
    check_op("cast", x != 0, x=x, dtype="bool")
    check_op("cast", np.array([7, 0, -1]) != 0, x=np.array([7, 0, -1], np.int32), dtype="bool")
    check_op("cast", np.array([1, 0], np.float32), x=np.array([True, False]), dtype="fp16")
    check_op("cast", np.array([1, 0], np.int32), x=np.array([True, False]), dtype="int32")


def test_cast_integer_to_float() -> None:
    x = np.array([-3, 0, 49407], np.int32)
    check_op("cast", x.astype(np.float32), x=x, dtype="fp32")


def test_cast_to_an_unknown_type_is_refused() -> None:
    builder = Builder()
    x = builder.input("x", (1,))
    with pytest.raises(UnsupportedModelError, match="fp8"):
        run_program(builder.program(builder.op("cast", (1,), x=x, dtype="fp8")), {})


def test_logical_not() -> None:
    check_op("logical_not", np.array([False, True]), x=np.array([True, False]))
