"""The family's packages: both kinds of attention, with and without palettes, agree with the network in torch."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.openvino_engine import OpenVinoEngine
from bksdm_demo.mil.model import user_metadata
from tests.translate.programs import psnr

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]
torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("coremltools")

PLAIN, PALETTIZED = 60.0, 25.0  # dB, of random networks


@pytest.fixture(autouse=True)
def _quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """coremltools reports the torch it has not been tested with; logs go to the test's own folder."""
    from training import networks, workspace

    torch.set_num_threads(1)
    monkeypatch.setattr(workspace, "WORK", tmp_path)
    monkeypatch.setattr(networks, "WIDTHS", (16, 32, 32, 32))
    monkeypatch.setattr(networks, "HEADS", (1, 2, 2, 2))
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    ("name", "bits", "attention", "least"),
    [
        ("tiny", None, "split_einsum_v2", PLAIN),
        ("tiny", None, "original", PLAIN),
        ("tiny-scratch", 6, "split_einsum_v2", PALETTIZED),
    ],
)
def test_a_package_computes_what_the_network_does(
    name: str, bits: int | None, attention: str, least: float, tmp_path: Path
) -> None:
    from training import distill, export, networks

    torch.manual_seed(0)
    network: Any = export.roughen(networks.unet(distill.shape_of(name)))
    export.export_unet(name, network, export.Form(tmp_path, bits, attention))
    path = tmp_path / f"emoji-{name}" / f"Stable_Diffusion_version_emoji-{name}_unet.mlpackage"
    facts = {"attention": attention, "parameters": str(networks.parameters(network))}
    assert facts.items() <= user_metadata(path).items()
    (weights,) = path.rglob("weight.bin")
    assert (weights.stat().st_size < 1.2 * networks.parameters(network)) == (bits is not None)

    draw = torch.Generator().manual_seed(1)
    sample, hidden = torch.randn(2, 4, 16, 16, generator=draw), torch.randn(2, 77, 128, generator=draw)
    steps = torch.tensor([501.0, 501.0])
    with torch.no_grad():
        expected = network(sample, steps, hidden).sample.numpy()
    inputs = {"sample": sample, "timestep": steps, "encoder_hidden_states": hidden.transpose(1, 2)[:, :, None]}
    arrays = {key: np.ascontiguousarray(value.numpy()) for key, value in inputs.items()}
    (got,) = OpenVinoEngine(path, EngineOptions(precision="f32")).run(arrays).values()
    assert psnr(expected, got) > least


def test_what_is_not_trained_is_refused() -> None:
    from training import export

    with pytest.raises(SystemExit, match=r"no tiny-plain yet: run .* --arms tiny-plain"):
        export.trained_unet("tiny-plain")
    with pytest.raises(SystemExit, match="no control is trained"):
        export.trained_controls()
