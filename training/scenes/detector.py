"""The judge of compositions: finds, names, counts and colours the things in a picture. Trained on rendered scenes only.

    python -m training.scenes.detector [--samples N] [--minutes M] [--makers P]

A small convolutional network over the picture at an eighth of its side, as in CenterNet (arXiv 1904.07850): for every
cell and thing, whether the thing has its centre there; offset, sides and colour of what is there; one setting for the
picture. Single pictures teach it all concepts as well, so that it knows more than the things. It never sees a generated
picture. Bends, blur, tints and shifts keep it from relying on what a generator gets slightly wrong. Resumes from its
checkpoint.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from training import data
from training.scenes import machine
from training.scenes.detector_data import CELL, SETTING_NAMES, Labelled
from training.scenes.machine import DEVICE, Budget
from training.scenes.rules import Found, Seen
from training.scenes.things import COLOURS, NAMES
from training.workspace import load_checkpoint, log, save_checkpoint

NAME = "detector"
SAMPLES = 1_000_000
BATCH = {"cpu": 24, "cuda": 256}
RATE = {"cpu": 1.5e-3, "cuda": 2e-3}
SAVE_EVERY = 120  # seconds
LOG_EVERY = {"cpu": 25, "cuda": 100}  # steps
SEED = 501
SURE = 0.4  # chance from which a thing counts as found: the best F1 (sureness.py)
SAME = 0.45  # two finds of one thing are closer than this share of its side
BENDS, BEND = 9, 3.0  # points a side at which a picture is bent, and by how many pixels
PRIOR = -5.0  # log odds of a centre before anything is learned


def _convolved(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Block(nn.Module):
    """Two convolutions plus the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _convolved(width, width), nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm(self.second(self.first(x))))


