"""Stage 4: the original U-Net and its text encoder, trained together.

    python -m training.original [--samples 488000]

Noise prediction with min-SNR weights on cached latents: first on 8x8 latents (shapes and words are cheap to learn
there), then on 16x16. AdamW, running average of the weights. The learning rate stays level and falls in the last
quarter only. The network before the fall is saved as `original-level`; a longer run continues from it:

    python -m training.original --samples 900000 --longer
"""

import argparse
import random
from dataclasses import dataclass

import torch

from training import data, diffusion, latents, networks, tokenizer, workers
from training.workers import Team
from training.workspace import Stopwatch, load_checkpoint, log, save_checkpoint

SAMPLES = 488_000  # in all
BATCH = {8: 64, 16: 32}
LEARNING_RATE = 8e-4
FALLING_SHARE = 0.25  # of the samples, in which the learning rate falls to zero
SMALL_SAMPLES = 40_000  # on 8x8 latents
DECAY = 0.999  # of the running average, per step
WARM_UP = 150  # steps
SAVE_EVERY = 100  # seconds
LOG_EVERY = 200  # steps


class Captioned:
    """Rounds of all pictures in a new order, each with a fresh caption. Captions become ids [B, 77]."""

    def __init__(self, side: int, seed: int) -> None:
        self.latents, self._words = latents.load(side), data.words()
        self._tokenizer = tokenizer.load()
        self._draw, self._queue = random.Random(seed), []

    def batch(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Clean latents [B, 4, side, side] and ids [B, 77]."""
        while len(self._queue) < size:
            self._queue += data.round_of_places(self._words, self._draw)
        places, self._queue = self._queue[:size], self._queue[size:]
        prompts = [data.caption(self._words[place], self._draw) for place in places]
        return self.latents[places], tokenizer.encode(self._tokenizer, prompts)


class RunningAverage:
    """Exponential average of a network's weights, with a short memory at first."""

    def __init__(self, network: torch.nn.Module) -> None:
        self._network = network
        self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(DECAY, (1 + step) / (10 + step))
        current = self._network.state_dict()
        floating = [name for name, value in self.weights.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.weights[n] for n in floating], [current[n] for n in floating], 1 - decay)


@dataclass
class Training:
    """Everything a checkpoint holds."""

    pair: torch.nn.ModuleDict
    average: RunningAverage
    optimiser: torch.optim.Optimizer
    step: int = 0
    samples: int = 0
    spent: float = 0.0  # seconds

    def save(self, done: bool, name: str = "original") -> None:
        state = {"pair": self.pair.state_dict(), "average": self.average.weights, "done": done}
        state |= {"optimiser": self.optimiser.state_dict(), "step": self.step}
        state |= {"samples": self.samples, "spent": self.spent}
        save_checkpoint(name, state)

    def restore(self, state: dict) -> None:
        self.pair.load_state_dict(state["pair"])
        self.average.weights = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.samples, self.spent = state["step"], state["samples"], state["spent"]


def build_pair() -> torch.nn.ModuleDict:
    torch.manual_seed(0)
    vocabulary = len(tokenizer.load())
    return torch.nn.ModuleDict({"unet": networks.unet("original"), "text": networks.text_encoder(vocabulary)})


def learning_rate(share: float, step: int) -> float:
    """Level until the last quarter, then falling linearly to zero. `share` of all samples is done."""
    return LEARNING_RATE * min(1.0, (1 - share) / FALLING_SHARE) * min(1.0, (step + 1) / WARM_UP)


def loss_of(pair: torch.nn.ModuleDict, clean: torch.Tensor, ids: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
    noised = diffusion.add_noise(clean, noise)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = pair["text"](ids).last_hidden_state  # [B, 77, 128]
        predicted = pair["unet"](noised.latents, noised.timesteps, hidden).sample
    return diffusion.weighted_error(predicted, noised.noise, noised.weights)


def train(team: Team, samples: int) -> None:
    pair = build_pair()
    optimiser = torch.optim.AdamW(pair.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    state = Training(pair, RunningAverage(pair), optimiser)
    if saved := load_checkpoint("original"):
        state.restore(saved)
    watch = Stopwatch(state.spent)
    seed = team.size * state.step + team.rank
    noise, sources = torch.Generator().manual_seed(seed), {side: Captioned(side, seed) for side in (8, 16)}
    losses, last_save, first_step = [], watch.spent, state.step
    level = state.samples < (1 - FALLING_SHARE) * samples
    while state.samples < samples:
        side = 8 if state.samples < SMALL_SAMPLES else 16
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(state.samples / samples, state.step - first_step)
        loss = loss_of(pair, *sources[side].batch(BATCH[side] // team.size), noise)
        optimiser.zero_grad()
        loss.backward()
        team.average_gradients(pair.parameters())
        torch.nn.utils.clip_grad_norm_(pair.parameters(), 1.0)
        optimiser.step()
        state.step += 1
        state.samples += BATCH[side]
        state.average.update(state.step)
        losses.append(loss.item())
        if not team.leads:
            continue
        state.spent = watch.spent
        if state.step % LOG_EVERY == 0:
            mean, done = sum(losses[-LOG_EVERY:]) / LOG_EVERY, f"{state.samples} samples, {watch.spent / 60:.1f} min"
            log("original", f"step {state.step}, {done}, {side}x{side}, loss {mean:.4f}")
        if level and state.samples >= (1 - FALLING_SHARE) * samples:
            level = False
            state.save(done=False, name="original-level")
        if watch.spent - last_save > SAVE_EVERY:
            last_save = watch.spent
            state.save(done=False)
    if team.leads:
        state.save(done=True)
        log("original", f"finished after {state.step} steps, {state.samples} samples")


def load() -> torch.nn.ModuleDict:
    """The averaged weights of the last checkpoint, in evaluation mode: {"unet", "text"}."""
    saved = load_checkpoint("original")
    if not saved:
        raise SystemExit("no original yet: run python -m training.original")
    pair = build_pair()
    pair.load_state_dict(saved["average"])
    return pair.eval().requires_grad_(False)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=SAMPLES, help="in all, those of earlier runs included")
    parser.add_argument("--longer", action="store_true", help="go on from where the learning rate began to fall")
    options = parser.parse_args()
    saved = load_checkpoint("original")
    if options.longer and saved and saved["done"]:
        before = load_checkpoint("original-level")
        if not before:
            raise SystemExit("no original-level checkpoint to go on from")
        save_checkpoint("original", before)
    elif saved and saved["done"]:
        raise SystemExit("already finished")
    latents.load(16)  # fills the cache once
    workers.run(train, networks.parameters(build_pair()), options.samples)


if __name__ == "__main__":
    main()
