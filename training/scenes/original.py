"""The composing original: the shipped U-Net and text encoder, trained further on single pictures and scenes.

    python -m training.scenes.original [--samples N] [--minutes M] [--makers P] [--longer]

Starts from the shipped weights (recover.py) and learns both networks together: noise prediction with the same loss as
training.original, on latents that the frozen autoencoder makes of every fresh picture. The learning rate stays level
and falls in the last quarter of the budget, which is in samples, or also in minutes on a GPU. Resumes from its
checkpoint `scene-original`; every example follows from its number. The network before the fall is saved as
`scene-original-level`; `--longer` goes on from there. A second loss tells every word where to look (attention.py).
"""

import torch
from torch import nn

from training import diffusion, networks, workers
from training.original import FALLING_SHARE, RunningAverage
from training.scenes import autoencoder, machine, words
from training.scenes.attention import Watch
from training.scenes.machine import DEVICE, Budget
from training.scenes.mix import EMPTY_NOISE, NOISIER, Examples
from training.workers import Alone, Team
from training.workspace import load_checkpoint, log, save_checkpoint

NAME = "scene-original"
LEVEL = NAME + "-level"  # before the learning rate falls: what a longer training goes on from
SAMPLES = 1_500_000  # in all
BATCH = {"cpu": 16, "cuda": 512}  # of every worker: one a core, or one for the GPU
RATE = {"cpu": 5e-4, "cuda": 1e-3}
PLACES_WEIGHT = 0.1  # of the loss that tells words where to look
WARM_UP = 200  # steps that an optimiser without a state needs
SAVE_EVERY = 120  # seconds
LOG_EVERY = {"cpu": 25, "cuda": 50}  # steps
SEED = 400


def learning_rate(share: float, step: int) -> float:
    """Level, then falling to zero in the last quarter; `step` counts the steps of this optimiser."""
    return RATE[DEVICE.type] * min(1.0, (1 - share) / FALLING_SHARE) * min(1.0, (step + 1) / WARM_UP)


def begin() -> nn.ModuleDict:
    """The shipped pair on the device, as recovered from the packages."""
    shipped = load_checkpoint("shipped-original")
    if not shipped:
        raise SystemExit("no shipped original yet: run python -m training.scenes.recover")
    torch.manual_seed(0)
    pair = nn.ModuleDict({"unet": networks.unet("original"), "text": networks.text_encoder(words.vocabulary_size())})
    pair.load_state_dict(renamed(shipped["average"], pair))
    return pair.to(DEVICE)


def renamed(weights: dict[str, torch.Tensor], pair: nn.Module) -> dict[str, torch.Tensor]:
    """Weights by the names of this pair: versions of transformers differ in one level of the text encoder's."""
    wanted = pair.state_dict()
    if weights.keys() == wanted.keys():
        return weights
    plain = {name.replace("text.text_model.", "text."): value for name, value in weights.items()}
    return {name: plain[name.replace("text.text_model.", "text.")] for name in wanted}


def loss_of(pair: nn.ModuleDict, clean: torch.Tensor, ids: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
    noised = diffusion.add_noise(clean, noise, EMPTY_NOISE, NOISIER)
    with machine.half():
        hidden = pair["text"](ids).last_hidden_state
        predicted = pair["unet"](noised.latents, noised.timesteps, hidden).sample
    return diffusion.weighted_error(predicted, noised.noise, noised.weights)


def train(team: Team, budget: Budget, size: int, makers: int) -> None:
    """Train up to the budget, as one of a team with equal weights."""
    pair, vae = begin().train(), autoencoder.load()
    watch = Watch(pair["unet"], fast=DEVICE.type == "cuda")
    optimiser = torch.optim.AdamW(pair.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    average, step, samples, spent, first_step = RunningAverage(pair), 0, 0, 0.0, 0
    if saved := load_checkpoint(NAME):
        pair.load_state_dict(renamed(saved["pair"], pair))
        first_step = saved["step"]
        if "optimiser" in saved:
            optimiser.load_state_dict(saved["optimiser"])
            first_step -= WARM_UP
        average.weights = {key: value.to(DEVICE) for key, value in renamed(saved["average"], pair).items()}
        step, samples, spent = saved["step"], saved["samples"], saved["spent"]
    source = machine.batches(Examples(SEED), samples + team.rank * size, size, makers, team.size * size)
    noise = torch.Generator(DEVICE)
    first_sample, last_save, losses = samples, 0.0, []

    def save(done: bool, name: str = NAME) -> None:
        state = {"pair": pair.state_dict(), "average": average.weights, "optimiser": optimiser.state_dict()}
        state |= {"step": step, "samples": samples, "spent": spent + budget.spent, "done": done}
        save_checkpoint(name, state)

    level = budget.share(samples) < 1 - FALLING_SHARE
    while (share := team.agree(budget.share(samples))) < 1:
        pictures, ids, groups, regions = next(source)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(share, step - first_step)
        noise.manual_seed(team.size * step + team.rank)
        with torch.no_grad(), machine.half():
            clean = autoencoder.encode(vae, machine.to_images(pictures)).float()
        loss = loss_of(pair, clean, machine.on_device(ids), noise)
        looking = watch.loss(machine.on_device(groups), machine.on_device(regions))
        optimiser.zero_grad()
        (loss + PLACES_WEIGHT * looking).backward()
        team.average_gradients(pair.parameters())
        nn.utils.clip_grad_norm_(pair.parameters(), 1.0)
        optimiser.step()
        step, samples = step + 1, samples + team.size * size
        average.update(step)
        if not team.leads:
            continue
        losses.append(torch.stack([loss.detach(), looking.detach()]))
        if step % LOG_EVERY[DEVICE.type] == 0:
            rate = (samples - first_sample) / budget.spent
            mean, outside = torch.stack(losses).mean(0).tolist()
            losses.clear()
            done = f"{samples} samples, {budget.spent / 60:.1f} min, {rate:.1f} a second"
            log(NAME, f"{done}, loss {mean:.4f}, places {outside:.4f}")
        if level and share >= 1 - FALLING_SHARE:
            level = False
            save(done=False, name=LEVEL)
        if budget.spent - last_save > SAVE_EVERY:
            last_save = budget.spent
            save(done=False)
    if team.leads:
        save(done=True)
        log(NAME, f"finished after {samples} samples")


def load() -> nn.ModuleDict:
    """The averaged weights of the last checkpoint, or the shipped ones before the first, in evaluation mode."""
    pair = begin()
    if saved := load_checkpoint(NAME):
        pair.load_state_dict(renamed(saved["average"], pair))
    return pair.eval().requires_grad_(False)


def main() -> None:
    parser = machine.arguments(SAMPLES, BATCH[DEVICE.type])
    parser.add_argument("--longer", action="store_true", help="go on from where the learning rate began to fall")
    chosen = parser.parse_args()
    machine.prepare()
    if chosen.longer:
        before = load_checkpoint(LEVEL)
        if not before:
            raise SystemExit(f"no {LEVEL} checkpoint to go on from")
        save_checkpoint(NAME, before)
    weights = networks.parameters(begin())
    log(NAME, f"{weights / 1e6:.2f} M parameters on {DEVICE.type}")
    budget = Budget(chosen.samples, chosen.minutes)
    if DEVICE.type == "cpu":
        workers.run(train, weights, budget, chosen.batch, chosen.makers)
    else:
        train(Alone(), budget, chosen.batch, chosen.makers)


if __name__ == "__main__":
    main()