class Detector(nn.Module):
    """[B, 3, 128, 128] in [-1, 1] -> names [B, things, 16, 16], bounds [B, 4, ..], colours [B, 7, ..], settings,
    concepts.

    Names are log odds, bounds are in cells, the other three are scores before a softmax.
    """

    def __init__(self, concepts: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(_convolved(3, 24, 2), _convolved(24, 48, 2), Block(48), _convolved(48, 96, 2))
        self.fine = nn.Sequential(Block(96), Block(96))
        self.coarse = nn.Sequential(_convolved(96, 160, 2), Block(160), _convolved(160, 192, 2), Block(192))
        self.back = nn.Conv2d(192, 96, 1)
        self.joined = _convolved(192, 128)
        self.names = nn.Conv2d(128, len(NAMES), 1)
        self.bounds, self.colours = nn.Conv2d(128, 4, 1), nn.Conv2d(128, len(COLOURS), 1)
        self.settings, self.concepts = nn.Linear(192, len(SETTING_NAMES)), nn.Linear(192 + 128, concepts)
        nn.init.constant_(self.names.bias, PRIOR)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        fine = self.fine(self.stem(x))
        coarse = self.coarse(fine)  # [B, 192, 4, 4]
        spread = F.interpolate(self.back(coarse), size=fine.shape[2:], mode="bilinear", align_corners=False)
        cells = self.joined(torch.cat([fine, spread], dim=1))
        pooled = coarse.mean((2, 3))
        whole = torch.cat([pooled, cells.amax((2, 3))], dim=1)
        return self.names(cells), self.bounds(cells), self.colours(cells), self.settings(pooled), self.concepts(whole)


def disturb(images: Tensor, draw: torch.Generator) -> Tensor:
    """Pictures as a generator might smear them: bent, blurred, sharpened, tinted, blotched, noisy, shifted."""
    count, side, device = len(images), images.shape[2], images.device

    def some(share: float, *shape: int) -> Tensor:
        """Normal numbers for this share of the pictures, zeros for the others."""
        chosen = torch.rand(count, 1, 1, 1, generator=draw, device=device) < share
        return torch.randn(count, *shape, generator=draw, device=device) * chosen

    def amount(share: float) -> Tensor:
        """Between 0 and 1, 0 for most pictures where the share is small."""
        return some(share, 1, 1, 1).abs().clamp(max=1)

    def smooth(tensor: Tensor, mode: str = "bilinear") -> Tensor:
        return F.interpolate(tensor, size=(side, side), mode=mode, align_corners=False)

    bends = some(0.6, 2, BENDS, BENDS) * (2 * BEND / side) * amount(1.0)
    unmoved = torch.eye(2, 3, device=device).repeat(count, 1, 1)
    grid = F.affine_grid(unmoved, list(images.shape), align_corners=False)
    grid = grid + smooth(bends, "bicubic").permute(0, 2, 3, 1)
    images = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    sides = torch.randint(20, 100, (2,), generator=draw, device=device).tolist()
    coarse = [smooth(F.interpolate(images, size=(s, s), mode="bilinear", antialias=True)) for s in sides]
    images = images + amount(0.5) * (coarse[0] - images)
    images = images + 1.5 * amount(0.3) * (images - coarse[1])  # sharper edges again
    blotches = smooth(0.12 * some(0.3, 3, 6, 6))
    images = images + blotches + 0.05 * some(0.5, 3, 1, 1) + 0.04 * some(0.3, *images.shape[1:])
    y, x = torch.randint(-4, 5, (2,), generator=draw, device=device).tolist()
    return torch.roll(images, (y, x), dims=(2, 3)).clamp(-1.1, 1.1)


def loss_of(network: Detector, batch: list[Tensor], images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The sum and its parts: centres, bounds, colours, settings, concepts."""
    wanted, known, bounds, colours, settings, concepts = batch
    with machine.half():
        found = network(images)
    names, places, painted, where, what = (part.float() for part in found)
    there = wanted == 1
    chance = names.sigmoid()
    hit = -F.logsigmoid(names) * (1 - chance).square() * there
    miss = -F.logsigmoid(-names) * chance.square() * (1 - wanted).pow(4) * ~there
    centres = ((hit + miss).sum((1, 2, 3)) * known).sum() / there.sum().clamp(min=1)
    filled = (bounds[:, 2:3] > 0).float()
    boxes = ((places - bounds).abs() * filled).sum() / filled.sum().clamp(min=1)
    colour = F.cross_entropy(painted, colours) if (colours >= 0).any() else painted.sum() * 0
    concept = F.cross_entropy(what, concepts) if (concepts >= 0).any() else what.sum() * 0
    parts = [centres, 0.3 * boxes, 0.5 * colour, 0.3 * F.cross_entropy(where, settings), 0.5 * concept]
    return torch.stack(parts).sum(), parts


def train(budget: Budget, size: int, makers: int) -> None:
    """Train up to the budget."""
    torch.manual_seed(0)
    network = Detector(len(data.words())).to(DEVICE).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    step, samples, spent = 0, 0, 0.0
    if saved := load_checkpoint(NAME):
        network.load_state_dict(saved["model"])
        if "optimiser" in saved:
            optimiser.load_state_dict(saved["optimiser"])
        step, samples, spent = saved["step"], saved["samples"], saved["spent"]
    source, draw = machine.batches(Labelled(SEED), samples, size, makers), torch.Generator(DEVICE)
    last_save, told = 0.0, []

    def save(done: bool) -> None:
        state = {"model": network.state_dict(), "optimiser": optimiser.state_dict(), "step": step, "done": done}
        save_checkpoint(NAME, state | {"samples": samples, "spent": spent + budget.spent})

    while (share := budget.share(samples)) < 1:
        pictures, *targets = next(source)
        fall = 0.01 + 0.99 * math.cos(math.pi / 2 * share) ** 2
        for group in optimiser.param_groups:
            group["lr"] = RATE[DEVICE.type] * min(1, (step + 1) / 100) * fall
        draw.manual_seed(step)
        images = disturb(machine.to_images(pictures), draw)
        loss, parts = loss_of(network, [machine.on_device(target) for target in targets], images)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        step, samples = step + 1, samples + size
        told.append(torch.stack([part.detach() for part in parts]))
        if step % LOG_EVERY[DEVICE.type] == 0:
            values = " ".join(f"{value:.3f}" for value in torch.stack(told).mean(0).tolist())
            told.clear()
            log(NAME, f"{samples} samples, {budget.spent / 60:.1f} min, centres bounds colours settings names {values}")
        if budget.spent - last_save > SAVE_EVERY:
            last_save = budget.spent
            save(done=False)
    save(done=True)
    log(NAME, f"finished after {samples} samples")


def load() -> Detector:
    """The network of the last checkpoint, in evaluation mode."""
    saved = load_checkpoint(NAME)
    if not saved:
        raise SystemExit("no detector yet: run python -m training.scenes.detector")
    network = Detector(len(data.words()))
    network.load_state_dict(saved["model"])
    return network.to(DEVICE).eval().requires_grad_(False)


@torch.no_grad()
def look(network: Detector, pictures: NDArray[np.uint8], sure: float = SURE) -> list[Seen]:
    """What is in pictures [N, 128, 128, 3]: all that has more than this chance."""
    found = []
    for part in machine.to_images(pictures).split(64):
        names, bounds, colours, settings, _ = (each.float().cpu() for each in network(part))
        chances = names.sigmoid()
        peaks = chances * (chances == F.max_pool2d(chances, 3, 1, 1))
        for place in range(len(part)):
            things = _things(peaks[place], bounds[place], colours[place].argmax(0), sure)
            setting = SETTING_NAMES[int(settings[place].argmax())]
            found.append(Seen(things, setting))
    return found


def _things(peaks: torch.Tensor, bounds: torch.Tensor, colours: torch.Tensor, sure: float) -> tuple[Found, ...]:
    """The sure ones, likeliest first, each once."""
    kept: list[Found] = []
    places = (peaks > sure).nonzero().tolist()
    for name, row, column in sorted(places, key=lambda place: -peaks[tuple(place)].item()):
        x, y, width, height = bounds[:, row, column].tolist()
        one = Found(
            NAMES[name],
            peaks[name, row, column].item(),
            CELL * (column + 0.5 + x),
            CELL * (row + 0.5 + y),
            CELL * max(width, 0.5),
            CELL * max(height, 0.5),
            COLOURS[int(colours[row, column])],
        )
        near = [
            other
            for other in kept
            if other.name == one.name and max(abs(other.x - one.x), abs(other.y - one.y)) < SAME * other.side
        ]
        if not near:
            kept.append(one)
    return tuple(kept)


def main() -> None:
    chosen = machine.arguments(SAMPLES, BATCH[DEVICE.type]).parse_args()
    machine.prepare()
    train(Budget(chosen.samples, chosen.minutes), chosen.batch, chosen.makers)


if __name__ == "__main__":
    main()
