"""The table of translators: filled, without duplicates, and able to say what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bksdm_demo.errors import UnsupportedModelError
from bksdm_demo.translate import registry, translator
from tests.translate.programs import Builder

# Every op of Apple's Stable Diffusion parts as coremltools 6, 7 and 9 convert them, for iOS 16 and iOS 17.
NEEDED = {
    "abs", "add", "batch_norm", "cast", "clip", "concat", "conv", "cos",
    "einsum", "equal", "expand_dims", "gather", "gather_nd", "gelu", "greater", "greater_equal",
    "layer_norm", "linear", "matmul", "maximum", "mul", "non_zero", "pad", "pow",
    "real_div", "reduce_argmax", "reduce_l2_norm", "reduce_mean", "reduce_sum", "reshape", "rsqrt", "scatter_nd",
    "select", "shape", "sigmoid", "silu", "sin", "slice_by_index", "softmax", "split",
    "sqrt", "square", "squeeze", "stack", "sub", "tile", "transpose", "upsample_nearest_neighbor",
}  # fmt: skip


def test_every_needed_op_has_a_translator() -> None:
    assert set(registry.kinds()) >= NEEDED


def test_every_family_is_imported() -> None:
    families = {path.stem for path in Path(registry.__file__).parent.glob("ops/[!_]*.py")}
    assert families <= set(vars(registry))


def test_a_duplicate_is_refused() -> None:
    with pytest.raises(ValueError, match="'conv' already has a translator: conv"):
        translator.translates("conv")(lambda context, operation: [])


def test_an_unknown_kind_lists_what_exists() -> None:
    with pytest.raises(UnsupportedModelError, match=r"'lstm'; there are: abs, add, batch_norm"):
        registry.find("lstm")


def test_missing_operations_are_counted() -> None:
    b = Builder()
    x = b.input("x", (2,))
    for kind in ("lstm", "relu", "topk", "lstm"):
        x = b.op(kind, (2,), x=x)
    assert registry.missing_operations(b.program(x)) == {"lstm": 2, "topk": 1}
