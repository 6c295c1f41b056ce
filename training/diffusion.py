"""SD v1.4's noise schedule and the training targets on it.

betas are linear in their square roots from 0.00085 to 0.012 over 1000 steps; the network predicts the noise. The loss
weight, seen from the clean latents, is min(SNR + 1, 5): "SNR + 1" of Salimans & Ho (arXiv 2202.00512, section 4),
bounded as in min-SNR (Hang et al., arXiv 2303.09556, equation 5). With min(SNR, 5), errors at high noise hardly count,
although the subject is decided there.
"""

from dataclasses import dataclass

import torch

STEPS = 1000
GAMMA = 5.0  # most that a clean latent's error counts
_betas = torch.linspace(0.00085**0.5, 0.012**0.5, STEPS, dtype=torch.float64).square()
ALPHA_BAR = torch.cumprod(1 - _betas, dim=0).float()  # [1000]


@dataclass(frozen=True)
class Noised:
    """A batch on its way to noise: latents x_t [B, 4, H, W], noise eps, timesteps [B], loss weights [B]."""

    latents: torch.Tensor
    noise: torch.Tensor
    timesteps: torch.Tensor
    weights: torch.Tensor


def add_noise(clean: torch.Tensor, generator: torch.Generator) -> Noised:
    """x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps at a uniformly drawn step for every picture."""
    size, device = clean.shape[0], clean.device
    # one step from each of `size` equal parts of the schedule: the same mean, less variance
    timesteps = (
        ((torch.arange(size, device=device) + torch.rand(size, generator=generator, device=device)) * STEPS / size)
        .long()
        .clamp(max=STEPS - 1)
    )
    noise = torch.randn(clean.shape, generator=generator, device=device)
    alpha_bar = ALPHA_BAR.to(device)[timesteps]
    alpha = alpha_bar[:, None, None, None]
    latents = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    ratio = alpha_bar / (1 - alpha_bar)
    return Noised(latents, noise, timesteps, (ratio + 1).clamp(max=GAMMA) / ratio)


def weighted_error(predicted: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean squared error, every picture times its weight."""
    return ((predicted.float() - target).square().mean(dim=(1, 2, 3)) * weights).mean()
