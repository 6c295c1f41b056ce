"""One half of a program of batch 2: the same numbers as in the whole, or no such program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bksdm_demo.mil.model import read_model
from bksdm_demo.mil.program import Constant, Operation, Program, TensorType, Value
from bksdm_demo.translate.one_half import one_half
from bksdm_demo.translate.passes.rewrite import added_int, added_ints, added_text

PARTS = Path(__file__).parent.parent / "golden" / "parts"
FP32 = "fp32"
PAIR = (2, 3, 4)


def program(
    kind: str, shape: tuple[int, ...], settings: Mapping[str, Constant], given: tuple[int, ...] = PAIR
) -> Program:
    """x -> y by one operation with these settings; "y" or "values" among them is a second operand."""
    inputs = {key: (key,) for key in settings if key != "values"}
    operands = {"values": ("x", "x")} if kind in ("concat", "stack", "einsum") else {"x": ("x",)}
    operation = Operation(kind, kind, {**operands, **inputs}, (Value("out", TensorType(FP32, shape)),))
    return Program((Value("x", TensorType(FP32, given)),), ("out",), (operation,), dict(settings))


def floats(*shape: int) -> Constant:
    return replace(added_ints([0]), type=TensorType(FP32, shape), value=np.ones(shape, np.float32))


@pytest.mark.parametrize(
    ("kind", "shape", "settings"),
    [
        ("silu", PAIR, {}),
        ("add", PAIR, {"y": floats(3, 4)}),
        ("add", PAIR, {"y": floats(1, 3, 1)}),
        ("softmax", PAIR, {"axis": added_int(-1)}),
        ("reduce_mean", (2, 1, 1), {"axes": added_ints([1, 2])}),
        ("transpose", (2, 4, 3), {"perm": added_ints([0, 2, 1])}),
        ("concat", (2, 6, 4), {"axis": added_int(1)}),
        ("expand_dims", (2, 1, 3, 4), {"axes": added_ints([1])}),
        ("reshape", (2, 12), {"shape": added_ints([2, 12])}),
        ("slice_by_index", (2, 1, 4), {"begin": added_ints([0, 1, 0]), "end": added_ints([2, 2, 4])}),
        ("matmul", (2, 3, 5), {"y": floats(4, 5)}),
        ("einsum", (2, 4, 4), {"equation": added_text("bij,bik->bjk")}),
    ],
)
def test_operations_that_keep_the_halves_apart(
    kind: str, shape: tuple[int, ...], settings: Mapping[str, Constant]
) -> None:
    halved = one_half(program(kind, shape, settings))
    assert halved is not None
    assert halved.inputs[0].type.shape == (1, 3, 4)
    assert halved.type_of("out").shape == (1, *shape[1:])
    assert one_half(halved) is None  # its batch is 1


@pytest.mark.parametrize(
    ("kind", "shape", "settings"),
    [
        ("add", PAIR, {"y": floats(2, 3, 4)}),  # another number for each half
        ("softmax", PAIR, {"axis": added_int(0)}),
        ("reduce_mean", (1, 3, 4), {"axes": added_ints([0])}),
        ("reduce_mean", (2, 1, 4), {"axes": added_ints([-3])}),
        ("transpose", (3, 2, 4), {"perm": added_ints([1, 0, 2])}),
        ("concat", (4, 3, 4), {"axis": added_int(0)}),
        ("expand_dims", (1, 2, 3, 4), {"axes": added_ints([0])}),
        ("reshape", (6, 4), {"shape": added_ints([6, 4])}),
        ("slice_by_index", (1, 3, 4), {"begin": added_ints([1, 0, 0]), "end": added_ints([2, 3, 4])}),
        ("einsum", (4, 4), {"equation": added_text("bij,bik->jk")}),
        ("einsum", (2, 2), {"equation": added_text("bij,cij->bc")}),
        ("reverse", PAIR, {"axes": added_ints([0])}),  # a kind without a rule
    ],
)
def test_operations_that_mix_the_halves(kind: str, shape: tuple[int, ...], settings: Mapping[str, Constant]) -> None:
    assert one_half(program(kind, shape, settings)) is None


def test_another_batch_stays_whole() -> None:
    assert one_half(program("silu", (3, 4), {}, given=(3, 4))) is None
    assert one_half(program("silu", (1, 4), {}, given=(1, 4))) is None


@pytest.mark.parametrize("name", ["unet_whole", "unet_split"])
def test_weights_are_shared_and_every_value_is_half(name: str) -> None:
    whole = read_model(PARTS / f"{name}.mlpackage")
    halved = one_half(whole)
    assert halved is not None
    assert all(halved.constants[key] is constant for key, constant in whole.constants.items())
    for ours, theirs in zip(halved.operations, whole.operations, strict=True):
        assert [value.type.shape[1:] for value in ours.outputs] == [value.type.shape[1:] for value in theirs.outputs]
        assert {value.type.shape[0] for value in ours.outputs} == {1}
