"""Stage 4: the original U-Net and its text encoder, trained together.

    python -m training.original [--minutes 40]

Noise prediction with min-SNR weights on cached latents: the first fifth of the time on 8x8 latents (shapes and
words are cheap to learn there), the rest on 16x16. AdamW, cosine decay by the wall clock, running average of the
weights.
"""

import argparse
import math
import random
from dataclasses import dataclass

import torch

from training import data, diffusion, latents, networks, tokenizer, workers
from training.workers import Team
from training.workspace import Stopwatch, load_checkpoint, log, save_checkpoint

BATCH = {8: 64, 16: 32}
LEARNING_RATE = {8: 1e-3, 16: 8e-4}
FINAL_SHARE = 0.03  # of the learning rate, at the end of each phase
SMALL_SHARE = 0.20  # of the time on 8x8 latents
DECAY = 0.998  # of the running average, per step
WARM_UP = 150  # steps
SAVE_EVERY = 100  # seconds
LOG_EVERY = 200  # steps


class Captioned:
    """Every picture once per epoch in a new order, with a caption drawn anew. Captions become ids [B, 77]."""

    def __init__(self, side: int, seed: int) -> None:
        self.latents, self._words = latents.load(side), data.words()
        self._tokenizer = tokenizer.load()
        self._draw, self._queue = random.Random(seed), []

    def batch(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Clean latents [B, 4, side, side] and ids [B, 77]."""
        while len(self._queue) < size:
            self._queue += self._draw.sample(range(len(self._words)), len(self._words))
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

    def save(self, done: bool) -> None:
        state = {"pair": self.pair.state_dict(), "average": self.average.weights, "done": done}
        state |= {"optimiser": self.optimiser.state_dict(), "step": self.step}
        state |= {"samples": self.samples, "spent": self.spent}
        save_checkpoint("original", state)

    def restore(self, state: dict) -> None:
        self.pair.load_state_dict(state["pair"])
        self.average.weights = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.samples, self.spent = state["step"], state["samples"], state["spent"]


def build_pair() -> torch.nn.ModuleDict:
    torch.manual_seed(0)
    vocabulary = len(tokenizer.load())
    return torch.nn.ModuleDict({"unet": networks.unet("original"), "text": networks.text_encoder(vocabulary)})


def learning_rate(side: int, progress: float, step: int) -> float:
    """Cosine within the phase; `progress` runs from 0 to 1 over the phase."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return LEARNING_RATE[side] * (FINAL_SHARE + (1 - FINAL_SHARE) * cosine) * min(1.0, (step + 1) / WARM_UP)


def loss_of(pair: torch.nn.ModuleDict, clean: torch.Tensor, ids: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
    noised = diffusion.add_noise(clean, noise)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = pair["text"](ids).last_hidden_state  # [B, 77, 128]
        predicted = pair["unet"](noised.latents, noised.timesteps, hidden).sample
    return diffusion.weighted_error(predicted, noised.noise, noised.weights)


def train(team: Team, minutes: float) -> None:
    pair = build_pair()
    optimiser = torch.optim.AdamW(pair.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    state = Training(pair, RunningAverage(pair), optimiser)
    if saved := load_checkpoint("original"):
        state.restore(saved)
    watch = Stopwatch(state.spent)
    seed = team.size * state.step + team.rank
    noise, sources = torch.Generator().manual_seed(seed), {side: Captioned(side, seed) for side in (8, 16)}
    losses, last_save = [], watch.spent
    while (share := team.agree(watch.spent / (60 * minutes))) < 1:
        side = 8 if share < SMALL_SHARE else 16
        progress = share / SMALL_SHARE if side == 8 else (share - SMALL_SHARE) / (1 - SMALL_SHARE)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(side, progress, state.step)
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
        if team.leads and state.step % LOG_EVERY == 0:
            mean, done = sum(losses[-LOG_EVERY:]) / LOG_EVERY, f"{state.samples} samples, {watch.spent / 60:.1f} min"
            log("original", f"step {state.step}, {done}, {side}x{side}, loss {mean:.4f}")
        if team.leads and watch.spent - last_save > SAVE_EVERY:
            state.spent = last_save = watch.spent
            state.save(done=False)
    if team.leads:
        state.spent = watch.spent
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=40)
    options = parser.parse_args()
    finished = load_checkpoint("original")
    if finished and finished["done"]:
        raise SystemExit("already finished")
    latents.load(16)  # fills the cache once
    workers.run(train, networks.parameters(build_pair()), options.minutes)
