"""The U-Net in the form that the Neural Engine prefers. It computes the same as diffusers' UNet2DConditionModel.

Follows the published principles for transformers on the Neural Engine: tokens as [B, C, 1, S], projections as 1x1
convolutions, normalisation over axis 1, attention as one pair of einsums per head (split_einsum). The second version
takes the queries in chunks of 512. `original`, for the GPU, multiplies all heads at once. Built from a trained
diffusers network, whose weights it shares. Knows only SD v1's blocks.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

QUERY_CHUNK = 512  # tokens
ATTENTIONS = ("original", "split_einsum", "split_einsum_v2")


def as_conv(linear: nn.Linear) -> nn.Conv2d:
    """A projection of the channel axis as a 1x1 convolution with the same weights."""
    with torch.device("meta"):
        conv = nn.Conv2d(linear.in_features, linear.out_features, 1, bias=linear.bias is not None)
    conv.weight = nn.Parameter(linear.weight.data[:, :, None, None], requires_grad=False)
    if linear.bias is not None:
        conv.bias = nn.Parameter(linear.bias.data, requires_grad=False)
    return conv


class ChannelNorm(nn.Module):
    """LayerNorm over axis 1 of [B, C, 1, S]; shift before scale is what the converter folds into one layer_norm."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        scale = norm.weight.data.clone()
        scale[scale.abs() < 1e-6] = 1e-6
        self.scale = nn.Parameter(scale[None, :, None, None])
        self.shift = nn.Parameter((norm.bias.data / scale)[None, :, None, None])
        self.eps = norm.eps

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=1, keepdim=True)
        variance = (centred * centred).mean(dim=1, keepdim=True)
        return (centred * torch.rsqrt(variance + self.eps) + self.shift) * self.scale


class Attention(nn.Module, ABC):
    """The projections of an attention. Each kind defines what happens between them."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.heads = attention.heads
        self.to_q, self.to_k, self.to_v = (as_conv(p) for p in (attention.to_q, attention.to_k, attention.to_v))
        self.to_out = as_conv(attention.to_out[0])
        self.scale = attention.scale

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """x [B, C, 1, S], context [B, D, 1, T] -> [B, C, 1, S]."""
        return self.to_out(self.mix(self.to_q(x), self.to_k(context), self.to_v(context)))

    @abstractmethod
    def mix(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """query [B, C, 1, S], key and value [B, C, 1, T] -> [B, C, 1, S]."""


class OriginalAttention(Attention):
    """All heads at once: scores [B, heads, queries, keys], softmax over the last axis."""

    def mix(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        batch, channels, _, _ = query.shape
        q, k, v = (part.view(batch, self.heads, channels // self.heads, -1) for part in (query, key, value))
        scores = torch.einsum("bhcq,bhck->bhqk", q, k) * self.scale
        return torch.einsum("bhqk,bhck->bhcq", scores.softmax(dim=3), v).reshape(query.shape)


class SplitAttention(Attention):
    """Head by head: scores [B, keys, 1, queries], softmax over axis 1; `chunk` queries at a time, or all of them."""

    def __init__(self, attention: nn.Module, chunk: int | None = QUERY_CHUNK) -> None:
        super().__init__(attention)
        self.chunk = chunk

    def mix(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        width, key = query.shape[1] // self.heads, key.transpose(1, 3)  # [B, T, 1, C]
        places = [slice(head * width, (head + 1) * width) for head in range(self.heads)]
        mixed = [self._head(query[:, place], key[..., place], value[:, place]) for place in places]
        return torch.cat(mixed, dim=1)

    def _head(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        length = query.shape[3]
        if self.chunk is None or length <= self.chunk:
            return self._chunk(query, key, value)
        chunks = [query[:, :, :, start : start + self.chunk] for start in range(0, length, self.chunk)]
        return torch.cat([self._chunk(chunk, key, value) for chunk in chunks], dim=3)

    def _chunk(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        scores = torch.einsum("bchq,bkhc->bkhq", query, key) * self.scale
        return torch.einsum("bkhq,bchk->bchq", scores.softmax(dim=1), value)


Attend = Callable[[nn.Module], Attention]


def attention_kind(name: str) -> Attend:
    """The builder of one attention kind: `original`, `split_einsum` or `split_einsum_v2`."""
    kinds: dict[str, Attend] = {
        "original": OriginalAttention,
        "split_einsum": lambda module: SplitAttention(module, chunk=None),
        "split_einsum_v2": SplitAttention,
    }
    return kinds[name]


class Transformer(nn.Module):
    """GroupNorm, 1x1 in, self-attention, cross-attention, gated feed-forward, 1x1 out, plus the input."""

    def __init__(self, module: nn.Module, attend: Attend) -> None:
        super().__init__()
        (block,) = module.transformer_blocks
        self.norm, self.proj_in, self.proj_out = module.norm, module.proj_in, module.proj_out
        self.norm1, self.norm2, self.norm3 = (ChannelNorm(n) for n in (block.norm1, block.norm2, block.norm3))
        self.attn1, self.attn2 = attend(block.attn1), attend(block.attn2)
        self.gate, self.out = as_conv(block.ff.net[0].proj), as_conv(block.ff.net[2])

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        tokens = self.proj_in(self.norm(x)).view(batch, channels, 1, height * width)  # [B, C, 1, S]
        normed = self.norm1(tokens)
        tokens = tokens + self.attn1(normed, normed)
        tokens = tokens + self.attn2(self.norm2(tokens), context)
        value, gate = self.gate(self.norm3(tokens)).chunk(2, dim=1)
        tokens = tokens + self.out(value * F.gelu(gate))
        return x + self.proj_out(tokens.view(batch, channels, height, width))


class Resnet(nn.Module):
    """GroupNorm, SiLU, convolution, twice, with the time embedding added in between."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.norm1, self.conv1, self.norm2, self.conv2 = module.norm1, module.conv1, module.norm2, module.conv2
        self.time, self.shortcut = as_conv(module.time_emb_proj), module.conv_shortcut

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(x))) + self.time(F.silu(time))
        hidden = self.conv2(F.silu(self.norm2(hidden)))
        return (x if self.shortcut is None else self.shortcut(x)) + hidden


