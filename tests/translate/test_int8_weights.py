"""Weights as whole numbers, and networks of 8-bit weights and values: what OpenVINO then computes, and how exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray

from bksdm_demo.engines.quantization.part import computes_in_int8
from bksdm_demo.mil.constants import Compressed
from bksdm_demo.mil.program import Program, TensorType
from bksdm_demo.translate.graph import build_model, translate
from bksdm_demo.translate.int8_weights import whole_numbers
from bksdm_demo.translate.passes.projections import Rows
from bksdm_demo.translate.passes.rewrite import Added, reshaped
from tests.translate.programs import Builder, Ref, mil_type, run_model

RANDOM = np.random.default_rng(3)
WHOLE = RANDOM.integers(-127, 128, (6, 4, 1, 1)).astype(np.int8)
SCALES = RANDOM.uniform(0.001, 0.01, 6).astype(np.float32)
EXACT = 1e-6  # of the output's range; sums of integers, scaled in float32
STRAYED = 0.02  # share of outputs beyond that: where float32 cannot tell which step is nearer, a place differs by one

needs_int8 = pytest.mark.skipif(not computes_in_int8(), reason="this processor has no dot products of 8-bit integers")


def stored(kind: str, shape: tuple[int, ...] = (6, 4, 1, 1), **operands: Any) -> Compressed:
    items = {key: np.asarray(value) for key, value in operands.items()}
    constants = {key: Added(mil_type(value), value) for key, value in items.items()}
    return Compressed(TensorType("fp32", shape), "affine8", constants, kind, "a weight")


def affine(**changes: Any) -> Compressed:
    operands: dict[str, Any] = {"quantized_data": WHOLE, "scale": SCALES, "zero_point": np.int8(0), "axis": np.int32(0)}
    operands |= changes
    return stored("constexpr_affine_dequantize", **operands)


def blockwise(**changes: Any) -> Compressed:
    operands: dict[str, Any] = {"data": WHOLE, "scale": SCALES.reshape(6, 1, 1, 1)}
    operands |= changes
    return stored("constexpr_blockwise_shift_scale", **operands)


FOUND = {
    "affine": affine(),
    "one scale": affine(scale=np.float32(0.02)),
    "uint8 around 128": affine(quantized_data=(WHOLE.astype(int) + 128).astype(np.uint8), zero_point=np.uint8(128)),
    "blockwise": blockwise(),
    "blockwise with an offset": blockwise(data=WHOLE // 2, offset=np.full((6, 1, 1, 1), 3, np.int8)),
    "as a matrix": reshaped(affine(), (6, 4)),
    "some rows": Rows(reshaped(affine(), (6, 4)), 2, 5),
}


@pytest.mark.parametrize("constant", FOUND.values(), ids=FOUND)
def test_whole_numbers_times_scales_are_the_weight(constant: Any) -> None:
    found = whole_numbers(constant)
    assert found is not None
    whole, scale = found
    assert whole.dtype == np.int8
    assert (whole.shape, scale.shape) == (constant.type.shape, (len(whole), *[1] * (whole.ndim - 1)))
    np.testing.assert_allclose(whole * scale, constant.array(), rtol=1e-6)


NOT_FOUND = {
    "a plain weight": Added(TensorType("fp32", (6, 4)), np.zeros((6, 4), np.float32)),
    "scales by input": affine(scale=SCALES[:4], axis=np.int32(1)),
    "scales by block": blockwise(scale=np.ones((6, 2, 1, 1), np.float32)),
    "a zero point too far off": affine(zero_point=np.int8(-100)),
    "a zero point between": blockwise(offset=np.full((6, 1, 1, 1), 0.5, np.float32)),
    "16 bits": affine(quantized_data=WHOLE.astype(np.int16)),
    "another shape than declared": affine(quantized_data=WHOLE[:, :2]),
    "outputs that a reshape mixes": reshaped(affine(), (4, 6)),
}


@pytest.mark.parametrize("constant", NOT_FOUND.values(), ids=NOT_FOUND)
def test_other_weights_have_none(constant: Any) -> None:
    assert whole_numbers(constant) is None


def to_8_bits(b: Builder, x: Ref, scale: float, dtype: str = "int8") -> Ref:
    whole = b.op("quantize", x.shape, dtype, input=x, scale=np.float32(scale), output_dtype=dtype)
    return b.op("dequantize", x.shape, "fp32", input=whole, scale=np.float32(scale))


def weight(b: Builder, *shape: int) -> Ref:
    random = np.random.default_rng(len(shape))
    whole = random.integers(-127, 128, shape).astype(np.int8)
    scales = random.uniform(0.001, 0.01, shape[0]).astype(np.float32)
    name = f"weight_{len(b.constants)}"
    operands = {"quantized_data": whole, "scale": scales, "zero_point": np.int8(0), "axis": np.int32(0)}
    b.constants[name] = stored("constexpr_affine_dequantize", shape, **operands)
    return Ref(name, shape, "fp32")


def convolutions(b: Builder) -> Ref:
    """3x3, SiLU and 1x1, each of rounded values; the 3x3 yields rounded values too."""
    x = to_8_bits(b, b.input("x", (2, 32, 12, 12), "fp32"), 0.03)
    bias = np.random.default_rng(1).normal(size=64).astype(np.float32)
    x = b.op(
        "conv", (2, 64, 12, 12), "fp32", x=x, weight=weight(b, 64, 32, 3, 3), bias=bias, pad_type="custom", pad=[1] * 4
    )
    x = b.op("silu", x.shape, "fp32", x=to_8_bits(b, x, 0.2))
    return b.op("conv", (2, 32, 12, 12), "fp32", x=to_8_bits(b, x, 0.1, "uint8"), weight=weight(b, 32, 64, 1, 1))


def layer(b: Builder) -> Ref:
    x = to_8_bits(b, b.input("x", (2, 40, 32), "fp32"), 0.03)
    return b.op("linear", (2, 40, 64), "fp32", x=x, weight=weight(b, 64, 32))


def scores(b: Builder) -> Ref:
    """The first einsum of an attention that is rounded throughout."""
    query = to_8_bits(b, b.input("query", (2, 16, 1, 24), "fp32"), 0.03)
    key = to_8_bits(b, b.input("key", (2, 20, 1, 16), "fp32"), 0.02)
    made = b.op("einsum", (2, 20, 1, 24), "fp32", values=[key, query], equation="bkhc,bchq->bkhq")
    return to_8_bits(b, made, 0.3)


NETWORKS = {"convolutions": (convolutions, 2), "a layer": (layer, 1), "scores": (scores, 1)}


def arrays(program: Program) -> dict[str, NDArray]:
    random = np.random.default_rng(8)
    return {
        value.name: random.normal(size=[size or 0 for size in value.type.shape]).astype(np.float32)
        for value in program.inputs
    }


@pytest.mark.parametrize("write", [write for write, _ in NETWORKS.values()], ids=NETWORKS)
def test_integers_give_the_same_numbers(write: Any) -> None:
    b = Builder()
    program = b.program(write(b))
    given = arrays(program)
    (literal,) = run_model(build_model(program), given).values()
    for int8 in (False, computes_in_int8()):
        (made,) = run_model(translate(program, int8).model, given).values()
        assert (np.abs(made - literal) > EXACT * np.ptp(literal)).mean() <= STRAYED


@needs_int8
@pytest.mark.parametrize(("write", "products"), NETWORKS.values(), ids=NETWORKS)
def test_every_product_of_rounded_values_runs_in_integers(write: Any, products: int) -> None:
    b = Builder()
    program = b.program(write(b))
    assert kernels(translate(program, int8=True).model) == [True] * products
    assert kernels(translate(program).model) == [False] * products


def kernels(model: ov.Model) -> list[bool]:
    """For each product that the runtime computes, whether its kernel works on 8-bit integers."""
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    facts = [node.get_rt_info() for node in compiled.get_runtime_model().get_ordered_ops()]
    products = ("Convolution", "FullyConnected", "MatMul")
    return [
        info["primitiveType"].astype(str).lower().endswith("i8")
        for info in facts
        if info["layerType"].astype(str) in products
    ]
