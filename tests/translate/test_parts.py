"""Whole parts, converted by coremltools 9 from tiny torch modules, against torch's float32 answers.

What remains is the rounding of the weights to fp16, which the file holds and torch's answers do not.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.openvino_engine import OpenVinoEngine, native_bf16
from bksdm_demo.mil.package import read_package
from bksdm_demo.translate.graph import build_model, translate
from bksdm_demo.translate.passes.order import PASSES
from tests.translate.programs import psnr, run_model

GOLDEN = Path(__file__).parents[1] / "golden" / "parts"
FLOOR_F32 = 65.0  # dB; 70 to 83 are reached
FLOOR_BF16 = 45.0  # dB; 55 to 64 are reached
SAME = 100.0  # dB; two ways to compute the same in float32

UNET = {"group norm": 21, "parted projections": 4, "token-major blocks": 4, "convolution before doubling": 1}
PARTS: dict[str, dict[str, int]] = {  # what the rewrites hit; the rest of them nothing
    "unet_split": {"split attention": 8, **UNET},
    "unet_whole": {"matmul attention": 8, **UNET},
    "text_encoder": {},
    "vae_decoder": {"group norm": 13, "convolution before doubling": 1},
    "vae_encoder": {"group norm": 9},
    "safety_checker": {"masked fill": 1},
}
TIMESTEPS = (1, 251, 501, 751, 981, 999)

Arrays = dict[str, NDArray]


def cases(name: str) -> list[tuple[Arrays, Arrays]]:
    """Inputs and torch's outputs of each recorded case."""
    with np.load(GOLDEN / f"{name}.npz") as stored:
        given = {key[3:]: stored[key] for key in stored if key.startswith("in.")}
        truth = {key[4:]: stored[key] for key in stored if key.startswith("out.")}
    count = len(next(iter(truth.values())))
    return [
        ({key: array[min(case, len(array) - 1)] for key, array in given.items()},
         {key: array[case] for key, array in truth.items()})
        for case in range(count)
    ]  # fmt: skip


@cache
def engine(name: str, precision: str) -> OpenVinoEngine:
    """Return the part, which the tests share: compiling takes most of their time."""
    return OpenVinoEngine(GOLDEN / f"{name}.mlpackage", EngineOptions(precision=precision))


@pytest.mark.parametrize("name", PARTS)
def test_f32_matches_torch(name: str) -> None:
    part = engine(name, "f32")
    for given, truth in cases(name):
        made = part.run(given)
        for key, array in truth.items():
            assert made[key].shape == array.shape
            assert psnr(made[key], array) > FLOOR_F32, key


@pytest.mark.parametrize("name", PARTS)
def test_rewrites_hit_every_site_and_keep_the_numbers(name: str) -> None:
    program = read_package(GOLDEN / f"{name}.mlpackage")
    assert translate(program).rewrites == dict.fromkeys(PASSES, 0) | PARTS[name]
    given, _ = cases(name)[0]
    literal = run_model(build_model(program), given)
    for key, array in engine(name, "f32").run(given).items():
        assert psnr(array, literal[key]) > SAME, key


@pytest.mark.skipif(not native_bf16(), reason="this processor does not compute in bf16")
@pytest.mark.parametrize("name", PARTS)
def test_bf16_is_close_to_torch_at_every_timestep(name: str) -> None:
    """The U-Net's cases are the TIMESTEPS; with the sinusoid in bf16, late ones would fall to 34-40 dB."""
    if name == "text_encoder":
        pytest.skip("bf16 cannot hold token ids; this part always runs exact")
    part = engine(name, "bf16")
    for given, truth in cases(name):
        made = part.run(given)
        assert all(psnr(made[key], array) > FLOOR_BF16 for key, array in truth.items())


@pytest.mark.skipif(not native_bf16(), reason="this processor does not compute in bf16")
def test_neighbouring_timesteps_differ_in_bf16() -> None:
    """Both 980 and 981 round to 980 in bf16."""
    part = engine("unet_split", "bf16")
    given, _ = cases("unet_split")[0]
    one, other = (part.run(given | {"timestep": np.full(2, time, np.float32)})["noise_pred"] for time in (980, 981))
    assert not np.array_equal(one, other)


def test_the_recorded_timesteps_span_the_schedule() -> None:
    assert tuple(int(given["timestep"][0]) for given, _ in cases("unet_split")) == TIMESTEPS


def test_the_safety_checker_blacks_out_what_it_flags() -> None:
    part = engine("safety_checker", "f32")
    (passed, _), (flagged, _) = cases("safety_checker")
    clean, black = part.run(passed), part.run(flagged)
    assert (clean["has_nsfw_concepts"].item(), black["has_nsfw_concepts"].item()) == (0, 1)
    np.testing.assert_array_equal(clean["filtered_images"], passed["images"])
    assert not black["filtered_images"].any()
