"""Attention as one op: MIL's own from iOS18 on, and the one that the attention passes put in (added_ops.py).

OpenVINO's processor plugin runs it as one fused kernel if the heads come from a reshape and a transpose of a [B, S, C]
tensor. Taking the same heads directly from [B, C, 1, S] costs 8 % of a whole U-Net step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import openvino.opset13 as op
from openvino import Node, Output

from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.added_ops import MULTI_HEAD
from bksdm_demo.translate.context import Context, rank
from bksdm_demo.translate.translator import translates


@translates("scaled_dot_product_attention")
def scaled_dot_product_attention(context: Context, operation: Operation) -> Node:
    """softmax(Q K^T / sqrt(E) + mask) V over the last two axes; the mask may be bool or additive."""
    query, key, value = (context.value(operation, name) for name in ("query", "key", "value"))
    return op.scaled_dot_product_attention(query, key, value, context.optional(operation, "attn_mask"))


@translates(MULTI_HEAD)
def multi_head_attention(context: Context, operation: Operation) -> Node:
    """Unmasked attention with the scale 1/sqrt(C / heads), on tokens or on channel-major rows."""
    heads = context.integer(operation, "heads")
    values = [context.value(operation, name) for name in ("query", "key", "value")]
    if rank(values[0]) == 3:
        return _attended(values, heads)
    tokens = [op.transpose(op.squeeze(value, _axes(2)), _axes(0, 2, 1)).output(0) for value in values]
    return op.unsqueeze(op.transpose(_attended(tokens, heads), _axes(0, 2, 1)), _axes(2))  # [B, C, 1, S]


def _attended(tokens: Sequence[Output], heads: int) -> Node:
    """Attention on query, key and value [B, S, C], split into heads [B, S, H, d] -> [B, H, S, d] and joined again."""
    split = [op.reshape(value, _axes(0, 0, heads, -1), special_zero=True) for value in tokens]
    query, key, value = (op.transpose(value, _axes(0, 2, 1, 3)) for value in split)
    mixed = op.transpose(op.scaled_dot_product_attention(query, key, value), _axes(0, 2, 1, 3))  # [B, S, H, d]
    return op.reshape(mixed, _axes(0, 0, -1), special_zero=True)


def _axes(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int32)
