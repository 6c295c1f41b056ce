"""Fuses attention that was split into heads and query chunks (split_einsum, split_einsum_v2) back into one operation.

Apple's form has heads of d channels and query chunks of 512 tokens. It slices q [B, C, 1, Sq], k transposed to
[B, Sk, 1, C], and v [B, C, 1, Sk]. Each slice goes through einsum "bchq,bkhc->bkhq", a factor of d^-0.5, softmax over k
and einsum "bkhq,bchk->bchq". Chunks are joined along q, heads along C. The converter may swap operands, so the
equations decide which is which. A site is fused only when its slices cover q, k and v exactly and in order.
"""

from __future__ import annotations

from dataclasses import dataclass

from bksdm_demo.mil.program import Operation, Program
from bksdm_demo.translate.passes.attention_sites import Site, fuse, is_scale, is_token_row
from bksdm_demo.translate.passes.rewrite import Index, only, value_and_number
from bksdm_demo.translate.passes.slices import Range, Slice, slice_of

CHANNELS, TOKENS = 1, 3  # axes of [B, C, 1, S]


@dataclass(frozen=True)
class _Piece:
    """One head and query chunk: slices of q and v [B, C, 1, S] and of the transposed key [B, S, 1, C]."""

    query: Slice
    key: Slice
    value: Slice
    scale: float


def fuse_split_attention(program: Program) -> tuple[Program, int]:
    """The program with one operation per attention site, and the number of sites."""
    index = Index(program)
    sites = [site for operation in program.operations if (site := _site(index, operation)) is not None]
    return (fuse(program, sites), len(sites)) if sites else (program, 0)


def _site(index: Index, operation: Operation) -> Site | None:
    """The site that ends in this operation, a concat of heads."""
    heads = [_head(index, name) for name in _joined(index, operation, CHANNELS)]
    found = [head for head in heads if head is not None]
    if not found or len(found) != len(heads):
        return None
    first = found[0]
    roots = (first.query.root, first.key.root, first.value.root)
    if any((head.query.root, head.key.root, head.value.root) != roots for head in found):
        return None
    key = _untransposed(index, first.key.root)
    if key is None or not _same_batch(index, first.query.root, key, first.value.root):
        return None
    channels = index.shape(first.query.root)[CHANNELS]
    tiled = all(
        _tiles([getattr(head, part).ranges[axis] for head in found], channels)
        for part, axis in (("query", CHANNELS), ("key", TOKENS), ("value", CHANNELS))
    )
    widths = {_width(head.query.ranges[CHANNELS]) for head in found}
    if not tiled or len(widths) != 1 or not all(is_scale(head.scale, max(widths)) for head in found):
        return None
    return Site(operation, first.query.root, key, first.value.root, len(found))


def _joined(index: Index, operation: Operation | None, axis: int) -> tuple[str, ...]:
    """The values that a plain concat along `axis` joins; () for any other operation."""
    if operation is None or operation.kind != "concat" or index.scalar(operation, "interleave", 0.0) != 0.0:
        return ()
    stored = index.scalar(operation, "axis")
    dims = len(operation.outputs[0].type.shape)
    return operation.inputs.get("values", ()) if dims == 4 and stored is not None and stored % dims == axis else ()


def _head(index: Index, name: str) -> _Piece | None:
    """One head, with its query chunks joined again."""
    chunks = _joined(index, index.producer(name, "concat"), TOKENS) or (name,)
    pieces = [_piece(index, index.producer(chunk, "einsum")) for chunk in chunks]
    found = [piece for piece in pieces if piece is not None]
    if len(found) != len(pieces):
        return None
    first = found[0]
    same = {(piece.query.root, piece.query.ranges[CHANNELS], piece.key, piece.value, piece.scale) for piece in found}
    tokens = index.shape(first.query.root)[TOKENS]
    if len(same) != 1 or not _tiles([piece.query.ranges[TOKENS] for piece in found], tokens):
        return None
    uncut = first.query.whole(index, 0, 2) and first.key.whole(index, 0, 1, 2) and first.value.whole(index, 0, 2, 3)
    return first if uncut else None


def _piece(index: Index, mix: Operation | None) -> _Piece | None:
    """Goes back from the second einsum over softmax and mul to the first einsum."""
    operands = _operands(index, mix)
    if operands is None:
        return None
    for (weights, weight_axes), (value, value_axes) in (operands.pair, operands.pair[::-1]):
        b, c, h, q = tuple(operands.result)
        k = value_axes[3]
        if value_axes == f"{b}{c}{h}{k}" and weight_axes == f"{b}{k}{h}{q}" and len({b, c, h, q, k}) == 5:
            return _scored(index, weights, value)
    return None


def _scored(index: Index, weights: str, value: str) -> _Piece | None:
    softmax = index.producer(weights, "softmax")
    axis = index.scalar(softmax, "axis", -1.0) if softmax is not None else None
    product = index.producer(only(softmax, "x"), "mul") if softmax is not None and axis in (1.0, -3.0) else None
    factors = value_and_number(index, product) if product is not None else None
    operands = _operands(index, index.producer(factors[0], "einsum")) if factors is not None else None
    if factors is None or operands is None:
        return None
    for (query, query_axes), (key, key_axes) in (operands.pair, operands.pair[::-1]):
        b, k, h, q = tuple(operands.result)
        c = query_axes[1]
        if query_axes == f"{b}{c}{h}{q}" and key_axes == f"{b}{k}{h}{c}" and len({b, c, h, q, k}) == 5:
            slices = slice_of(index, query), slice_of(index, key), slice_of(index, value)
            return None if None in slices else _Piece(*slices, factors[1])  # type: ignore[arg-type]
    return None


@dataclass(frozen=True)
class _Operands:
    """The names and axis letters of an einsum's two operands, and the letters of its result, each four letters."""

    pair: tuple[tuple[str, str], tuple[str, str]]
    result: str


def _operands(index: Index, einsum: Operation | None) -> _Operands | None:
    names = einsum.inputs.get("values", ()) if einsum is not None else ()
    equation = (index.text(einsum, "equation") or "").replace(" ", "") if einsum is not None else ""
    left, _, result = equation.partition("->")
    letters = left.split(",")
    if len(names) != 2 or len(letters) != 2 or {len(letters[0]), len(letters[1]), len(result)} != {4}:
        return None
    return _Operands(((names[0], letters[0]), (names[1], letters[1])), result)


def _untransposed(index: Index, name: str) -> str | None:
    """The key [B, C, 1, S] before its channels and tokens were swapped."""
    transpose = index.producer(name, "transpose")
    perm = index.array(transpose, "perm") if transpose is not None else None
    if transpose is None or perm is None or [int(axis) % 4 for axis in perm] != [0, 3, 2, 1]:
        return None
    return only(transpose, "x")


def _same_batch(index: Index, *names: str) -> bool:
    shapes = [index.shape(name) for name in names]
    return all(is_token_row(shape) for shape in shapes) and len({shape[:2] for shape in shapes}) == 1


def _width(range_: Range) -> int:
    return range_[1] - range_[0]


def _tiles(ranges: list[Range], total: int | None) -> bool:
    """Whether the ranges follow each other from 0 to `total` without gap or overlap."""
    ends = [0, *(stop for _, stop in ranges)]
    return ends[-1] == total and all(start == end for (start, _), end in zip(ranges, ends, strict=False))
