"""The folder for stable-diffusion.cpp: the same bytes under diffusers' names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from benchmarks.contenders.diffusers_folder import PLACES, diffusers_folder
from benchmarks.subjects import SHARED_WEIGHTS, UNET_WEIGHTS, Subject
from bksdm_demo.errors import PackageError


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    """A system whose parts have one tensor each, and a text encoder that has two."""
    made = Subject("tiny", tmp_path / "tiny", tmp_path / "shared")
    for number, role in enumerate(PLACES):
        place = made.folder / UNET_WEIGHTS if role == "unet" else made.shared / SHARED_WEIGHTS[role]
        place.parent.mkdir(parents=True, exist_ok=True)
        tensors: dict[str, NDArray] = {"conv_in.weight": np.full((2, 3), number, np.float16)}
        if role == "text_encoder":
            tensors = {"embeddings.weight": np.arange(6, dtype=np.float16), "text_model.bias": np.ones(3, np.float16)}
        save_file(tensors, place, metadata={"format": "pt"})
    return made


def test_links_hold_the_weights_and_the_text_encoder_its_old_names(subject: Subject) -> None:
    folder = diffusers_folder(subject)
    for number, role in enumerate(("unet", "vae_decoder")):
        assert load_file(folder / PLACES[role])["conv_in.weight"].max() == number
    names = load_file(folder / PLACES["text_encoder"])
    assert sorted(names) == ["text_model.bias", "text_model.embeddings.weight"]
    np.testing.assert_array_equal(names["text_model.embeddings.weight"], np.arange(6))
    assert diffusers_folder(subject) == folder  # again, over what is there


@pytest.mark.parametrize("role", PLACES)
def test_other_weights_are_linked_anew(subject: Subject, role: str) -> None:
    diffusers_folder(subject)
    save_file({"text_model.weight": np.full((4, 5), 7, np.float16)}, subject.weights(role))
    assert load_file(diffusers_folder(subject) / PLACES[role])["text_model.weight"].shape == (4, 5)


def test_a_part_without_weights_is_named(subject: Subject) -> None:
    (subject.shared / SHARED_WEIGHTS["vae_decoder"]).unlink()
    with pytest.raises(PackageError, match="vae"):
        diffusers_folder(subject)
