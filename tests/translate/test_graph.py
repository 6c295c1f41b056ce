"""From a program to a model: missing ops all at once, errors that name the operation, named inputs and outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bksdm_demo.errors import PackageError, UnsupportedModelError
from bksdm_demo.translate import graph
from bksdm_demo.translate.graph import build_model, translate
from tests.translate.programs import Builder, run_model, run_program


def test_missing_operations_are_reported_together() -> None:
    b = Builder()
    x = b.input("x", (2,))
    for kind in ("lstm", "relu", "topk", "lstm"):
        x = b.op(kind, (2,), x=x)
    with pytest.raises(UnsupportedModelError, match=r"2 kinds of operation .*: lstm \(2\), topk \(1\)\."):
        translate(b.program(x))


def test_refused_forms_are_reported_together() -> None:
    b = Builder()
    x = b.input("x", (2, 3))
    x = b.op("gelu", (2, 3), x=x, mode="ROUGHLY")
    x = b.op("relu", (2, 3), x=x)
    x = b.op("cast", (2, 3), x=x, dtype="fp8")
    with pytest.raises(UnsupportedModelError, match=r"^2 operations .* gelu op_0: .*'ROUGHLY'.* cast op_2: .*'fp8'"):
        translate(b.program(x))


def test_a_single_refused_form_is_its_own_message() -> None:
    b = Builder()
    x = b.op("gelu", (2, 3), x=b.input("x", (2, 3)), mode="ROUGHLY")
    with pytest.raises(UnsupportedModelError, match=r"^gelu op_0: the mode 'ROUGHLY' is unknown; there are .*\.$"):
        translate(b.program(x))


def test_many_refused_forms_are_counted() -> None:
    b = Builder()
    x = b.input("x", (2, 3))
    for _ in range(13):
        x = b.op("gelu", (2, 3), x=x, mode="ROUGHLY")
    with pytest.raises(UnsupportedModelError, match=r"^13 operations .* gelu op_9: .* And 3 more\.$"):
        translate(b.program(x))


def test_a_flexible_input_is_refused_by_name() -> None:
    b = Builder()
    program = b.program(b.op("relu", (None, 2), x=b.input("x", (None, 2))))
    with pytest.raises(UnsupportedModelError, match=r"input x has a flexible shape \(fp16\[\?, 2\]\)"):
        translate(program)


def test_a_wrong_declared_shape_names_the_operation() -> None:
    b = Builder()
    program = b.program(b.op("matmul", (2, 5), x=b.input("x", (2, 3)), y=np.ones((3, 4), np.float16)))
    with pytest.raises(PackageError, match=r"matmul op_0: output matmul_0_0 is f32\[2,4\].*fp16\[2, 5\]"):
        translate(program)


def test_inputs_that_do_not_fit_name_the_operation() -> None:
    b = Builder()
    program = b.program(b.op("matmul", (2, 4), x=b.input("x", (2, 3)), y=np.ones((5, 4), np.float16)))
    with pytest.raises(PackageError, match="matmul op_0: the inputs do not fit"):
        translate(program)


BAD = {
    "statistics of other lengths": ("batch_norm", {"mean": np.zeros(3), "variance": np.ones(4)}),
    "text for a number": ("concat", {"axis": "a"}),
    "a list for a number": ("concat", {"axis": [1, 2]}),
    "one gamma for an axis": ("layer_norm", {"axes": [1], "gamma": np.float16(1)}),
    "masks for half the axes": ("slice_by_index", {"begin": [0] * 4, "end": [1] * 4, "begin_mask": np.ones(2, bool)}),
    "no groups": ("conv", {"weight": np.zeros((4, 1, 1, 1), np.float16), "groups": 0}),
    "a weight of one axis": ("conv", {"weight": np.zeros(4, np.float16)}),
    "a huge axis": ("concat", {"axis": 2**31 - 1}),
}


@pytest.mark.parametrize(("kind", "inputs"), BAD.values(), ids=BAD)
def test_contradictions_name_the_operation(kind: str, inputs: dict[str, Any]) -> None:
    """A pass finds some of these, and cannot say which operation is to blame."""
    b = Builder()
    x = b.input("x", (1, 4, 1, 8))
    rows = {"values": [x]} if kind == "concat" else {"x": x}
    with pytest.raises(PackageError, match=f"{kind} op_0: the inputs do not fit the operation") as caught:
        translate(b.program(b.op(kind, x.shape, **rows, **inputs)))
    assert caught.value.__cause__ is not None


def test_a_pass_that_fails_alone_is_an_error_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise StopIteration

    monkeypatch.setattr(graph, "rewrite", fails)
    b = Builder()
    program = b.program(b.op("relu", (2,), x=b.input("x", (2,))))
    with pytest.raises(PackageError, match=r"cannot be rewritten\. \(StopIteration\)"):
        translate(program)


def test_a_wrong_number_of_outputs_names_the_operation() -> None:
    b = Builder()
    first, second = b.ops("relu", [(2,), (2,)], x=b.input("x", (2,)))
    with pytest.raises(PackageError, match="relu op_0: yields 1 values, but the file names 2"):
        translate(b.program(first, second))


def test_inputs_and_outputs_keep_names_and_order() -> None:
    b = Builder()
    first, second = b.input("second", (2,)), b.input("first", (2,))
    total = b.op("add", (2,), x=first, y=second)
    difference = b.op("sub", (2,), x=first, y=second)
    model = translate(b.program(difference, total)).model
    assert [parameter.get_friendly_name() for parameter in model.get_parameters()] == ["second", "first"]
    assert [result.get_friendly_name() for result in model.get_results()] == [difference.name, total.name]
    made = run_model(model, {"second": np.array([5, 7], np.float32), "first": np.array([1, 2], np.float32)})
    np.testing.assert_array_equal(made[difference.name], [4, 5])


def test_an_output_may_be_an_input_a_constant_or_named_twice_in_a_chain() -> None:
    b = Builder()
    x = b.input("x", (2,))
    same = b.op("identity", (2,), x=x)
    constant = b.const(np.array([1.0, 2.0], np.float32))
    given = np.array([3, 4], np.float32)
    made = run_model(build_model(b.program(x, same, constant)), {"x": given})
    np.testing.assert_array_equal(made["x"], given)
    np.testing.assert_array_equal(made[same.name], given)
    np.testing.assert_array_equal(made[constant.name], [1, 2])


def test_layer_norm_of_the_first_converters() -> None:
    """coremltools 6 and 7 write Apple's LayerNorm over axis 1 as nine operations; shift before scale."""
    random = np.random.default_rng(0)
    x = random.normal(2, 3, (2, 8, 1, 5)).astype(np.float32)
    bias, weight = (random.normal(size=(1, 8, 1, 1)).astype(np.float16) for _ in range(2))
    b = Builder()
    ref = b.input("x", x.shape)
    mean = b.op("reduce_mean", (2, 1, 1, 5), x=ref, axes=[1], keep_dims=True)
    centred = b.op("sub", x.shape, x=ref, y=mean)
    squared = b.op("mul", x.shape, x=centred, y=centred)
    variance = b.op("reduce_mean", (2, 1, 1, 5), x=squared, axes=[1], keep_dims=True)
    shifted = b.op("add", (2, 1, 1, 5), x=variance, y=np.float16(1e-5))
    scale = b.op("rsqrt", (2, 1, 1, 5), x=shifted, epsilon=np.float16(6e-8))
    normal = b.op("mul", x.shape, x=centred, y=scale)
    biased = b.op("add", x.shape, x=normal, y=bias)
    made = b.op("mul", x.shape, x=biased, y=weight)
    wide = x.astype(np.float64)
    normal64 = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + float(np.float16(1e-5)))
    (result,) = run_program(b.program(made), {"x": x}).values()
    np.testing.assert_allclose(result, (normal64 + bias) * weight, atol=2e-5)


def test_normalise_of_the_first_converters() -> None:
    """coremltools 6 and 7 write F.normalize as abs, pow, reduce_sum, pow, clip to infinity, tile, real_div."""
    x = np.array([[3.0, -4.0], [0.0, 0.0]], np.float32)
    b = Builder()
    ref = b.input("x", (2, 2))
    powers = b.op("pow", (2, 2), x=b.op("abs", (2, 2), x=ref), y=np.float16(2))
    total = b.op("reduce_sum", (2, 1), x=powers, axes=[-1], keep_dims=True)
    norm = b.op(
        "clip",
        (2, 1),
        x=b.op("pow", (2, 1), x=total, y=np.float16(0.5)),
        alpha=np.float16(1e-6),
        beta=np.float16("inf"),
    )
    made = b.op("real_div", (2, 2), x=ref, y=b.op("tile", (2, 2), x=norm, reps=[1, 2]))
    (result,) = run_program(b.program(made), {"x": x}).values()
    np.testing.assert_allclose(result, np.array([[0.6, -0.8], [0, 0]]), atol=1e-6)
