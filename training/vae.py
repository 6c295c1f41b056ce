"""Stage 3: the autoencoder, AutoencoderKL with f8 and four latent channels, as SD v1 but small.

    python -m training.vae [--minutes 13]

Loss: L1 + L1 of the pixel differences (gradient) + a tiny KL. First on 64 px crops at batch 16, then on whole 128 px
pictures at batch 8. Afterwards the latents are normalised by folding a shift (the latent of white, per channel) and a
scale (unit deviation over all pictures) into quant_conv and post_quant_conv, so that the scaling factor is 1 and a
white background is the origin.
"""

import argparse
import math

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from numpy.typing import NDArray

from training import data, workers
from training.workers import Team
from training.workspace import Stopwatch, load_checkpoint, log, save_checkpoint

CHANNELS = (16, 32, 64, 128)
KL_WEIGHT = 1e-4
GRADIENT_WEIGHT = 0.7
LEARNING_RATE = 1.5e-3
SMALL_SHARE = 0.4  # of the time on crops
SAVE_EVERY = 100  # steps


def build() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=128,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )


def to_tensor(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """[N, H, W, 3] uint8 -> [N, 3, H, W] float32 in [-1, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


class Sampler:
    """Draws batches: pictures mirrored half of the time, cropped to `side` pixels."""

    def __init__(self, seed: int) -> None:
        self._draw = np.random.default_rng(seed)
        self._pictures = data.pictures()

    def _one(self, side: int) -> NDArray[np.uint8]:
        picture = self._pictures[self._draw.integers(len(self._pictures))]
        if self._draw.random() < 0.5:
            picture = picture[:, ::-1]
        y, x = self._draw.integers(0, (data.SIDE - side) // 8 + 1, size=2) * 8
        return picture[y : y + side, x : x + side]

    def batch(self, size: int, side: int) -> torch.Tensor:
        return to_tensor(np.stack([self._one(side) for _ in range(size)]))


def loss_of(vae: AutoencoderKL, images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, float]:
    """The training loss and, for the log, the mean squared error in [-1, 1]."""
    with torch.autocast("cpu", torch.bfloat16):
        posterior = vae.encode(images).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator)
        decoded = vae.decode(posterior.mean + posterior.std * noise).sample
    decoded, mean, logvar = decoded.float(), posterior.mean.float(), posterior.logvar.float()
    across = F.l1_loss(decoded.diff(dim=3), images.diff(dim=3)) + F.l1_loss(decoded.diff(dim=2), images.diff(dim=2))
    divergence = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
    loss = F.l1_loss(decoded, images) + GRADIENT_WEIGHT * across + KL_WEIGHT * divergence
    return loss, F.mse_loss(decoded.detach(), images).item()


def train(team: Team, minutes: float) -> None:
    torch.manual_seed(0)
    vae = build()
    optimiser = torch.optim.AdamW(vae.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=1e-3)
    step, spent = 0, 0.0
    if saved := load_checkpoint("vae"):
        vae.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        step, spent = saved["step"], saved["spent"]
    seed = team.size * step + team.rank
    watch, sampler, generator = Stopwatch(spent), Sampler(seed), torch.Generator().manual_seed(seed)
    errors: list[float] = []
    while (share := team.agree(watch.spent / (60 * minutes))) < 1:
        rate = LEARNING_RATE * min(1, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        size, side = (16, 64) if share < SMALL_SHARE else (8, 128)
        loss, error = loss_of(vae, sampler.batch(size // team.size, side), generator)
        optimiser.zero_grad()
        loss.backward()
        team.average_gradients(vae.parameters())
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        step += 1
        errors.append(error)
        if team.leads and step % SAVE_EVERY == 0:
            decibel = 10 * math.log10(4 / np.mean(errors))
            log("vae", f"step {step}, {watch.spent / 60:.1f} min, loss {loss.item():.4f}, {decibel:.2f} dB")
            errors.clear()
            _save(vae, optimiser, step, watch.spent, done=False)
    if team.leads:
        normalise(vae)
        _save(vae, optimiser, step, watch.spent, done=True)
        log("vae", f"finished: {step} steps, {quality(vae):.2f} dB on the pictures")


def _save(vae: AutoencoderKL, optimiser: torch.optim.Optimizer, step: int, spent: float, done: bool) -> None:
    state = {"model": vae.state_dict(), "optimiser": optimiser.state_dict(), "step": step, "spent": spent, "done": done}
    save_checkpoint("vae", state)


@torch.no_grad()
def encode(vae: AutoencoderKL, images: torch.Tensor) -> torch.Tensor:
    """Mean latents [N, 4, H / 8, W / 8] of images [N, 3, H, W] in [-1, 1]."""
    return torch.cat([vae.encode(part).latent_dist.mean for part in images.split(16)])


@torch.no_grad()
def normalise(vae: AutoencoderKL) -> None:
    """Fold z -> (z - white) / deviation into quant_conv and its inverse into post_quant_conv."""
    white = encode(vae, torch.ones(1, 3, data.SIDE, data.SIDE))
    shift = white.flatten(2).median(dim=2).values[0]  # [4]
    latents = encode(vae, to_tensor(data.pictures()))
    scale = (latents - shift[:, None, None]).square().mean(dim=(0, 2, 3)).sqrt()  # [4]
    quant, post = vae.quant_conv, vae.post_quant_conv
    quant.bias[:4] -= shift
    quant.weight[:4] /= scale[:, None, None, None]
    quant.bias[:4] /= scale
    quant.bias[4:] -= 2 * scale.log()  # the log variances shrink with the latents
    post.bias += post.weight[:, :, 0, 0] @ shift
    post.weight *= scale[None, :, None, None]


@torch.no_grad()
def quality(vae: AutoencoderKL) -> float:
    """Mean PSNR in dB of reconstructed pictures, peak to peak 2."""
    images = to_tensor(data.pictures())
    values = []
    for part in images.split(16):
        decoded = vae.decode(encode(vae, part)).sample.clamp(-1, 1)
        values.append(10 * torch.log10(4 / (decoded - part).square().mean(dim=(1, 2, 3))))
    return torch.cat(values).mean().item()


def load() -> AutoencoderKL:
    """The finished autoencoder, in evaluation mode."""
    saved = load_checkpoint("vae")
    if not saved:
        raise SystemExit("no autoencoder yet: run python -m training.vae")
    vae = build()
    vae.load_state_dict(saved["model"])
    return vae.eval().requires_grad_(False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=13)
    options = parser.parse_args()
    finished = load_checkpoint("vae")
    if finished and finished["done"]:
        raise SystemExit("already finished")
    workers.run(train, sum(parameter.numel() for parameter in build().parameters()), options.minutes)
