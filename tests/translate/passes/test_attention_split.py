"""Split attention: hits in all the forms converters write, near misses that must stay literal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest

from bksdm_demo.mil.program import Program
from bksdm_demo.translate.added_ops import MULTI_HEAD
from bksdm_demo.translate.passes.attention_split import fuse_split_attention
from tests.translate.programs import Builder, Ref, random_arrays, run_program

TOLERANCE = 1e-5
BATCH, CHANNELS, HEADS, QUERIES, KEYS = 2, 12, 3, 10, 7
WIDTH = CHANNELS // HEADS
STORED = ("bkhc,bchq->bkhq", "bchk,bkhq->bchq", True)  # as converters store them; the key and the value stand first
WRITTEN = ("bchq,bkhc->bkhq", "bkhq,bchk->bchq", False)  # as Apple's Python has them
LETTERS = ("nkuc, ncum -> nkum", "ncuk, nkum -> ncum", True)  # the letters mean nothing


@dataclass(frozen=True)
class Form:
    """One way to write the same attention; the defaults are a hit, and each near miss changes one thing."""

    chunks: tuple[tuple[int, int], ...] = ((0, 4), (4, 8), (8, 10))
    order: tuple[int, ...] = (0, 1, 2)  # in which the heads are joined
    value_order: tuple[int, ...] = (0, 1, 2)  # which value slice each head mixes
    key_order: tuple[int, ...] = (0, 1, 2)
    slices: tuple[tuple[int, int], ...] = ((0, 4), (4, 8), (8, 12))
    equations: tuple[str, str, bool] = STORED
    scale: float = WIDTH**-0.5
    scale_first: bool = False
    perm: tuple[int, ...] = (0, 3, 2, 1)
    softmax: int | None = 1
    by_split: bool = False
    masked: bool = False
    second_value: bool = False  # the last head mixes another tensor
    key_tokens: int = 99  # how many keys the heads look at
    stride: int = 1
    batch_keys: int = BATCH
    computed_scale: bool = False
    interleave: bool = False
    keys: int = KEYS
    last_scale: float | None = None  # of the last chunk of each head
    softmax_written_out: bool = False
    rounded: bool = False  # query, key and value, to 8 bits


HIT = Form()


def part(b: Builder, x: Ref, axis: int, bounds: tuple[int, int], stride: int = 1) -> Ref:
    """x[bounds] along an axis, the other axes freed by masks, with junk under them as coremltools 9 writes it."""
    start, stop = bounds
    shape = list(x.shape)
    shape[axis] = (stop - start + stride - 1) // stride
    begin, end, strides = [0, 0, 0, 0], [2, 40, 1, 1], [1, 1, 1, 1]
    begin[axis], end[axis], strides[axis] = start, stop, stride
    free = [True] * 4
    free[axis] = False
    return b.op("slice_by_index", shape, x=x, begin=begin, end=end, stride=strides, begin_mask=free, end_mask=free)


def parts(b: Builder, x: Ref, axis: int, form: Form) -> list[Ref]:
    if not form.by_split:
        return [part(b, x, axis, bounds) for bounds in form.slices]
    sizes = [stop - start for start, stop in form.slices]
    shapes = [[size if place == axis else old for place, old in enumerate(x.shape)] for size in sizes]
    return b.ops("split", shapes, x=x, split_sizes=sizes, axis=axis)


def attend(b: Builder, form: Form, query: Ref, key: Ref, value: Ref) -> Ref:
    scoring, mixing, key_first = form.equations
    tokens, keys = query.shape[3], key.shape[1]
    pair = [key, query] if key_first else [query, key]
    scores = b.op("einsum", (BATCH, keys, 1, tokens), values=pair, equation=scoring)
    factor: object = np.float16(form.scale)
    if form.computed_scale:
        factor = b.op("exp", (), x=np.float16(np.log(form.scale)))
    both = {"x": factor, "y": scores} if form.scale_first else {"x": scores, "y": factor}
    scaled = b.op("mul", scores.shape, **both)
    if form.masked:
        scaled = b.op("add", scores.shape, x=scaled, y=np.zeros((1, keys, 1, 1), np.float16))
    axis = {} if form.softmax is None else {"axis": form.softmax}
    weights = written_out(b, scaled) if form.softmax_written_out else b.op("softmax", scores.shape, x=scaled, **axis)
    pair = [value, weights] if key_first else [weights, value]
    return b.op("einsum", (BATCH, value.shape[1], 1, tokens), values=pair, equation=mixing)


def written_out(b: Builder, x: Ref) -> Ref:
    """The softmax over the keys as Apple's recipe for 8-bit activations has it."""
    one = (x.shape[0], 1, *x.shape[2:])
    shifted = b.op("sub", x.shape, x=x, y=b.op("reduce_max", one, x=x, axes=[1], keep_dims=True))
    powers = b.op("exp2", x.shape, x=b.op("mul", x.shape, x=shifted, y=np.float16(1.4427)))
    total = b.op("reduce_sum", one, x=powers, axes=[1], keep_dims=True)
    return b.op("mul", x.shape, x=powers, y=b.op("inverse", one, x=total))


def to_8_bits(b: Builder, x: Ref) -> Ref:
    whole = b.op("quantize", x.shape, "int8", input=x, scale=np.float16(0.03), output_dtype="int8")
    return b.op("dequantize", x.shape, input=whole, scale=np.float16(0.03))


