"""Stage 6: more practice for the autoencoder's decoder alone; the latents, and so every U-Net, stay as they are.

    python -m training.decoder [--minutes 6]

Same loss as stage 3, on the cached latents of the pictures with a little noise, so that the decoder is also at
ease with latents that the U-Nets get almost right.
"""

import argparse
import math

import torch
import torch.nn.functional as F

from training import data, latents, vae, workers
from training.workers import Team
from training.workspace import Stopwatch, load_checkpoint, log, save_checkpoint

BATCH = 8
LEARNING_RATE = 1e-3
NOISE = 0.12  # largest deviation of the noise on latents
SAVE_EVERY = 100  # steps


def loss_of(decoded: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    across = F.l1_loss(decoded.diff(dim=3), images.diff(dim=3)) + F.l1_loss(decoded.diff(dim=2), images.diff(dim=2))
    return F.l1_loss(decoded, images) + 0.5 * F.mse_loss(decoded, images) + vae.GRADIENT_WEIGHT * across


def train(team: Team, minutes: float) -> None:
    network, saved = vae.load(), load_checkpoint("decoder")
    parts = (
        torch.nn.ModuleDict({"post": network.post_quant_conv, "decoder": network.decoder}).requires_grad_(True).train()
    )
    optimiser = torch.optim.AdamW(
        parts.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=1e-3, fused=True
    )
    step, spent = 0, 0.0
    if saved:
        parts.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        step, spent = saved["step"], saved["spent"]
    images, clean = vae.to_tensor(data.pictures()), latents.load(16)
    draw = torch.Generator().manual_seed(team.size * step + team.rank)
    watch, losses = Stopwatch(spent), []
    while (share := team.agree(watch.spent / (60 * minutes))) < 1:
        for group in optimiser.param_groups:
            group["lr"] = (
                LEARNING_RATE * min(1, (step + 1) / 50) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
            )
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
        step += 1
        losses.append(loss.item())
        if team.leads and step % SAVE_EVERY == 0:
            log(
                "decoder", f"step {step}, {watch.spent / 60:.1f} min, loss {sum(losses[-SAVE_EVERY:]) / SAVE_EVERY:.4f}"
            )
            _save(parts, optimiser, step, watch.spent, done=False)
    if team.leads:
        _save(parts, optimiser, step, watch.spent, done=True)
        log("decoder", f"finished after {step} steps: {vae.quality(load()):.2f} dB on the pictures")


def _save(parts: torch.nn.Module, optimiser: torch.optim.Optimizer, step: int, spent: float, done: bool) -> None:
    state = {"model": parts.state_dict(), "optimiser": optimiser.state_dict()}
    save_checkpoint("decoder", state | {"step": step, "spent": spent, "done": done})


def load() -> vae.AutoencoderKL:
    """The autoencoder with the practised decoder, if there is one yet."""
    network, saved = vae.load(), load_checkpoint("decoder")
    if saved:
        parts = torch.nn.ModuleDict({"post": network.post_quant_conv, "decoder": network.decoder})
        parts.load_state_dict(saved["model"])
    return network


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=6)
    options = parser.parse_args()
    finished = load_checkpoint("decoder")
    if finished and finished["done"]:
        raise SystemExit("already finished")
    workers.run(train, 3_000_000, options.minutes)
