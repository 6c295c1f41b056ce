"""Ops that MIL does not have: passes add them to a program, translators in ops/ run them."""

from __future__ import annotations

# Unmasked attention. Inputs: heads, and query, key, value as tokens [B, S, C] or as channel-major rows [B, C, 1, S].
MULTI_HEAD = "multi_head_attention"

# GroupNorm without weights, which follow as a batch_norm. Inputs: x [B, C, H, W], groups, epsilon.
GROUP_NORM = "group_norm"

# quantize and then dequantize: rounds x to 256 numbers. Inputs: x, output_dtype, axis; scale and zero_point as quantize
# has them, written_scale and written_zero_point as dequantize has them.
ROUNDING = "rounding"
