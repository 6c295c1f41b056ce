"""The VAE decoder: the scaling factor comes from the package, the picture is uint8."""

from __future__ import annotations

import numpy as np
import pytest

from bksdm_demo.diffusion.vae import VaeDecoder
from bksdm_demo.engines.base import Port
from bksdm_demo.errors import EngineError, PackageError
from tests.diffusion import parts
from tests.fakes import FakeEngine

LATENTS = np.random.RandomState(0).standard_normal((1, parts.CHANNELS, parts.SIDE, parts.SIDE))


def test_latent_shape_is_read() -> None:
    assert VaeDecoder(parts.vae_decoder()).latent_shape == LATENTS.shape[1:]


@pytest.mark.parametrize(("metadata", "factor"), [({}, 0.18215), ({"scaling_factor": "0.9"}, 0.9)])
def test_latents_are_divided_by_the_scaling_factor(metadata: dict[str, str], factor: float) -> None:
    engine = parts.vae_decoder(metadata=metadata)
    VaeDecoder(engine).decode(LATENTS)
    np.testing.assert_allclose(engine.calls[0]["z"], LATENTS / factor, rtol=1e-6)


def test_picture() -> None:
    picture = VaeDecoder(parts.vae_decoder(metadata={"scaling_factor": "1"})).decode(LATENTS)
    assert picture.shape == parts.PICTURE
    assert picture.dtype == np.uint8
    expected = (np.tanh(LATENTS[0, :3, 0, 0] / 3) + 1) * 127.5
    np.testing.assert_array_equal(picture[0, 0], np.round(expected))


@pytest.mark.parametrize("text", ["", "big", "nan", "inf", "0", "-1"])
def test_senseless_scaling_factor(text: str) -> None:
    with pytest.raises(PackageError, match="scaling_factor"):
        VaeDecoder(parts.vae_decoder(metadata={"scaling_factor": text}))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((1, 3, 8, 8), np.nan), "NaN"),
        (np.zeros((1, 4, 8, 8)), r"not \[1, 3, H, W\]"),
        (np.zeros((3, 8)), "not"),
    ],
)
def test_refuses_what_is_no_picture(image: np.ndarray, message: str) -> None:
    engine = FakeEngine([Port("z", (1, 4, 1, 1))], [Port("image", (1, 3, 8, 8))], lambda arrays: {"image": image})
    with pytest.raises(EngineError, match=message):
        VaeDecoder(engine).decode(np.zeros((1, 4, 1, 1)))


def test_refuses_other_parts() -> None:
    with pytest.raises(PackageError, match="4 axes"):
        VaeDecoder(FakeEngine([Port("z", (4, 8))], [Port("image", (1, 3, 8, 8))], lambda arrays: {}))