class Stage(nn.Module):
    """One down, mid or up stage: resnets, each followed by a transformer where the stage has any, then a resampling."""

    def __init__(self, block: nn.Module, attend: Attend) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(Resnet(resnet) for resnet in block.resnets)
        attentions = getattr(block, "attentions", None) or []
        self.attentions = nn.ModuleList(Transformer(attention, attend) for attention in attentions)
        down, up = getattr(block, "downsamplers", None), getattr(block, "upsamplers", None)
        self.down = down[0].conv if down else None
        self.up = up[0].conv if up else None

    def pair(self, place: int, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        x = self.resnets[place](x, time)
        return self.attentions[place](x, context) if len(self.attentions) else x


class CoreUnet(nn.Module):
    """sample [B, 4, H, W], timestep [B], encoder_hidden_states [B, D, 1, T] -> noise_pred [B, 4, H, W]."""

    def __init__(self, unet: UNet2DConditionModel, attention: str = "split_einsum_v2") -> None:
        super().__init__()
        attend = attention_kind(attention)
        self.conv_in, self.norm_out, self.conv_out = unet.conv_in, unet.conv_norm_out, unet.conv_out
        self.time1, self.time2 = as_conv(unet.time_embedding.linear_1), as_conv(unet.time_embedding.linear_2)
        self.downs = nn.ModuleList(Stage(block, attend) for block in unet.down_blocks)
        self.mid = Stage(unet.mid_block, attend) if unet.mid_block is not None else None
        self.ups = nn.ModuleList(Stage(block, attend) for block in unet.up_blocks)
        half = unet.config.block_out_channels[0] // 2
        self.register_buffer("frequencies", torch.exp(-math.log(10000) * torch.arange(half) / half))

    def _time(self, timestep: Tensor) -> Tensor:
        """Sinusoids of the step, cosines first, through two layers -> [B, E, 1, 1]."""
        angles = timestep[:, None] * self.frequencies[None, :]
        waves = torch.cat([angles.sin(), angles.cos()], dim=-1)
        half = angles.shape[1]
        waves = torch.cat([waves[:, half:], waves[:, :half]], dim=-1)
        return self.time2(F.silu(self.time1(waves[:, :, None, None])))

    def _mid(self, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        if self.mid is None:
            return x
        x = self.mid.attentions[0](self.mid.resnets[0](x, time), context)
        return self.mid.resnets[1](x, time)

    def forward(self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor) -> Tensor:
        time, context = self._time(timestep), encoder_hidden_states
        x = self.conv_in(sample)
        skips = [x]
        for stage in self.downs:
            for place in range(len(stage.resnets)):
                x = stage.pair(place, x, time, context)
                skips.append(x)
            if stage.down is not None:
                x = stage.down(x)
                skips.append(x)
        x = self._mid(x, time, context)
        for stage in self.ups:
            for place in range(len(stage.resnets)):
                x = stage.pair(place, torch.cat([x, skips.pop()], dim=1), time, context)
            if stage.up is not None:
                x = stage.up(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv_out(F.silu(self.norm_out(x)))
