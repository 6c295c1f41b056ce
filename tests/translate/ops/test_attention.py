"""Attention as one op against softmax(Q K^T / sqrt(E) + mask) V in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.translate.added_ops import MULTI_HEAD
from tests.translate.programs import Const, check_op

RANDOM = np.random.default_rng(11)


def normal(*shape: int) -> NDArray:
    return RANDOM.normal(size=shape).astype(np.float32)


def attention(query: NDArray, key: NDArray, value: NDArray, mask: NDArray | float = 0.0) -> NDArray:
    scores = query.astype(np.float64) @ key.swapaxes(-1, -2) / np.sqrt(query.shape[-1]) + mask
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return (weights / weights.sum(-1, keepdims=True) @ value).astype(np.float32)


@pytest.mark.parametrize("shape", [(2, 5, 8), (2, 3, 5, 8)])
def test_scaled_dot_product_attention(shape: tuple[int, ...]) -> None:
    query, key, value = normal(*shape), normal(*shape[:-2], 7, 8), normal(*shape[:-2], 7, 8)
    arrays = {"query": query, "key": key, "value": value}
    check_op("scaled_dot_product_attention", attention(query, key, value), **arrays)


def test_masks() -> None:
    query, key, value = normal(2, 3, 5, 8), normal(2, 3, 7, 8), normal(2, 3, 7, 8)
    seen = RANDOM.random((5, 7)) < 0.7
    seen[:, 0] = True
    arrays = {"query": query, "key": key, "value": value}
    expected = attention(query, key, value, np.where(seen, 0, -np.inf))
    check_op("scaled_dot_product_attention", expected, attn_mask=Const(seen), **arrays)
    added = normal(5, 7)
    check_op("scaled_dot_product_attention", attention(query, key, value, added), attn_mask=added, **arrays)


@pytest.mark.parametrize(("channels", "heads", "queries", "keys"), [(8, 2, 5, 7), (6, 1, 4, 4), (12, 3, 1, 9)])
def test_multi_head_attention(channels: int, heads: int, queries: int, keys: int) -> None:
    query, key, value = normal(2, channels, 1, queries), normal(2, channels, 1, keys), normal(2, channels, 1, keys)

    def tokens(x: NDArray) -> NDArray:  # [B, C, 1, S] -> [B, H, S, d]
        return x.reshape(2, heads, channels // heads, -1).swapaxes(-1, -2)

    mixed = attention(tokens(query), tokens(key), tokens(value)).swapaxes(-1, -2)  # [B, H, d, S]
    check_op(MULTI_HEAD, mixed.reshape(query.shape), query=query, key=key, value=value, heads=heads)
