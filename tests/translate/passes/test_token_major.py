"""Token-major blocks: a transformer block in the converters' forms, what stays channel-major, and near misses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from bksdm_demo.mil.program import Program
from bksdm_demo.translate.added_ops import MULTI_HEAD, ROUNDING
from bksdm_demo.translate.passes.token_major import run_token_major
from tests.translate.programs import Builder, Ref, random_arrays, run_program

TOLERANCE = 2e-5
BATCH, CHANNELS, HEIGHT, WIDTH, WORDS, DEPTH, HEADS = 2, 8, 3, 5, 7, 6, 2
TOKENS = HEIGHT * WIDTH
ROW = (BATCH, CHANNELS, 1, TOKENS)
PICTURE = (BATCH, CHANNELS, HEIGHT, WIDTH)


@dataclass(frozen=True)
class Form:
    """A transformer block; the defaults are what coremltools 9 writes."""

    attends: bool = True
    first_generation: bool = False  # shift and scale as operations
    rows_in: bool = False  # the input is a row, not a picture
    row_out: bool = False
    looks_inside: bool = False  # the row between the attentions is an output as well


class Block:
    """Writes the block with random weights."""

    def __init__(self) -> None:
        self.b = Builder()
        self.random = np.random.default_rng(1)

    def half(self, *shape: int) -> np.ndarray:
        return (self.random.normal(size=shape) / max(1, shape[-3] if len(shape) == 4 else 1) ** 0.5).astype(np.float16)

    def conv(self, x: Ref, channels: int, bias: bool = True, **changed: Any) -> Ref:
        inputs: dict[str, Any] = {"weight": self.half(channels, x.shape[1] or 0, 1, 1), "pad_type": "valid"}
        inputs |= {"strides": [1, 1], "dilations": [1, 1], "groups": 1, "pad": [0, 0, 0, 0]}
        if bias:
            inputs["bias"] = self.half(channels)
        return self.b.op("conv", (x.shape[0], channels, *x.shape[2:]), x=x, **inputs | changed)

    def norm(self, x: Ref, form: Form) -> Ref:
        affine = {} if form.first_generation else {"gamma": self.half(CHANNELS), "beta": self.half(CHANNELS)}
        x = self.b.op("layer_norm", x.shape, x=x, axes=[1], epsilon=np.float16(1e-5), **affine)
        if form.first_generation:
            x = self.b.op("add", x.shape, x=x, y=self.half(1, CHANNELS, 1, 1))
            x = self.b.op("mul", x.shape, x=x, y=self.half(1, CHANNELS, 1, 1))
        return x

    def attention(self, x: Ref, other: Ref, form: Form) -> Ref:
        query, key, value = (self.conv(source, CHANNELS, bias=False) for source in (x, other, other))
        if form.attends:
            mixed = self.b.op(MULTI_HEAD, x.shape, query=query, key=key, value=value, heads=HEADS)
        else:
            mixed = query
        return self.conv(mixed, CHANNELS)

    def write(self, form: Form) -> Program:
        b = self.b
        given, words = b.input("x", ROW if form.rows_in else PICTURE), b.input("words", (BATCH, DEPTH, 1, WORDS))
        x = given if form.rows_in else b.op("reshape", ROW, x=self.conv(given, CHANNELS), shape=list(ROW))
        normal = self.norm(x, form)
        x = between = b.op("add", ROW, x=x, y=self.attention(normal, normal, form))
        x = b.op("add", ROW, x=x, y=self.attention(self.norm(x, form), words, form))
        wide = self.conv(self.norm(x, form), 8 * CHANNELS)
        half = (BATCH, 4 * CHANNELS, 1, TOKENS)
        value, gate = b.ops("split", [half, half], x=wide, axis=1, split_sizes=[4 * CHANNELS, 4 * CHANNELS])
        gated = b.op("mul", half, x=value, y=b.op("gelu", half, x=gate, mode="EXACT"))
        x = b.op("add", ROW, x=x, y=self.conv(gated, CHANNELS))
        if not form.row_out:
            x = self.conv(b.op("reshape", PICTURE, x=x, shape=list(PICTURE)), CHANNELS)
        return b.program(x, between) if form.looks_inside else b.program(x)


def check_same(before: Program, after: Program) -> None:
    arrays = random_arrays(before)
    expected, made = run_program(before, arrays), run_program(after, arrays)
    assert list(expected) == list(made)
    for name, array in expected.items():
        np.testing.assert_allclose(made[name], array, atol=TOLERANCE)


FORMS = {
    "coremltools 9": Form(),
    "coremltools 7": Form(first_generation=True),
    "from row to row": Form(rows_in=True, row_out=True),
    "with a row inside looked at": Form(looks_inside=True),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_whole_block_becomes_token_major(form: Form) -> None:
    program = Block().write(form)
    rewritten, count = run_token_major(program)
    assert count == 1
    check_same(program, rewritten)
    for operation in rewritten.operations:
        if operation.kind in ("linear", "layer_norm", "split", "gelu", MULTI_HEAD):
            assert all(len(value.type.shape) == 3 for value in operation.outputs)
    kinds = Counter(operation.kind for operation in rewritten.operations)
    pictures = (not form.rows_in) + (not form.row_out)
    assert kinds["conv"] == pictures  # those outside the block
    assert kinds["transpose"] == 3 + form.looks_inside  # picture or row in, words in, picture or row out
    assert run_token_major(rewritten) == (rewritten, 0)


def test_a_block_without_attention_stays() -> None:
    program = Block().write(Form(attends=False))
    assert run_token_major(program) == (program, 0)


def test_separate_blocks_are_counted_separately() -> None:
    block = Block()
    given, refs = block.b.input("x", PICTURE), []
    for _ in range(2):
        row = block.b.op("reshape", ROW, x=given, shape=list(ROW))
        refs.append(block.attention(row, row, Form()))
    program = block.b.program(*refs)
    rewritten, count = run_token_major(program)
    assert count == 2
    check_same(program, rewritten)


def conv_with(**changed: Any) -> Callable[[Block, Ref], Ref]:
    return lambda block, x: block.conv(x, CHANNELS, **changed)


def computed(block: Block, x: Ref) -> Ref:
    weight = block.b.op("exp", (CHANNELS, CHANNELS, 1, 1), x=block.half(CHANNELS, CHANNELS, 1, 1))
    return block.conv(x, CHANNELS, weight=weight)


MISSES: dict[str, Callable[[Block, Ref], Ref]] = {
    "a grouped convolution": conv_with(groups=2, weight=np.ones((CHANNELS, CHANNELS // 2, 1, 1), np.float16)),
    "a convolution along the tokens": conv_with(
        weight=np.ones((CHANNELS, CHANNELS, 1, 3), np.float16), pad=[0, 0, 1, 1], pad_type="custom"
    ),
    "computed weights": computed,
    "a norm over the tokens": lambda block, x: block.b.op("layer_norm", ROW, x=x, axes=[3]),
    "a norm over both": lambda block, x: block.b.op("layer_norm", ROW, x=x, axes=[1, 3]),
    "a shift per token": lambda block, x: block.b.op("add", ROW, x=x, y=np.ones((1, 1, 1, TOKENS), np.float16)),
    "a shift per element": lambda block, x: block.b.op("add", ROW, x=x, y=np.ones(ROW, np.float16)),
    "a shift of fewer axes": lambda block, x: block.b.op("add", ROW, x=x, y=np.ones(TOKENS, np.float16)),
    "a computed scale": lambda block, x: block.b.op(
        "mul", ROW, x=x, y=block.b.op("reduce_mean", (BATCH, 1, 1, TOKENS), x=x, axes=[1], keep_dims=True)
    ),
    "a difference": lambda block, x: block.b.op("sub", ROW, x=x, y=block.b.op("relu", ROW, x=x)),
    "a split of tokens": lambda block, x: block.b.op(
        "concat",
        ROW,
        values=block.b.ops("split", [(*ROW[:3], 5), (*ROW[:3], 10)], x=x, axis=3, split_sizes=[5, 10]),
        axis=3,
    ),
}  # fmt: skip


@pytest.mark.parametrize("between", MISSES.values(), ids=MISSES)
def test_operations_without_a_token_major_form_get_rows(between: Callable[[Block, Ref], Ref]) -> None:
    """In the middle of a block; the two attentions around it go over all the same."""
    block = Block()
    x = block.b.input("x", ROW)
    first = block.attention(x, x, Form())
    odd = between(block, first)
    program = block.b.program(block.attention(odd, odd, Form()))
    rewritten, count = run_token_major(program)
    assert count == 2
    literal = {operation.name for operation in rewritten.operations if operation in program.operations}
    last = next(operation for operation in program.operations if operation.outputs[0].name == odd.name)
    assert last.name in literal
    check_same(program, rewritten)
    assert run_token_major(rewritten) == (rewritten, 0)


@pytest.mark.parametrize("shown", [False, True])
def test_a_reshape_to_the_same_row_is_no_picture(shown: bool) -> None:
    """It has the shape of a picture of one line."""
    block = Block()
    x = block.b.input("x", ROW)
    idle = block.b.op("reshape", ROW, x=block.attention(x, x, Form()), shape=list(ROW))
    last = block.attention(idle, idle, Form())
    program = block.b.program(last, idle) if shown else block.b.program(last)
    rewritten, count = run_token_major(program)
    assert count == 2
    check_same(program, rewritten)


def test_a_channel_scale_standing_first() -> None:
    block = Block()
    x = block.b.input("x", ROW)
    scaled = block.b.op("mul", ROW, x=block.half(1, CHANNELS, 1, 1), y=block.attention(x, x, Form()))
    program = block.b.program(block.b.op("add", ROW, x=np.float16(0.5), y=scaled))
    rewritten, count = run_token_major(program)
    assert count == 1
    check_same(program, rewritten)


@pytest.mark.parametrize("alike", [True, False], ids=["one scale", "scales by channel"])
def test_rounded_rows_move_if_all_channels_are_rounded_alike(alike: bool) -> None:
    b = Builder()
    row = b.input("row", ROW)
    scales: dict[str, Any] = {"scale": 0.05, "written_scale": 0.05}
    if not alike:
        scales = {key: np.full(CHANNELS, 0.05, np.float32) for key in scales} | {"axis": 1}
    rounded = b.op(ROUNDING, ROW, x=row, output_dtype="int8", **scales)
    program = b.program(b.op(MULTI_HEAD, ROW, query=rounded, key=rounded, value=rounded, heads=HEADS))
    moved, count = run_token_major(program)
    shapes = [operation.outputs[0].type.shape for operation in moved.operations if operation.kind == ROUNDING]
    assert (count, shapes) == (1, [(BATCH, TOKENS, CHANNELS) if alike else ROW])
    arrays = random_arrays(program)
    (before,), (after,) = run_program(program, arrays).values(), run_program(moved, arrays).values()
    np.testing.assert_allclose(after, before, atol=TOLERANCE)
