"""The makers of full-size test subjects, on small networks: same numbers in torch and package, exact palettes."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.openvino_engine import OpenVinoEngine
from bksdm_demo.mil.package import read_package
from tests.translate.programs import psnr

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]
torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("coremltools")

SAME = 90.0  # dB; the same numbers, summed in another order
MIXTURE = {1: 0.1, 2: 0.1, 4: 0.2, 6: 0.2, 8: 0.2, 16: 0.2}


@pytest.fixture(autouse=True)
def _silent_converter() -> Iterator[None]:
    """coremltools reports the torch it has not been tested with."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def unet() -> Any:
    """Two levels, 1600 tokens above; palettized in every width."""
    from training.full_size.weights import palettize, randomise

    network = diffusers.UNet2DConditionModel(
        sample_size=40,
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=24,
        attention_head_dim=4,
    )
    network = network.eval().requires_grad_(False)
    randomise(network, seed=1)
    assert set(palettize(network, MIXTURE, seed=1).values()) == set(MIXTURE)
    return network


@pytest.mark.parametrize("attention", ["original", "split_einsum", "split_einsum_v2"])
def test_package_and_torch_agree(unet: Any, attention: str, tmp_path: Path) -> None:
    from training.coreml_unet import CoreUnet
    from training.full_size import packages
    from training.full_size.systems import StoredSinusoid

    draw = torch.Generator().manual_seed(2)
    sample, context = (torch.randn(shape, generator=draw).half().float() for shape in ((2, 4, 40, 40), (2, 7, 24)))
    before, unet.time_proj = unet.time_proj, StoredSinusoid(32)
    with torch.no_grad():
        expected = unet(sample, 981, context).sample.numpy()
    unet.time_proj = before

    inputs: packages.Inputs = {
        "sample": ((2, 4, 40, 40), np.float16),
        "timestep": ((2,), np.float16),
        "encoder_hidden_states": ((2, 24, 1, 7), np.float16),
    }
    path = tmp_path / "unet.mlpackage"
    module = CoreUnet(copy.deepcopy(unet), attention)  # a copy, as the conversion empties it
    packages.save(packages.convert(module, inputs, ["noise_pred"]), path, "test", {})

    assert packages.up_to_date(path)
    encodings = {constant.encoding for constant in read_package(path).constants.values()}
    assert {f"palette{bits}" for bits in (1, 2, 4, 6, 8)} <= encodings
    arrays = {
        "sample": sample.numpy(),
        "timestep": np.full(2, 981, np.float32),
        "encoder_hidden_states": context.transpose(1, 2)[:, :, None].contiguous().numpy(),
    }
    found = OpenVinoEngine(path, EngineOptions(precision="f32")).run(arrays)["noise_pred"]
    assert psnr(found, expected) > SAME


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
def test_a_palette_is_found_and_packed_exactly(bits: int) -> None:
    from coremltools.optimize import _utils as reference

    from training.full_size.packages import pack, palette_of
    from training.full_size.weights import snap

    weight = snap(torch.randn(37, 83, generator=torch.Generator().manual_seed(bits)), bits).half().numpy()
    found = palette_of(weight)
    assert found is not None
    table, indices = found
    assert len(table) == 1 << bits
    assert np.array_equal(table[indices].reshape(weight.shape), weight)
    assert np.array_equal(pack(indices, bits), reference.pack_elements_into_bits(indices, bits))


def test_many_values_are_no_palette() -> None:
    from training.full_size.packages import palette_of

    assert palette_of(np.arange(257, dtype=np.float16)) is None


def test_the_vocabulary_has_clips_size_and_special_ids(tmp_path: Path) -> None:
    from training import tokenizer
    from training.full_size import vocabulary

    vocabulary.write(tmp_path)
    words = tokenizer.load(tmp_path)
    ids = tokenizer.encode(words, ["a cat on mars, 8k"])[0]
    assert len(words) == 49408
    assert (ids[0], ids[-1], ids.max()) == (49406, 49407, 49407)
    assert str(words.decode(ids, skip_special_tokens=True)).strip() == "a cat on mars , 8 k"