def site(form: Form) -> Program:
    b = Builder()
    query = b.input("query", (BATCH, CHANNELS, 1, QUERIES))
    key = b.input("key", (form.batch_keys, CHANNELS, 1, form.keys))
    value = b.input("value", (form.batch_keys, CHANNELS, 1, form.keys))
    if form.rounded:
        query, key, value = (to_8_bits(b, ref) for ref in (query, key, value))
    other = b.op("relu", value.shape, x=value)
    turned = b.op("transpose", [key.shape[axis % 4] for axis in form.perm], x=key, perm=list(form.perm))
    queries, keys, values = parts(b, query, 1, form), parts(b, turned, 3, form), parts(b, value, 1, form)
    if form.second_value:
        values[-1] = part(b, other, 1, form.slices[-1])
    if form.key_tokens < form.keys:
        keys = [part(b, ref, 1, (0, form.key_tokens)) for ref in keys]
        values = [part(b, ref, 3, (0, form.key_tokens)) for ref in values]
    heads = []
    for head in form.order:
        chunks = [part(b, queries[head], 3, bounds, form.stride) for bounds in form.chunks] or [queries[head]]
        forms = [form] * (len(chunks) - 1) + [replace(form, scale=form.last_scale or form.scale)]
        pair = keys[form.key_order[head]], values[form.value_order[head]]
        mixed = [attend(b, each, chunk, *pair) for each, chunk in zip(forms, chunks, strict=True)]
        if form.chunks:
            total = sum(ref.shape[3] or 0 for ref in mixed)
            mixed = [b.op("concat", (*mixed[0].shape[:3], total), values=mixed, axis=3)]
        heads += mixed
    total = sum(ref.shape[1] or 0 for ref in heads)
    joined = b.op(
        "concat", (BATCH, total, 1, heads[0].shape[3]), values=heads, axis=1, interleave=np.bool_(form.interleave)
    )
    return b.program(b.op("identity", joined.shape, x=joined))


def check_hit(form: Form) -> None:
    program = site(form)
    fused, count = fuse_split_attention(program)
    assert count == 1
    kinds = Counter(operation.kind for operation in fused.operations)
    assert kinds == {MULTI_HEAD: 1, "identity": 1}  # nothing of the literal form is left
    arrays = random_arrays(program)
    (before,), (after,) = run_program(program, arrays).values(), run_program(fused, arrays).values()
    np.testing.assert_allclose(after, before, atol=TOLERANCE)
    assert fuse_split_attention(fused) == (fused, 0)


HITS = {
    "as coremltools writes it": HIT,
    "as Apple's Python has it": replace(HIT, equations=WRITTEN),
    "other letters": replace(HIT, equations=LETTERS),
    "without query chunks": replace(HIT, chunks=()),
    "one chunk": replace(HIT, chunks=((0, 10),)),
    "cut by split": replace(HIT, by_split=True),
    "scale before the scores": replace(HIT, scale_first=True),
    "negative axes": replace(HIT, perm=(0, -1, 2, -3), softmax=-3),
}


@pytest.mark.parametrize("form", HITS.values(), ids=HITS)
def test_hit(form: Form) -> None:
    check_hit(form)


MISSES = {
    "another scale": replace(HIT, scale=WIDTH**-0.5 * 1.01),
    "no scale": replace(HIT, scale=1.0),
    "a computed scale": replace(HIT, computed_scale=True),
    "a mask": replace(HIT, masked=True),
    "softmax over the queries": replace(HIT, softmax=3),
    "softmax by default over the last axis": replace(HIT, softmax=None),
    "heads joined out of order": replace(HIT, order=(1, 0, 2)),
    "a head missing": replace(HIT, order=(0, 1)),
    "a head twice": replace(HIT, order=(0, 1, 1)),
    "values of another head": replace(HIT, value_order=(1, 0, 2)),
    "keys of another head": replace(HIT, key_order=(0, 2, 1)),
    "a head of another tensor": replace(HIT, second_value=True),
    "overlapping heads": replace(HIT, slices=((0, 4), (3, 7), (8, 12))),
    "heads that leave channels out": replace(HIT, slices=((0, 4), (4, 8), (7, 11))),
    "heads of different width": replace(HIT, slices=((0, 4), (4, 10), (10, 12))),
    "narrow heads beside wide ones": replace(
        HIT,
        slices=((0, 4), (4, 8), (8, 10), (10, 12)),
        order=(0, 1, 2, 3),
        key_order=(0, 1, 2, 3),
        value_order=(0, 1, 2, 3),
    ),
    "a chunk with another scale": replace(HIT, last_scale=1.0),
    "keys that are not turned": replace(HIT, keys=CHANNELS, perm=(0, 1, 2, 3)),
    "chunks out of order": replace(HIT, chunks=((4, 8), (0, 4), (8, 10))),
    "chunks that overlap": replace(HIT, chunks=((0, 4), (3, 7), (7, 10))),
    "chunks that leave tokens out": replace(HIT, chunks=((0, 4), (4, 8))),
    "chunks with a stride": replace(HIT, chunks=((0, 10),), stride=2),
    "only some of the keys": replace(HIT, key_tokens=5),
    "a joining that interleaves": replace(HIT, interleave=True),
    "keys of another batch": replace(HIT, batch_keys=1),
}


@pytest.mark.parametrize("form", MISSES.values(), ids=MISSES)
def test_near_miss(form: Form) -> None:
    program = site(form)
    assert fuse_split_attention(program) == (program, 0)


def test_weights_that_are_used_elsewhere_stay() -> None:
    program = site(HIT)
    weights = next(operation for operation in program.operations if operation.kind == "softmax")
    looked_at = replace(program, outputs=(*program.outputs, weights.outputs[0].name))
    fused, count = fuse_split_attention(looked_at)
    kinds = Counter(operation.kind for operation in fused.operations)
    assert count == 1
    assert (kinds[MULTI_HEAD], kinds["softmax"], kinds["concat"]) == (1, 1, 0)
