"""The composing original: the shipped U-Net and text encoder, trained further on single pictures and scenes.

    python -m training.scenes.original [--samples N] [--minutes M] [--makers P]

Starts from the shipped weights (recover.py) and learns both networks together: noise prediction with the same loss as
training.original, on latents that the frozen autoencoder makes of every fresh picture. The learning rate stays level
and falls in the last quarter of the budget, which is in samples, or also in minutes on a GPU. Resumes from its
checkpoint `scene-original`; every example follows from its number.
"""

import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import nn

from training import diffusion, networks
from training.original import FALLING_SHARE, RunningAverage
from training.scenes import autoencoder, machine, words
from training.scenes.machine import DEVICE, Budget
from training.scenes.mix import Examples
from training.workspace import load_checkpoint, log, save_checkpoint

NAME = "scene-original"
SAMPLES = 1_500_000  # in all
BATCH = {"cpu": 16, "cuda": 512}
RATE = {"cpu": 3e-4, "cuda": 1e-3}
WARM_UP = 200  # steps of every run: the optimiser's state needs them after a start
SAVE_EVERY = 120  # seconds
LOG_EVERY = {"cpu": 25, "cuda": 50}  # steps
SEED = 400


def learning_rate(share: float, step: int) -> float:
    """Level, then falling to zero in the last quarter; `step` counts the steps of this run."""
    return RATE[DEVICE.type] * min(1.0, (1 - share) / FALLING_SHARE) * min(1.0, (step + 1) / WARM_UP)


def begin() -> nn.ModuleDict:
    """The shipped pair on the device, as recovered from the packages."""
    shipped = load_checkpoint("shipped-original")
    if not shipped:
        raise SystemExit("no shipped original yet: run python -m training.scenes.recover")
    torch.manual_seed(0)
    pair = nn.ModuleDict({"unet": networks.unet("original"), "text": networks.text_encoder(words.vocabulary_size())})
    pair.load_state_dict(renamed(shipped["average"], pair))
    return quick(pair)


def renamed(weights: dict[str, torch.Tensor], pair: nn.Module) -> dict[str, torch.Tensor]:
    """Weights by the names of this pair: versions of transformers differ in one level of the text encoder's."""
    wanted = pair.state_dict()
    if weights.keys() == wanted.keys():
        return weights
    plain = {name.replace("text.text_model.", "text."): value for name, value in weights.items()}
    return {name: plain[name.replace("text.text_model.", "text.")] for name in wanted}


def quick(pair: nn.Module) -> nn.Module:
    """Move it to the device; there, a GPU's own attention is the faster one."""
    if DEVICE.type == "cuda" and "unet" in pair:
        pair["unet"].set_attn_processor(AttnProcessor2_0())
    return pair.to(DEVICE)


def loss_of(pair: nn.ModuleDict, clean: torch.Tensor, ids: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
    noised = diffusion.add_noise(clean, noise)
    with machine.half():
        hidden = pair["text"](ids).last_hidden_state
        predicted = pair["unet"](noised.latents, noised.timesteps, hidden).sample
    return diffusion.weighted_error(predicted, noised.noise, noised.weights)


def train(budget: Budget, size: int, makers: int) -> None:
    """Train up to the budget."""
    pair, vae = begin().train(), autoencoder.load()
    optimiser = torch.optim.AdamW(pair.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    average, step, samples, spent = RunningAverage(pair), 0, 0, 0.0
    if saved := load_checkpoint(NAME):
        pair.load_state_dict(renamed(saved["pair"], pair))
        if "optimiser" in saved:
            optimiser.load_state_dict(saved["optimiser"])
        average.weights = {key: value.to(DEVICE) for key, value in renamed(saved["average"], pair).items()}
        step, samples, spent = saved["step"], saved["samples"], saved["spent"]
    source, noise = machine.batches(Examples(SEED), samples, size, makers), torch.Generator(DEVICE)
    first_step, first_sample, last_save, losses = step, samples, 0.0, []

    def save(done: bool) -> None:
        state = {"pair": pair.state_dict(), "average": average.weights, "optimiser": optimiser.state_dict()}
        state |= {"step": step, "samples": samples, "spent": spent + budget.spent, "done": done}
        save_checkpoint(NAME, state)

    while (share := budget.share(samples)) < 1:
        pictures, ids = next(source)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(share, step - first_step)
        noise.manual_seed(step)
        with torch.no_grad(), machine.half():
            clean = autoencoder.encode(vae, machine.to_images(pictures)).float()
        loss = loss_of(pair, clean, machine.on_device(ids), noise)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(pair.parameters(), 1.0)
        optimiser.step()
        step, samples = step + 1, samples + size
        average.update(step)
        losses.append(loss.detach())
        if step % LOG_EVERY[DEVICE.type] == 0:
            rate = (samples - first_sample) / budget.spent
            mean = torch.stack(losses).mean().item()
            losses.clear()
            log(NAME, f"{samples} samples, {budget.spent / 60:.1f} min, {rate:.1f} a second, loss {mean:.4f}")
        if budget.spent - last_save > SAVE_EVERY:
            last_save = budget.spent
            save(done=False)
    save(done=True)
    log(NAME, f"finished after {samples} samples")


def load() -> nn.ModuleDict:
    """The averaged weights of the last checkpoint, or the shipped ones before the first, in evaluation mode."""
    pair = begin()
    if saved := load_checkpoint(NAME):
        pair.load_state_dict(renamed(saved["average"], pair))
    return pair.eval().requires_grad_(False)


def main() -> None:
    chosen = machine.arguments(SAMPLES, BATCH[DEVICE.type]).parse_args()
    machine.prepare()
    log(NAME, f"{networks.parameters(begin()) / 1e6:.2f} M parameters on {DEVICE.type}")
    train(Budget(chosen.samples, chosen.minutes), chosen.batch, chosen.makers)


if __name__ == "__main__":
    main()
