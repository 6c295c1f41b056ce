"""All passes together: each counts its sites by name, and a program without any pattern does not change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bksdm_demo.translate.passes.order import PASSES, rewrite
from tests.translate.passes import (
    test_attention_matmul,
    test_attention_split,
    test_group_norm,
    test_layer_norm,
    test_masked_fill,
    test_projections,
    test_rounding,
    test_softmax,
    test_token_major,
    test_upsampling,
)
from tests.translate.programs import Builder, random_arrays, run_program

WRITTEN_OUT = 1e-3  # log2(e) in fp16 and the epsilon of the inverse, which a softmax leaves out


def test_every_pass_runs_and_is_counted() -> None:
    examples = {
        "rounding": (test_rounding.site(test_rounding.HIT), set()),
        "softmax": (test_softmax.site(test_softmax.HIT), set()),
        "split attention": (test_attention_split.site(test_attention_split.HIT), {"token-major blocks"}),
        "matmul attention": (test_attention_matmul.site(test_attention_matmul.HIT), {"token-major blocks"}),
        "group norm": (test_group_norm.site(test_group_norm.HIT), set()),
        "layer norm": (test_layer_norm.site(test_layer_norm.HIT), set()),
        "parted projections": (test_projections.site(test_projections.HIT), set()),
        "token-major blocks": (test_token_major.Block().write(test_token_major.Form()), {"parted projections"}),
        "convolution before doubling": (test_upsampling.site(test_upsampling.HIT), set()),
        "masked fill": (test_masked_fill.site(test_masked_fill.HIT), set()),
    }
    assert set(examples) == set(PASSES)
    for name, (program, others) in examples.items():
        rewritten, counts = rewrite(program)
        assert counts == {other: int(other == name or other in others) for other in PASSES}
        assert rewrite(rewritten) == (rewritten, dict.fromkeys(PASSES, 0))


def test_attention_of_apples_recipe_for_8_bits() -> None:
    """Rounded queries, keys and values, and a softmax that is written out: fused, and still the same numbers."""
    form = replace(test_attention_split.HIT, softmax_written_out=True, rounded=True)
    program = test_attention_split.site(form)
    rewritten, counts = rewrite(program)
    heads = 3 * len(form.chunks)
    hits = {"rounding": 3, "softmax": heads, "split attention": 1, "token-major blocks": 1}
    assert counts == dict.fromkeys(PASSES, 0) | hits
    arrays = random_arrays(program)
    (before,), (after,) = run_program(program, arrays).values(), run_program(rewritten, arrays).values()
    np.testing.assert_allclose(after, before, atol=WRITTEN_OUT)


def test_nothing_to_do() -> None:
    b = Builder()
    program = b.program(b.op("relu", (2,), x=b.input("x", (2,))))
    assert rewrite(program) == (program, dict.fromkeys(PASSES, 0))
