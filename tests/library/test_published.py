"""The table of published systems against the facts it must keep to, and its look-ups."""

from __future__ import annotations

import re

import pytest

from bksdm_demo.errors import ModelUnavailableError
from bksdm_demo.library.published import PUBLISHED, PublishedSystem, published_system
from bksdm_demo.records import Request

ROWS = {  # key: (repository, pipeline bytes, parameters, parameters of the U-Net, first archive)
    "sd-v1-4-palettized": (
        "apple/coreml-stable-diffusion-1-4-palettized",
        1.57e9,
        1.04e9,
        0.86e9,
        "coreml-stable-diffusion-1-4-palettized_split_einsum_v2_compiled.zip",
    ),
    "bk-sdm-base-2m": ("nota-ai/coreml-bk-sdm", 1.48e9, 0.76e9, 0.58e9, "coreml-bk-sdm-base-2m.zip"),
    "bk-sdm-small-2m": ("nota-ai/coreml-bk-sdm", 1.44e9, 0.66e9, 0.49e9, "coreml-bk-sdm-small-2m.zip"),
    "bk-sdm-tiny-2m": ("nota-ai/coreml-bk-sdm", 1.43e9, 0.50e9, 0.33e9, "coreml-bk-sdm-tiny-2m.zip"),
    "small-sd-v0": (
        "pcuenq/coreml-small-stable-diffusion-v0",
        3.28e9,
        0.76e9,
        0.58e9,
        "coreml-small-stable-diffusion-v0_split_einsum_compiled.zip",
    ),
}


def test_the_rows_are_those_of_the_card() -> None:
    rows = {
        system.key: (
            system.archive().file.repo,
            system.size_bytes,
            system.parameters,
            system.unet_parameters,
            system.archive().file.name,
        )
        for system in PUBLISHED
    }
    assert rows == ROWS


@pytest.mark.parametrize("system", PUBLISHED, ids=lambda system: system.key)
def test_every_row_is_fit_to_be_shown_and_run(system: PublishedSystem) -> None:
    assert system.summary.endswith(".")
    assert system.licence == "CreativeML OpenRAIL-M"
    for link in (system.licence_url, system.card_url):
        assert re.fullmatch(r"https://huggingface\.co/[\w./-]+", link)
    Request("x", steps=system.steps, guidance_scale=system.guidance_scale, scheduler=system.scheduler)
    assert len({system.folder_name(archive) for archive in system.archives}) == len(system.archives)
    for archive in system.archives:
        pinned = re.fullmatch("[0-9a-f]{40}", archive.file.revision) is not None
        assert pinned or system.key == "small-sd-v0"


def test_archives_are_chosen_by_attention() -> None:
    system = published_system("sd-v1-4-palettized")
    assert system.archive("original").file.name.endswith("_original_compiled.zip")
    assert system.folder_name(system.archive()) == "sd-v1-4-palettized"
    assert system.folder_name(system.archive("original")) == "sd-v1-4-palettized-original"
    assert system.title(system.archive()) == "Stable Diffusion v1.4"
    assert system.title(system.archive("original")) == "Stable Diffusion v1.4 (original attention)"
    with pytest.raises(ModelUnavailableError, match="choose split_einsum_v2, original"):
        system.archive("split_einsum")


def test_an_unknown_key_lists_those_there_are() -> None:
    with pytest.raises(ModelUnavailableError, match="choose one of sd-v1-4-palettized, bk-sdm-base-2m"):
        published_system("sdxl")
