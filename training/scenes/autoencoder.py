"""The autoencoder of scenes: an encoder for the shipped decoder, then a decoder that is better at scenes.

    python -m training.scenes.autoencoder [--part encoder|both|decoder] [--samples N] [--minutes M]

The encoder learns with the decoder frozen, so that the latents stay those of the shipped U-Nets: first to find latents
that the shipped original draws (bank.py) in what the decoder makes of them, then to reconstruct. `both` trains encoder
and decoder together: the latents move a little, so do it before any U-Net. These two begin on quarters of pictures,
which cost a quarter. `decoder` freezes the encoder, so no latent changes: this can run at any later time. Every part
resumes from its checkpoint.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from training import decoder, vae
from training.scenes import bank, machine
from training.scenes.machine import DEVICE, Budget
from training.scenes.mix import FIRST_OF_TESTS, Examples
from training.workspace import load_checkpoint, log, save_checkpoint

NAME = "scene-autoencoder"
SAMPLES = {"encoder": 16_000, "both": 48_000, "decoder": 24_000}
RATES = {"encoder": 2e-3, "both": 1e-3, "decoder": 8e-4}
BATCH = {"cpu": 16, "cuda": 128}
INVERSE_SHARE, QUARTERS_SHARE = 0.3, 0.7  # of the budget, until which the encoder learns on those
LATENT_WEIGHT = 0.001  # of the encoder's mean square: keeps it where the U-Nets were trained
NOISE = 0.12  # largest deviation of the noise on latents that the decoder sees
SHOWN_SINGLE = 0.35  # share of single pictures
SAVE_EVERY = 100  # seconds
LOG_EVERY = 50  # steps
SEED = {"encoder": 301, "decoder": 302, "both": 303}


def encode(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Mean latents [B, 4, H / 8, W / 8]."""
    return network.encode(images).latent_dist.mean


def parts(network: nn.Module, part: str) -> nn.ModuleDict:
    """The trained modules of a part."""
    encoder = nn.ModuleDict({"quant": network.quant_conv, "encoder": network.encoder})
    return {
        "encoder": encoder,
        "decoder": decoder.parts_of(network),
        "both": nn.ModuleDict({"first": encoder, "second": decoder.parts_of(network)}),
    }[part]


class Inverse:
    """The first lesson of the encoder: to find a latent in what the decoder makes of it."""

    def __init__(self) -> None:
        self._latents = bank.load().to(DEVICE)
        if not len(self._latents):
            raise SystemExit("no latents to begin with: run python -m training.scenes.bank")

    def loss(self, network: nn.Module, size: int, draw: torch.Generator) -> torch.Tensor:
        """On pictures of half the side, from quarters of the bank's latents."""
        places = torch.randint(len(self._latents), (size,), generator=draw, device=DEVICE)
        y, x = torch.randint(9, (2,), generator=draw, device=DEVICE).tolist()
        wanted = self._latents[places, :, y : y + 8, x : x + 8]
        with machine.half():
            with torch.no_grad():
                images = network.decode(wanted).sample.clamp(-1, 1)
            found = encode(network, images)
        return F.smooth_l1_loss(found.float(), wanted)


