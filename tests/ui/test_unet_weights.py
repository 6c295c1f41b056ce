"""The counted weights add up to the published numbers of all four U-Nets."""

from __future__ import annotations

import pytest

from bksdm_demo.library.published import PUBLISHED
from bksdm_demo.ui.blocks import LEVELS, UNETS, UNet
from bksdm_demo.ui.unet_map import removes
from bksdm_demo.ui.unet_weights import parts, resizing, rest

ORIGINAL, *COMPRESSED = UNETS


def test_the_parts_and_the_rest_are_the_whole_network() -> None:
    assert sum(part.weights for part in parts()) + rest() == ORIGINAL.parameters == 859_520_964


@pytest.mark.parametrize("unet", COMPRESSED, ids=lambda unet: unet.name)
def test_what_a_model_removes_adds_up_to_what_it_saves(unet: UNet) -> None:
    """A model without the innermost level also has no layers that lead there and back."""
    removed = sum(part.weights for part in parts() if removes(unet, part))
    removed += sum(resizing(level - 1) for level in range(unet.levels, LEVELS))
    assert removed == ORIGINAL.parameters - unet.parameters


@pytest.mark.parametrize("unet", UNETS, ids=lambda unet: unet.name)
def test_the_counts_round_to_those_of_the_card(unet: UNet) -> None:
    """Nota's card gives two digits, and rounds Small and Tiny up."""
    (card,) = [system.unet_parameters for system in PUBLISHED if system.name.removesuffix("-2M") == unet.name]
    assert card is not None
    assert 0 <= card - unet.parameters < 10_000_000 or abs(card - unet.parameters) < 1_000_000
