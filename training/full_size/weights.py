"""Random weights that behave like trained ones, and their palettes.

Every projection is scaled by its number of inputs, so activations stay of order one. Weights are a mixture of two
normals (heavy tails), with a separate scale per output channel. Norms and biases are random, because the converter
would delete an identity affine. All values are exact in float16.
"""

import numpy as np
import torch
from torch import Tensor, nn

TAIL_SHARE, TAIL_WIDTH = 0.1, 3.0  # one weight in ten comes from a normal three times as wide
CHANNEL_SPREAD = 0.25  # of the logarithm of an output channel's scale
SMALLEST = 2048  # weights; tensors with fewer stay float16
ROUNDS, SAMPLE = 20, 200_000  # of the search for a palette

# The factor of a projection on the size of its input. Focused attention needs large scores; additions to the
# residual stream are a little smaller than the stream.
GAINS = {
    "to_q": 1.25,
    "to_k": 1.25,
    "q_proj": 1.25,
    "k_proj": 1.25,
    "conv2": 0.8,
    "proj_out": 0.7,
    "fc2": 0.7,
    "out_proj": 0.7,
    "ff.net.2": 0.8,
    "linear_1": 1.4,
    "linear_2": 1.6,
    "time_emb_proj": 1.5,
}


def randomise(network: nn.Module, seed: int) -> None:
    """Fill every parameter of a float32 network, in the order of its modules."""
    draw = torch.Generator().manual_seed(seed)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            gain = next((value for ending, value in GAINS.items() if name.endswith(ending)), 1.0)
            inputs = module.weight[0].numel()
            module.weight.data = half(_heavy_tailed(module.weight.shape, draw) * (gain / inputs**0.5))
            if module.bias is not None:
                module.bias.data = half(0.1 * torch.randn(module.bias.shape, generator=draw))
        elif isinstance(module, nn.GroupNorm | nn.LayerNorm):
            scale, shift = (torch.randn(module.weight.shape, generator=draw).clamp(-2.5, 2.5) for _ in range(2))
            module.weight.data, module.bias.data = half(1 + 0.2 * scale), half(0.2 * shift)
        elif isinstance(module, nn.Embedding):
            module.weight.data = half(_heavy_tailed(module.weight.shape, draw))


def _heavy_tailed(shape: torch.Size, draw: torch.Generator) -> Tensor:
    """Weights of variance one, of any shape; the first axis is the output channel."""
    values = torch.randn(shape, generator=draw)
    values[torch.rand(shape, generator=draw) < TAIL_SHARE] *= TAIL_WIDTH
    scale = torch.exp(CHANNEL_SPREAD * torch.randn(shape[0], generator=draw))
    values *= scale.view(-1, *[1] * (len(shape) - 1))
    return values / values.square().mean().sqrt()


def half(values: Tensor) -> Tensor:
    """The nearest float16 values, in float32."""
    return values.to(torch.float16).float()


def palettize(network: nn.Module, mixture: dict[int, float], seed: int, keep: tuple[str, ...] = ()) -> dict[str, int]:
    """Replace every large convolution and projection by at most 2^bits distinct float16 values -> bits by name.

    Tensors take their bits in random order, until each width has its share of the weights. A tensor stays as it is with
    16 bits, or if its name starts with one of `keep`.
    """
    weights = {
        f"{name}.weight": module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and module.weight.numel() >= SMALLEST and not name.startswith(keep)
    }
    chosen = _share_out({name: module.weight.numel() for name, module in weights.items()}, mixture, seed)
    for name, bits in chosen.items():
        if bits < 16:
            weights[name].weight.data = snap(weights[name].weight.data, bits)
    return chosen


def _share_out(sizes: dict[str, int], mixture: dict[int, float], seed: int) -> dict[str, int]:
    """Bits for every tensor: the width furthest behind its share, and every third time the narrowest that fits."""
    names = list(sizes)
    order = np.random.default_rng(seed).permutation(len(names))
    left = {bits: share * sum(sizes.values()) for bits, share in mixture.items()}
    chosen: dict[str, int] = {}
    for place in order:
        name = names[place]
        fitting = [bits for bits in left if left[bits] >= 0.5 * sizes[name]] or list(left)
        bits = min(fitting) if place % 3 == 0 else max(fitting, key=lambda width: left[width])
        chosen[name] = bits
        left[bits] -= sizes[name]
    return {name: chosen[name] for name in names}


def snap(weight: Tensor, bits: int) -> Tensor:
    """Every weight moved to the nearest of 2^bits float16 values, found by k-means on the line."""
    values = weight.flatten()
    sample = values[:: max(1, values.numel() // SAMPLE)].sort().values
    places = (torch.arange(2**bits) + 0.5) / 2**bits
    centres = sample[(places * len(sample)).long()]
    for _ in range(ROUNDS):
        nearest = torch.bucketize(sample, (centres[1:] + centres[:-1]) / 2)
        count = torch.bincount(nearest, minlength=len(centres))
        total = torch.zeros(len(centres)).index_add_(0, nearest, sample)
        centres = torch.where(count > 0, total / count.clamp(min=1), centres)
    centres = half(centres.sort().values)
    return centres[torch.bucketize(values, (centres[1:] + centres[:-1]) / 2)].view_as(weight)
