"""Which passes run, in which order."""

from __future__ import annotations

from collections.abc import Callable

from bksdm_demo.mil.program import Program
from bksdm_demo.translate.passes.attention_matmul import fuse_matmul_attention
from bksdm_demo.translate.passes.attention_split import fuse_split_attention
from bksdm_demo.translate.passes.black_out import fuse_black_out

Pass = Callable[[Program], tuple[Program, int]]

PASSES: dict[str, Pass] = {
    "split attention": fuse_split_attention,
    "matmul attention": fuse_matmul_attention,
    "black-out": fuse_black_out,
}


def rewrite(program: Program) -> tuple[Program, dict[str, int]]:
    """The program after every pass, and how often each hit. Each pass is idempotent, so one round is enough."""
    counts = {}
    for name, run in PASSES.items():
        program, counts[name] = run(program)
    return program, counts
