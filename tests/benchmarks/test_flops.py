"""Counted operations against nets counted by hand, and against torch's own counter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.flops import count_flops, flops_by_kind
from bksdm_demo.mil.model import read_model
from bksdm_demo.mil.program import Operation, Program, TensorType, Value
from tests.translate.programs import Builder, Const

ROOT = Path(__file__).resolve().parents[2]


def weight(*shape: int) -> Const:
    return Const(np.zeros(shape, np.float16))


def test_a_convolution_by_hand() -> None:
    """8 filters of 3x3 over 4 channels at 16 x 16 places, batch 2: 2*8*16*16 outputs, 36 multiply-adds each."""
    b = Builder()
    x = b.input("x", (2, 4, 16, 16))
    program = b.program(b.op("conv", (2, 8, 16, 16), x=x, weight=weight(8, 4, 3, 3)))
    assert count_flops(program) == 2 * (2 * 8 * 16 * 16) * 36


def test_a_grouped_convolution_counts_its_own_channels_only() -> None:
    b = Builder()
    x = b.input("x", (1, 4, 10, 10))
    program = b.program(b.op("conv", (1, 8, 10, 10), x=x, weight=weight(8, 2, 1, 1), groups=2))
    assert count_flops(program) == 2 * (8 * 10 * 10) * 2


def test_a_transposed_convolution_counts_from_its_input() -> None:
    """Each of 4*5*5 inputs meets 3 filters of 2x2."""
    b = Builder()
    x = b.input("x", (1, 4, 5, 5))
    program = b.program(b.op("conv_transpose", (1, 3, 10, 10), x=x, weight=weight(4, 3, 2, 2)))
    assert count_flops(program) == 2 * (4 * 5 * 5) * 12


@pytest.mark.parametrize(("shape", "turned"), [((2, 5, 7), False), ((2, 7, 5), True)])
def test_a_matrix_product_knows_which_side_is_summed(shape: tuple[int, ...], turned: bool) -> None:
    """[2, 5, 7] x [2, 7, 3]: 2*5*3 outputs of 7 multiply-adds, stored either way round."""
    b = Builder()
    x, y = b.input("x", shape), b.input("y", (2, 7, 3))
    program = b.program(b.op("matmul", (2, 5, 3), x=x, y=y, transpose_x=turned, transpose_y=False))
    assert count_flops(program) == 2 * (2 * 5 * 3) * 7


def test_a_linear_layer() -> None:
    b = Builder()
    x = b.input("x", (6, 10))
    assert count_flops(b.program(b.op("linear", (6, 4), x=x, weight=weight(4, 10)))) == 2 * 6 * 4 * 10


def test_split_attention_counts_what_the_whole_one_would() -> None:
    """Two heads of 8 over 10 queries and 6 keys: 2 products of 2*10*6*8 multiply-adds, as one einsum each a head."""
    b = Builder()
    parts = []
    for head in range(2):
        q, k = b.input(f"q{head}", (1, 8, 1, 10)), b.input(f"k{head}", (1, 6, 1, 8))
        scores = b.op("einsum", (1, 6, 1, 10), equation="bkhc,bchq->bkhq", values=(k, q))
        v = b.input(f"v{head}", (1, 8, 1, 6))
        parts.append(b.op("einsum", (1, 8, 1, 10), equation="bchk,bkhq->bchq", values=(v, scores)))
    program = b.program(b.op("concat", (1, 16, 1, 10), values=tuple(parts), axis=1))
    assert flops_by_kind(program) == {"einsum": 2 * 2 * (2 * 10 * 6 * 8)}


def test_a_fused_attention() -> None:
    """4 heads, 10 queries, 6 keys of 8, values of 5."""
    b = Builder()
    q, k, v = b.input("q", (1, 4, 10, 8)), b.input("k", (1, 4, 6, 8)), b.input("v", (1, 4, 6, 5))
    program = b.program(b.op("scaled_dot_product_attention", (1, 4, 10, 5), query=q, key=k, value=v))
    assert count_flops(program) == 2 * 4 * 10 * 6 * (8 + 5)


def test_what_is_elementwise_counts_nothing() -> None:
    b = Builder()
    x = b.input("x", (1, 4, 8, 8))
    assert count_flops(b.program(b.op("relu", (1, 4, 8, 8), x=x))) == 0


def test_an_open_shape_is_refused_by_name() -> None:
    value = Value("waiting", TensorType("fp16", (1, None)))
    program = Program((value,), ("made",), (Operation("relu", "made", {"x": ("waiting",)}, (value,)),), {})
    with pytest.raises(ValueError, match="waiting"):
        count_flops(program)


@pytest.mark.reference
def test_the_embedded_u_net_counts_as_torch_counts_it() -> None:
    """The same blocks in diffusers, run once under torch's counter, which does not see torch's fused attention."""
    torch = pytest.importorskip("torch")
    counter = pytest.importorskip("torch.utils.flop_counter")
    attention = pytest.importorskip("diffusers.models.attention_processor")
    networks = pytest.importorskip("training.networks")
    network = networks.unet("tiny").eval()
    network.set_attn_processor(attention.AttnProcessor())
    side, text = networks.LATENT_SIDE, (2, networks.TEXT_LENGTH, networks.TEXT_WIDTH)
    with torch.no_grad(), counter.FlopCounterMode(display=False) as counted:
        network(torch.zeros(2, 4, side, side), torch.tensor([501, 501]), torch.zeros(text))
    package = next((ROOT / "assets" / "emoji" / "emoji-tiny").glob("*_unet.mlpackage"))
    assert count_flops(read_model(package)) == counted.get_total_flops()
