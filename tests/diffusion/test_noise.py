"""Start noise against recorded draws of numpy and torch, bit for bit, and against both libraries live."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.diffusion.noise import open_source
from bksdm_demo.errors import RequestError
from bksdm_demo.records import GENERATORS

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "noise" / "draws.npz")
SEEDS = (0, 1, 7, 2**31, 2**32 - 1)
SIZES = range(1, 41)
SEQUENCE = (3, 20, 2, 1, 16, 5, 64, 1)
SD_LATENTS = (1, 4, 64, 64)


def start_noise(shape: Sequence[int], seed: int, generator: str = "numpy") -> NDArray[np.float32]:
    """The first numbers of a seed's stream."""
    return open_source(seed, generator).normal(shape)


def assert_same_bits(got: NDArray, expected: NDArray) -> None:
    assert got.dtype == expected.dtype == np.float32
    assert got.shape == expected.shape
    np.testing.assert_array_equal(got.view(np.uint32), expected.view(np.uint32))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("generator", GENERATORS)
class TestRecorded:
    def test_first_draw_of_every_size(self, generator: str, seed: int) -> None:
        draws = np.concatenate([start_noise((size,), seed, generator) for size in SIZES])
        assert_same_bits(draws, GOLDEN[f"{generator}/{seed}/first"])

    def test_draws_go_on(self, generator: str, seed: int) -> None:
        source = open_source(seed, generator)
        draws = np.concatenate([source.normal((size,)) for size in SEQUENCE])
        assert_same_bits(draws, GOLDEN[f"{generator}/{seed}/next"])

    def test_latents_of_stable_diffusion(self, generator: str, seed: int) -> None:
        digest = hashlib.sha256(start_noise(SD_LATENTS, seed, generator).tobytes()).hexdigest()
        assert digest == str(GOLDEN[f"{generator}/{seed}/latents"])


@pytest.mark.parametrize("generator", GENERATORS)
def test_shape_only_arranges_the_numbers(generator: str) -> None:
    flat = start_noise((2 * 3 * 5,), 3, generator)
    np.testing.assert_array_equal(start_noise((2, 3, 5), 3, generator), flat.reshape(2, 3, 5))


@pytest.mark.parametrize("generator", GENERATORS)
def test_looks_standard_normal(generator: str) -> None:
    noise = start_noise((100_000,), 5, generator).astype(np.float64)
    assert abs(noise.mean()) < 4 / np.sqrt(noise.size)
    assert noise.std() == pytest.approx(1, abs=0.01)
    assert (noise**4).mean() == pytest.approx(3, abs=0.15)


def test_sources_do_not_disturb_each_other() -> None:
    alone = [start_noise((7,), 1, "torch"), start_noise((7,), 2, "torch")]
    first, second = open_source(1, "torch"), open_source(2, "torch")
    parts = [(first.normal((3,)), second.normal((3,))), (first.normal((4,)), second.normal((4,)))]
    for index in range(2):
        np.testing.assert_array_equal(np.concatenate([pair[index] for pair in parts]), alone[index])


def test_global_state_of_numpy_is_left_alone() -> None:
    before = np.random.get_state(legacy=False)["state"]["key"].copy()
    start_noise((100,), 1, "numpy")
    start_noise((100,), 1, "torch")
    np.testing.assert_array_equal(np.random.get_state(legacy=False)["state"]["key"], before)


def test_unknown_generator_names_those_that_exist() -> None:
    with pytest.raises(RequestError, match=r"philox.*numpy, torch"):
        open_source(0, "philox")


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_out_of_range(seed: int) -> None:
    with pytest.raises(RequestError, match=str(seed)):
        open_source(seed)


@pytest.mark.reference
@pytest.mark.parametrize("seed", [*SEEDS, 12345, 987654321])
def test_torch_live(seed: int) -> None:
    torch = pytest.importorskip("torch")
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        pytest.skip("torch has no AVX2 code here; its last bits differ")
    for size in (*range(1, 41), 100, 999, 4097, 16384):
        torch.manual_seed(seed)
        source = open_source(seed, "torch")
        for count in (size, 5, size, 1, 17, 2):
            assert_same_bits(source.normal((count,)), torch.randn(count).numpy())


@pytest.mark.reference
def test_torch_live_shapes() -> None:
    torch = pytest.importorskip("torch")
    for shape in ((1, 4, 64, 64), (1, 4, 16, 16), (2, 3), (3, 5, 7), (1, 4, 96, 64)):
        torch.manual_seed(9)
        np.testing.assert_allclose(start_noise(shape, 9, "torch"), torch.randn(shape).numpy(), rtol=0, atol=3e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_numpy_live(seed: int) -> None:
    state = np.random.RandomState(seed)
    source = open_source(seed)
    for size in SEQUENCE:
        assert_same_bits(source.normal((size,)), state.standard_normal(size).astype(np.float32))
