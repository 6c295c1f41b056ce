"""Fuses attention over whole heads (Apple's ORIGINAL form) into one operation.

In this form q, k and v [B, C, 1, S] are reshaped to [B, H, d, S]. The weights are softmax over k of (q^T k) d^-0.5.
v times the transposed weights gives [B, H, d, Sq], which is reshaped to [B, C, 1, Sq]. Sites with a mask, another scale
or another layout stay as they are.
"""

from __future__ import annotations

from bksdm_demo.mil.program import Operation, Program
from bksdm_demo.translate.passes.attention_sites import Site, fuse, is_scale, is_token_row
from bksdm_demo.translate.passes.rewrite import Index, only, value_and_number


def fuse_matmul_attention(program: Program) -> tuple[Program, int]:
    """The program with one operation per attention site, and the number of sites."""
    index = Index(program)
    sites = [site for operation in program.operations if (site := _site(index, operation)) is not None]
    return (fuse(program, sites), len(sites)) if sites else (program, 0)


def _site(index: Index, end: Operation) -> Site | None:
    """The site that ends in this reshape."""
    if end.kind != "reshape" or not is_token_row(end.outputs[0].type.shape):
        return None
    mixed = _product(index, only(end, "x"), transposed=(False, True))
    weights = index.producer(mixed[1], "softmax") if mixed is not None else None
    if mixed is None or weights is None or index.scalar(weights, "axis", -1.0) not in (3.0, -1.0):
        return None
    product = index.producer(only(weights, "x"), "mul")
    factors = value_and_number(index, product) if product is not None else None
    scores = _product(index, factors[0], transposed=(True, False)) if factors is not None else None
    if factors is None or scores is None:
        return None
    roots = [_unsplit(index, name) for name in (*scores, mixed[0])]
    heads = {index.shape(name)[1] for name in (*scores, mixed[0])}
    found = [root for root in roots if root is not None]
    return _checked(index, end, found, heads, factors[1]) if len(found) == 3 else None


def _checked(index: Index, end: Operation, roots: list[str], heads: set[int | None], scale: float) -> Site | None:
    """The site, if the three tensors agree in batch, channels and heads, and the result has the query's layout."""
    count = next(iter(heads))
    shapes = [index.shape(root) for root in roots]
    channels = shapes[0][1]
    if len(heads) != 1 or not count or not channels or len({shape[:2] for shape in shapes}) != 1:
        return None
    if end.outputs[0].type.shape != shapes[0] or not is_scale(scale, channels // count):
        return None
    query, key, value = roots
    return Site(end, query, key, value, count)


def _product(index: Index, name: str | None, transposed: tuple[bool, bool]) -> tuple[str, str] | None:
    """Both factors of a matmul, if it transposes exactly those that `transposed` says."""
    matmul = index.producer(name, "matmul")
    if matmul is None:
        return None
    flags = tuple(bool(index.scalar(matmul, key, 0.0)) for key in ("transpose_x", "transpose_y"))
    x, y = only(matmul, "x"), only(matmul, "y")
    return (x, y) if flags == transposed and x is not None and y is not None else None


def _unsplit(index: Index, name: str) -> str | None:
    """The value [B, C, 1, S] that was reshaped to heads [B, H, d, S]."""
    reshape = index.producer(name, "reshape")
    source = only(reshape, "x") if reshape is not None else None
    if source is None:
        return None
    whole, split = index.shape(source), index.shape(name)
    kept = is_token_row(whole) and len(split) == 4 and (whole[0], whole[3]) == (split[0], split[3])
    return source if kept and None not in split else None
