"""The U-Nets and the text encoder: SD v1.4's blocks, a fifth to a tenth as wide, and BK-SDM's three cuts of them.

Block types, normalisation and conditioning are SD v1.4's. The students follow BK-SDM (arXiv 2305.15798, section 3.1):
base has one resnet(+attention) pair fewer in every stage, small is base without the mid stage, tiny is small without
the innermost down and up stages.
"""

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

TEXT_WIDTH = 128
TEXT_LENGTH = 77
LATENT_SIDE = 16
WIDTHS = (64, 96, 128, 128)
HEADS = (2, 3, 4, 4)
STUDENTS = ("base", "small", "tiny")
NAMES = ("original", *STUDENTS)


class PlainAttention:
    """diffusers' attention as two matrix products and a softmax. On CPUs, a fused backward pass is slower.

    `weights`, if given, collects each call's weights of the text, [B, heads, S, 77], for a loss on them.
    """

    def __init__(self, weights: list[torch.Tensor] | None = None) -> None:
        self.weights = weights

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,  # [B, S, C]
        encoder_hidden_states: torch.Tensor | None = None,  # [B, 77, D]
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            projected.unflatten(2, (attn.heads, -1)).transpose(1, 2)  # [B, heads, S, d]
            for projected in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        )
        scores = (query * attn.scale) @ key.transpose(2, 3)
        weights = torch.softmax(scores, dim=3, dtype=torch.float32)
        if self.weights is not None and encoder_hidden_states is not None:
            self.weights.append(weights)
        mixed = weights.to(value.dtype) @ value
        return attn.to_out[0](mixed.transpose(1, 2).flatten(2))


def unet(name: str) -> UNet2DConditionModel:
    """An untrained U-Net: `original`, `base`, `small` or `tiny`."""
    levels = 3 if name == "tiny" else 4
    down = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
    up = ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3
    network = UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        in_channels=4,
        out_channels=4,
        down_block_types=down[:levels],
        up_block_types=up[4 - levels :],
        mid_block_type=None if name in ("small", "tiny") else "UNetMidBlock2DCrossAttn",
        block_out_channels=WIDTHS[:levels],
        attention_head_dim=HEADS[:levels],  # diffusers' name for the number of heads
        layers_per_block=2 if name == "original" else 1,
        cross_attention_dim=TEXT_WIDTH,
        norm_num_groups=16,
    )
    network.set_attn_processor(PlainAttention())
    return network


def text_encoder(vocabulary: int) -> CLIPTextModel:
    """128 wide, 3 layers, 4 heads. eos_token_id 2 makes the pooled output take the highest id, as SD v1's does."""
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=TEXT_LENGTH,
        hidden_act="quick_gelu",
        bos_token_id=vocabulary - 2,
        eos_token_id=2,
        pad_token_id=vocabulary - 1,
    )
    return CLIPTextModel(config)


def parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def vision_encoder() -> CLIPVisionModelWithProjection:
    """The safety checker's network: a small CLIP vision transformer, 224 pixels in patches of 28, 64 numbers out."""
    config = CLIPVisionConfig(
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        projection_dim=64,
        image_size=224,
        patch_size=28,
        hidden_act="quick_gelu",
        attn_implementation="eager",
    )
    return CLIPVisionModelWithProjection(config)
