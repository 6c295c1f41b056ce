"""Stage 6: trains the autoencoder's decoder alone. The latents do not change, and neither does any U-Net.

    python -m training.decoder [--samples 16000]

Same loss as stage 3, on the cached latents of the pictures with a little noise. So the decoder can also handle latents
that the U-Nets get almost right. The samples of a step depend on its number alone. A larger --samples continues a
finished run.
"""

import argparse
import math

import torch
import torch.nn.functional as F

from training import data, latents, vae, workers
from training.workers import Team
from training.workspace import Stopwatch, load_checkpoint, log, save_checkpoint

BATCH = 8
SAMPLES = 16_000
LEARNING_RATE = 1e-3
NOISE = 0.12  # largest deviation of the noise on latents
WARM_UP = 50  # steps
SAVE_EVERY = 100  # steps


def loss_of(decoded: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    across = F.l1_loss(decoded.diff(dim=3), images.diff(dim=3)) + F.l1_loss(decoded.diff(dim=2), images.diff(dim=2))
    return F.l1_loss(decoded, images) + 0.5 * F.mse_loss(decoded, images) + vae.GRADIENT_WEIGHT * across


def parts_of(network: vae.AutoencoderKL) -> torch.nn.ModuleDict:
    """The trained parts of `network`, sharing its weights."""
    return torch.nn.ModuleDict({"post": network.post_quant_conv, "decoder": network.decoder})


def learning_rate(step: int, steps: int) -> float:
    cosine = 0.01 + 0.495 * (1 + math.cos(math.pi * step / steps))
    return LEARNING_RATE * cosine * min(1, (step + 1) / WARM_UP)


def train(team: Team, samples: int) -> None:
    parts = parts_of(vae.load()).requires_grad_(True).train()
    optimiser = torch.optim.AdamW(
        parts.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=1e-3, fused=True
    )
    first, spent, steps = 0, 0.0, samples // BATCH
    if saved := load_checkpoint("decoder"):
        parts.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        first, spent = saved["step"], saved["spent"]
    images, clean = vae.to_tensor(data.pictures()), latents.load(16)
    draw, watch, losses = torch.Generator(), Stopwatch(spent), []
    for step in range(first, steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, steps)
        draw.manual_seed(team.size * step + team.rank)
        places = torch.randint(len(images), (BATCH // team.size,), generator=draw)
        deviation = NOISE * torch.rand(len(places), 1, 1, 1, generator=draw)
        noisy = clean[places] + deviation * torch.randn(clean[places].shape, generator=draw)
        with torch.autocast("cpu", torch.bfloat16):
            decoded = parts["decoder"](parts["post"](noisy))
        loss = loss_of(decoded.float(), images[places])
        optimiser.zero_grad()
        loss.backward()
        team.average_gradients(parts.parameters())
        torch.nn.utils.clip_grad_norm_(parts.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
        if team.leads and (step + 1) % SAVE_EVERY == 0:
            mean, minutes = sum(losses[-SAVE_EVERY:]) / SAVE_EVERY, watch.spent / 60
            log("decoder", f"step {step + 1} of {steps}, {minutes:.1f} min, loss {mean:.4f}")
            _save(parts, optimiser, step + 1, watch.spent, done=False)
    if team.leads:
        _save(parts, optimiser, steps, watch.spent, done=True)
        log("decoder", f"finished after {steps} steps: {vae.quality(load()):.2f} dB on the pictures")


def _save(parts: torch.nn.Module, optimiser: torch.optim.Optimizer, step: int, spent: float, done: bool) -> None:
    state = {"model": parts.state_dict(), "optimiser": optimiser.state_dict(), "step": step}
    save_checkpoint("decoder", state | {"samples": step * BATCH, "spent": spent, "done": done})


def load() -> vae.AutoencoderKL:
    """The autoencoder, with the better decoder if it exists."""
    network = vae.load()
    if saved := load_checkpoint("decoder"):
        parts_of(network).load_state_dict(saved["model"])
    return network


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=SAMPLES, help="in all, those of earlier runs included")
    options = parser.parse_args()
    saved = load_checkpoint("decoder")
    if saved and saved["step"] >= options.samples // BATCH:
        log("decoder", f"it has had its {saved['step'] * BATCH} samples")
        return
    latents.load(16)  # fills the cache once
    workers.run(train, 3_000_000, options.samples)


if __name__ == "__main__":
    main()
