"""Attention over whole heads: one hit in two spellings, near misses that must stay literal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest

from bksdm_demo.mil.program import Program
from bksdm_demo.translate.added_ops import MULTI_HEAD
from bksdm_demo.translate.passes.attention_matmul import fuse_matmul_attention
from tests.translate.programs import Builder, random_arrays, run_program

TOLERANCE = 1e-5
BATCH, CHANNELS, HEADS, QUERIES, KEYS = 2, 12, 3, 6, 6
WIDTH = CHANNELS // HEADS


@dataclass(frozen=True)
class Form:
    scale: float = WIDTH**-0.5
    scale_first: bool = False
    softmax: int = 3
    masked: bool = False
    turned: tuple[bool, bool] = (True, False)  # of query and key
    mixing: tuple[bool, bool] = (False, True)  # of value and weights
    computed_scale: bool = False
    value_heads: int = HEADS
    folded: tuple[int, ...] = (BATCH, CHANNELS, 1, QUERIES)  # the result
    split_tokens: bool = False  # heads cut from another layout of the query


def site(form: Form) -> Program:
    b = Builder()
    query = b.input("query", (BATCH, CHANNELS, 1, QUERIES))
    key, value = (b.input(name, (BATCH, CHANNELS, 1, KEYS)) for name in ("key", "value"))
    if form.split_tokens:  # the reshape mixes channels and tokens
        query = b.op("transpose", (BATCH, QUERIES, 1, CHANNELS), x=query, perm=[0, 3, 2, 1])
    q = b.op("reshape", (BATCH, HEADS, WIDTH, QUERIES), x=query, shape=[BATCH, HEADS, WIDTH, -1])
    k = b.op("reshape", (BATCH, HEADS, WIDTH, KEYS), x=key, shape=[BATCH, HEADS, WIDTH, -1])
    width = CHANNELS // form.value_heads
    v = b.op("reshape", (BATCH, form.value_heads, width, KEYS), x=value, shape=[BATCH, form.value_heads, width, -1])
    size = QUERIES if form.turned == (True, False) else WIDTH
    flags = dict(zip(("transpose_x", "transpose_y"), map(np.bool_, form.turned), strict=True))
    scores = b.op("matmul", (BATCH, HEADS, size, KEYS if size == QUERIES else WIDTH), x=q, y=k, **flags)
    factor: object = np.float16(form.scale)
    if form.computed_scale:
        factor = b.op("exp", (), x=np.float16(np.log(form.scale)))
    both = {"x": factor, "y": scores} if form.scale_first else {"x": scores, "y": factor}
    scaled = b.op("mul", scores.shape, **both)
    if form.masked:
        scaled = b.op("add", scores.shape, x=scaled, y=np.zeros((1, 1, 1, scores.shape[-1]), np.float16))
    weights = b.op("softmax", scores.shape, x=scaled, axis=form.softmax)
    flags = dict(zip(("transpose_x", "transpose_y"), map(np.bool_, form.mixing), strict=True))
    mixed = b.op("matmul", (BATCH, form.value_heads, width, QUERIES), x=v, y=weights, **flags)
    folded = b.op("reshape", form.folded, x=mixed, shape=list(form.folded))
    return b.program(b.op("identity", folded.shape, x=folded))


HIT = Form()


@pytest.mark.parametrize("form", [HIT, replace(HIT, scale_first=True), replace(HIT, softmax=-1)])
def test_hit(form: Form) -> None:
    program = site(form)
    fused, count = fuse_matmul_attention(program)
    assert count == 1
    assert Counter(operation.kind for operation in fused.operations) == {MULTI_HEAD: 1, "identity": 1}
    arrays = random_arrays(program)
    (before,), (after,) = run_program(program, arrays).values(), run_program(fused, arrays).values()
    np.testing.assert_allclose(after, before, atol=TOLERANCE)
    assert fuse_matmul_attention(fused) == (fused, 0)


MISSES = {
    "another scale": replace(HIT, scale=0.3),
    "a computed scale": replace(HIT, computed_scale=True),
    "a mask": replace(HIT, masked=True),
    "softmax over the queries": replace(HIT, softmax=2),
    "scores between channels": replace(HIT, turned=(False, True)),
    "weights not turned": replace(HIT, mixing=(False, False)),
    "other heads for the values": replace(HIT, value_heads=6),
    "folded into another shape": replace(HIT, folded=(BATCH, CHANNELS * 2, 1, QUERIES // 2)),
    "folded into a picture": replace(HIT, folded=(BATCH, CHANNELS, 2, QUERIES // 2)),
    "heads that mix channels and tokens": replace(HIT, split_tokens=True),
}


@pytest.mark.parametrize("form", MISSES.values(), ids=MISSES)
def test_near_miss(form: Form) -> None:
    program = site(form)
    assert fuse_matmul_attention(program) == (program, 0)
