"""A last convolution that predicts the noise, so that a random U-Net denoises as a trained one would.

With a random last layer, the latents of a trajectory would grow to fifteen times their size. So ridge regression fits
the last convolution to its inputs, on smooth random latents with noise. Part of the random layer stays, so that the
prediction depends on the prompt and on the step.
"""

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import Tensor

from training.diffusion import ALPHA_BAR
from training.full_size.weights import half

STEPS = (981, 801, 601, 401, 201, 41)
RIDGE = 0.02  # of a feature's mean square
RANDOM_SHARE = 0.15  # standard deviation of what the random layer adds to a prediction of size one


def smooth_latents(count: int, draw: torch.Generator) -> Tensor:
    """Random fields of size one that vary slowly, like pictures' latents: [count, 4, 64, 64]."""
    coarse = torch.randn(count, 4, 8, 8, generator=draw)
    fields = F.interpolate(coarse, size=64, mode="bicubic", align_corners=False)
    fields = fields + 0.3 * torch.randn(fields.shape, generator=draw)
    return fields / fields.std()


@torch.no_grad()
def fit_last_layer(unet: UNet2DConditionModel, seed: int) -> None:
    """Replace the weights of `conv_out` (rounded to float16); six evaluations of the network."""
    draw = torch.Generator().manual_seed(seed)
    channels = unet.conv_out.in_channels
    gram, cross = torch.zeros(channels * 9, channels * 9), torch.zeros(channels * 9, 4)
    caught: list[Tensor] = []
    hook = unet.conv_out.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    for step in STEPS:
        noise, context = torch.randn(1, 4, 64, 64, generator=draw), torch.randn(1, 77, 768, generator=draw)
        alpha = ALPHA_BAR[step]
        unet(alpha.sqrt() * smooth_latents(1, draw) + (1 - alpha).sqrt() * noise, step, context)
        rows = F.unfold(caught.pop(), 3, padding=1)[0].t()  # [4096, 9 C]
        gram += rows.t() @ rows
        cross += rows.t() @ noise[0].flatten(1).t()
    hook.remove()
    gram.diagonal().add_(RIDGE * gram.diagonal().mean())
    fitted = torch.linalg.solve(gram.double(), cross.double()).float().t().view(unet.conv_out.weight.shape)
    extra = torch.randn(fitted.shape, generator=draw)
    size = (torch.einsum("oi,ij,oj->o", extra.flatten(1), gram, extra.flatten(1)) / (4096 * len(STEPS))).sqrt()
    unet.conv_out.weight.data = half(fitted + RANDOM_SHARE * extra / size.view(-1, 1, 1, 1))
