"""A whole system in the layout of the published archives: found and run like the packages it was compiled from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.library.catalog import Availability
from bksdm_demo.library.layout import find_parts
from bksdm_demo.mil.compiled_writer import write_compiled
from bksdm_demo.records import Request, Verdict
from bksdm_demo.settings import ASSETS, Settings
from bksdm_demo.start import Services, start

EMOJI = ASSETS / "emoji"
REQUEST = Request("red apple", seed=7, steps=2)

pytestmark = pytest.mark.skipif(not (EMOJI / "emoji-tiny").is_dir(), reason="the embedded family is not here")


def write_resources(folder: Path) -> Path:
    """Emoji Tiny as a "Resources" folder, with the litter of a Mac's archiver around it."""
    parts = find_parts(EMOJI / "emoji-tiny", EMOJI / "shared")
    names = ("TextEncoder", "Unet", "VAEDecoder", "SafetyChecker")
    for name, package in zip(names, (parts.text_encoder, *parts.unet, parts.vae_decoder, parts.checker()), strict=True):
        write_compiled(package, folder / f"{name}.mlmodelc")
    for file in (parts.vocab, parts.merges):
        (folder / file.name).symlink_to(file)
    (folder / ".DS_Store").write_bytes(b"litter")
    return folder


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    models = tmp_path_factory.mktemp("models")
    write_resources(models / "tiny-compiled" / "Resources")
    (models / "tiny-compiled" / "__MACOSX" / "Unet.mlmodelc").mkdir(parents=True)
    made = start(Settings(models_dir=models))
    yield made
    made.close()


def draw(pipeline: Pipeline) -> tuple[np.ndarray, np.ndarray, Verdict]:
    """The last latents, the picture and what the checker says of it."""
    latents = [step.latents for step in pipeline.steps(REQUEST, pipeline.encode(REQUEST))][-1]
    image = pipeline.decode(latents)
    return latents, image, pipeline.check(image)


def test_the_catalogue_finds_it_and_knows_its_numbers(services: Services) -> None:
    compiled, package = (services.catalog.get(key) for key in ("tiny-compiled", "emoji-tiny"))
    assert compiled.availability is Availability.ON_DISK
    assert (compiled.parameters, compiled.unet_parameters) == (package.parameters, package.unet_parameters)
    assert compiled.parts is not None
    assert {path.suffix for path in compiled.parts.models} == {".mlmodelc"}


def test_it_draws_the_same_picture_bit_for_bit(services: Services) -> None:
    with services.cache.lease("emoji-tiny") as package, services.cache.lease("tiny-compiled") as compiled:
        theirs, ours = draw(package.pipeline), draw(compiled.pipeline)
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(ours[1], theirs[1])
    assert ours[2] == theirs[2]
    assert np.ptp(ours[1]) > 0
