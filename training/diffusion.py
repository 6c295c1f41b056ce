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
FIRST_STEPS = 900  # from here on a sampler may begin, with noise that holds nothing of a picture
_betas = torch.linspace(0.00085**0.5, 0.012**0.5, STEPS, dtype=torch.float64).square()
ALPHA_BAR = torch.cumprod(1 - _betas, dim=0).float()  # [1000]


@dataclass(frozen=True)
class Noised:
    """A batch on its way to noise: latents x_t [B, 4, H, W], noise eps, timesteps [B], loss weights [B].

    The noise is what leads from x_t to the clean latents: (x_t - sqrt(alpha_bar) x_0) / sqrt(1 - alpha_bar).
    """

    latents: torch.Tensor
    noise: torch.Tensor
    timesteps: torch.Tensor
    weights: torch.Tensor


def add_noise(clean: torch.Tensor, generator: torch.Generator, empty: float = 0.0, noisier: float = 1.0) -> Noised:
    """x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps at a drawn step for every picture.

    Steps are drawn uniformly with `noisier` 1; above, a step's chance grows with its power of `noisier` - 1.

    `empty`: the share of the pictures at the first steps whose x_t is noise alone, as a sampler's first latents are.
    SD's schedule never gets there: its noisiest latents still tell the background's colour, and a network that goes
    by them, not by the words, is misled when it draws (Lin et al., arXiv 2305.08891).
    """
    size, device = clean.shape[0], clean.device
    # one step from each of `size` equal parts of the schedule: the same mean, less variance
    timesteps = (
        (
            ((torch.arange(size, device=device) + torch.rand(size, generator=generator, device=device)) / size)
            .pow(1 / noisier)
            .mul(STEPS)
        )
        .long()
        .clamp(max=STEPS - 1)
    )
    noise = torch.randn(clean.shape, generator=generator, device=device)
    alpha_bar = ALPHA_BAR.to(device)[timesteps]
    alpha = alpha_bar[:, None, None, None]
    latents = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    if empty:
        chosen = torch.rand(size, generator=generator, device=device) < empty
        alone = (chosen & (timesteps >= FIRST_STEPS))[:, None, None, None]
        latents = torch.where(alone, noise, latents)
        noise = (latents - alpha.sqrt() * clean) / (1 - alpha).sqrt()
    ratio = alpha_bar / (1 - alpha_bar)
    return Noised(latents, noise, timesteps, (ratio + 1).clamp(max=GAMMA) / ratio)


def weighted_error(predicted: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean squared error, every picture times its weight."""
    return ((predicted.float() - target).square().mean(dim=(1, 2, 3)) * weights).mean()