def quarters(images: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """A quarter of every picture, cut at a multiple of eight pixels."""
    half = images.shape[2] // 2
    y, x = (8 * torch.randint(half // 8 + 1, (2,), generator=draw, device=DEVICE)).tolist()
    return images[:, :, y : y + half, x : x + half]


def loss_of(network: nn.Module, part: str, images: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Reconstruction; where the decoder learns, from latents with a little noise."""
    with machine.half():
        latents = encode(network, images)
        plain = latents
        if part != "encoder":
            deviation = NOISE * torch.rand(len(latents), 1, 1, 1, generator=draw, device=DEVICE)
            latents = latents + deviation * torch.randn(latents.shape, generator=draw, device=DEVICE)
        decoded = network.decode(latents).sample
    loss = decoder.loss_of(decoded.float(), images)
    return loss + LATENT_WEIGHT * plain.float().square().mean()


def train(part: str, budget: Budget, size: int, makers: int) -> None:
    """Train one part up to the budget."""
    network, saved = start(), load_checkpoint(f"{NAME}-{part}")
    trained = parts(network, part).requires_grad_(True).train()
    optimiser = torch.optim.AdamW(trained.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    samples = step = 0
    if saved:
        if "optimiser" in saved:
            optimiser.load_state_dict(saved["optimiser"])
        samples, step = saved["samples"], saved["step"]
    inverse = Inverse() if part == "encoder" else None
    draw, last_save, losses = torch.Generator(DEVICE), 0.0, []
    source = machine.batches(Examples(SEED[part], SHOWN_SINGLE), samples, size, makers)

    def save(done: bool) -> None:
        state = {"optimiser": optimiser.state_dict(), "samples": samples, "step": step, "done": done}
        save_checkpoint(f"{NAME}-{part}", state)
        save_checkpoint(NAME, {"model": {key: value.cpu() for key, value in network.state_dict().items()}})

    while (share := budget.share(samples)) < 1:
        fall = 0.01 + 0.495 * (1 + math.cos(math.pi * share))
        for group in optimiser.param_groups:
            group["lr"] = RATES[part] * fall * min(1, (step + 1) / 50)
        draw.manual_seed(step)
        if inverse and share < INVERSE_SHARE:
            loss = inverse.loss(network, size, draw)
        else:
            images = machine.to_images(next(source)[0])
            if part != "decoder" and share < QUARTERS_SHARE:
                images = quarters(images, draw)
            loss = loss_of(network, part, images, draw)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        optimiser.step()
        step, samples = step + 1, samples + size
        losses.append(loss.detach())
        if step % LOG_EVERY == 0:
            mean = torch.stack(losses[-LOG_EVERY:]).mean().item()
            log(NAME, f"{part}: {samples} samples, {budget.spent / 60:.1f} min, loss {mean:.4f}")
        if budget.spent - last_save > SAVE_EVERY:
            last_save = budget.spent
            save(done=False)
    save(done=True)
    log(NAME, f"{part}: finished after {samples} samples; {quality(network.eval())}")


@torch.no_grad()
def quality(network: nn.Module) -> str:
    """PSNR in dB on single pictures and on scenes of no training."""
    found = []
    for name, single in (("single pictures", 1.0), ("scenes", 0.0)):
        pictures, *_ = Examples(SEED["encoder"], single).batch(FIRST_OF_TESTS, 128)
        errors = []
        for part in machine.to_images(pictures).split(16):
            with machine.half():
                decoded = network.decode(encode(network, part)).sample.float().clamp(-1, 1)
            errors.append((decoded - part).square().mean(dim=(1, 2, 3)))
        values = 10 * torch.log10(4 / torch.cat(errors).clamp(min=1e-6))
        found.append(f"{values.mean():.2f} dB on {name}")
    return ", ".join(found)


def start() -> nn.Module:
    """The autoencoder as far as it is, on the device: at first the shipped decoder with an untrained encoder."""
    network, saved = vae.build(), load_checkpoint(NAME) or load_checkpoint("shipped-decoder")
    if not saved:
        raise SystemExit("no shipped decoder yet: run python -m training.scenes.recover")
    network.load_state_dict(saved["model"])
    return network.to(DEVICE).eval().requires_grad_(False)


def load() -> nn.Module:
    """The autoencoder with a trained encoder."""
    if not load_checkpoint(NAME):
        raise SystemExit("no autoencoder of scenes yet: run python -m training.scenes.autoencoder")
    return start()


def main() -> None:
    parser = machine.arguments(None, BATCH[DEVICE.type])
    parser.add_argument("--part", choices=tuple(SAMPLES), default="encoder")
    chosen = parser.parse_args()
    machine.prepare()
    budget = Budget(chosen.samples or SAMPLES[chosen.part], chosen.minutes)
    train(chosen.part, budget, chosen.batch, chosen.makers)


if __name__ == "__main__":
    main()
