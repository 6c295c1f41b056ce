"""Where a U-Net looks for each word while it learns: the tokens of "a blue apple" are to matter where the apple is.

The token loss of TokenCompose (Wang et al., arXiv 2312.03626): of the attention that a phrase's tokens get
in the whole picture, the share outside its things' places, squared. The renderer knows the places exactly.
"""

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor, nn

from training.networks import PlainAttention
from training.scenes.mix import MOST_GROUPS

SMALLEST_SIDE = 4  # of a layer that is looked at; below, two things share a cell
FILLED = 0.25  # of a cell of a smaller layer, from which it belongs to a thing


class Watch:
    """The attention weights of a U-Net's latest pass."""

    def __init__(self, unet: nn.Module, fast: bool) -> None:
        """`fast`: self-attention by torch's fused kernels, which a GPU is quicker with."""
        self.weights: list[Tensor] = []
        for name, processor in unet.attn_processors.items():
            own = "attn1" in name  # diffusers' name of self-attention
            chosen = AttnProcessor2_0() if own and fast else processor if own else PlainAttention(self.weights)
            unet.get_submodule(name.removesuffix(".processor")).set_processor(chosen)

    def loss(self, groups: Tensor, regions: Tensor) -> Tensor:
        """The loss of the latest pass, whose weights are forgotten. 0 if no token names a group.

        groups: the group of every token [B, 77]; regions: 1 where a group's things are, [B, 2, H, W].
        """
        named = torch.stack([groups == group for group in range(MOST_GROUPS)], 2).float()  # [B, 77, 2]
        known = named.any(1) & regions.flatten(2).bool().any(2)  # [B, 2]
        terms = []
        for weights in self.weights:
            side = round(weights.shape[2] ** 0.5)
            if side < SMALLEST_SIDE:
                continue
            looked = weights.mean(1) @ named  # [B, S, 2]
            places = (F.adaptive_avg_pool2d(regions.float(), side) > FILLED).flatten(2).transpose(1, 2)
            inside = (looked * places).sum(1) / looked.sum(1).clamp(min=1e-6)
            terms.append(((1 - inside).square() * known).sum() / known.sum().clamp(min=1))
        self.weights.clear()
        return torch.stack(terms).mean()
