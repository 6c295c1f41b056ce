"""The passes, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable

from bksdm_demo.mil.program import Program
from bksdm_demo.translate.passes.attention_matmul import fuse_matmul_attention
from bksdm_demo.translate.passes.attention_split import fuse_split_attention
from bksdm_demo.translate.passes.group_norm import fuse_group_norm
from bksdm_demo.translate.passes.layer_norm import fuse_layer_norm
from bksdm_demo.translate.passes.masked_fill import fuse_masked_fill
from bksdm_demo.translate.passes.projections import project_into_parts
from bksdm_demo.translate.passes.rounding import fuse_rounding
from bksdm_demo.translate.passes.softmax import fuse_softmax
from bksdm_demo.translate.passes.token_major import run_token_major
from bksdm_demo.translate.passes.upsampling import convolve_before_doubling

Pass = Callable[[Program], tuple[Program, int]]

PASSES: dict[str, Pass] = {
    "rounding": fuse_rounding,
    "softmax": fuse_softmax,  # before attention
    "split attention": fuse_split_attention,
    "matmul attention": fuse_matmul_attention,
    "group norm": fuse_group_norm,
    "layer norm": fuse_layer_norm,
    "parted projections": project_into_parts,
    "token-major blocks": run_token_major,  # after attention and layer norms are fused
    "convolution before doubling": convolve_before_doubling,
    "masked fill": fuse_masked_fill,
}


def rewrite(program: Program) -> tuple[Program, dict[str, int]]:
    """The program after every pass, and how often each hit. Each pass is idempotent, so one round is enough."""
    counts = {}
    for name, run in PASSES.items():
        program, counts[name] = run(program)
    return program, counts
