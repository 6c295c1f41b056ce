"""The evaluator's judge: names the concept of a picture, and shares nothing with the systems it judges.

    python -m training.namer [--samples 120000]

A small convolutional network over all concepts, trained on augmented originals only: never on generated pictures, never
on reconstructions by the autoencoder. The augmentation prepares it for soft, noisy, slightly displaced and off-colour
drawings. It does not mirror, because the direction of arrows, hands and magnifying glasses matters. Reports top-1 and
top-5 on freshly augmented originals and on reconstructions, the ceiling for every generated picture.

The safety checker is another network: a vision transformer that has also seen generated pictures.
"""

import argparse
import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import data
from training.workspace import Stopwatch, load_checkpoint, log, save_checkpoint

NAME = "namer"
SIDE = 80  # pixels it sees; the pictures have 128
WIDTHS = (32, 64, 160)
FEATURES = 192
SHARPNESS = 20.0  # of the softmax over cosines
MARGIN = 0.1  # cosine by which the right concept must win
BATCH = 64
SAMPLES = 120_000
LEARNING_RATE = 2e-3
SAVE_EVERY = 60  # seconds
FRESH = 1_000_000_000  # seeds of augmentations that the training does not use start here


def _layer(before: int, after: int, stride: int = 1, side: int = 3) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, side, stride, side // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _layer(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


class Namer(nn.Module):
    """Pictures [N, 3, 80, 80] in [0, 1] -> unit features [N, 192] and cosines with every concept [N, concepts]."""

    def __init__(self, concepts: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, side in zip((3, *WIDTHS), WIDTHS, (5, 3, 3), strict=False):
            layers += [_layer(before, after, 2, side), _Residual(after)]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.project = nn.Linear(4 * WIDTHS[-1], FEATURES)
        self.vectors = nn.Parameter(torch.randn(concepts, FEATURES))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        features = F.normalize(self.project(self.layers(2 * pictures - 1)).float(), dim=1)
        return features, features @ F.normalize(self.vectors, dim=1).t()


def prepare(images: Tensor) -> Tensor:
    """uint8 [N, H, W, 3] -> [N, 3, 80, 80] in [0, 1]."""
    parts = [
        F.interpolate(part.permute(0, 3, 1, 2).float() / 255, size=(SIDE, SIDE), mode="bilinear", antialias=True)
        for part in images.split(64)
    ]
    return torch.cat(parts).clamp(0, 1)


def augment(pictures: Tensor, draw: torch.Generator) -> Tensor:
    """Vary pose, colours and sharpness, and add noise and gaps: [N, 3, S, S] in [0, 1] on white."""
    x = _softened(_recoloured(_moved(pictures, draw), draw), draw)
    x = _compressed(x, draw)
    count = len(x)
    x = x + 0.06 * torch.rand(count, 1, 1, 1, generator=draw) * torch.randn(x.shape, generator=draw)
    return _with_gaps(x.clamp(0, 1), draw)


def _spread(count: int, columns: int, draw: torch.Generator) -> Tensor:
    """Uniform in [-1, 1], [N, columns]."""
    return torch.rand(count, columns, generator=draw) * 2 - 1


def _moved(x: Tensor, draw: torch.Generator) -> Tensor:
    """Turned up to 14 degrees, resized, shifted and bent a little, on white."""
    spread = _spread(len(x), 6, draw)
    angle = 0.25 * spread[:, 0]
    wide, high = 1 + 0.18 * spread[:, 1] + 0.07 * spread[:, 2], 1 + 0.18 * spread[:, 1] - 0.07 * spread[:, 2]
    rows = torch.stack([wide * angle.cos(), -high * angle.sin(), 0.14 * spread[:, 3]], dim=1)
    columns = torch.stack([wide * angle.sin(), high * angle.cos(), 0.14 * spread[:, 4]], dim=1)
    grid = F.affine_grid(torch.stack([rows, columns], dim=1), list(x.shape), align_corners=False)
    bends = torch.randn(len(x), 2, 5, 5, generator=draw) * (0.035 * spread[:, 5].abs())[:, None, None, None]
    bend = F.interpolate(bends, size=x.shape[2:], mode="bicubic", align_corners=False)
    return 1 - F.grid_sample(1 - x, grid + bend.permute(0, 2, 3, 1), align_corners=False)


def _recoloured(x: Tensor, draw: torch.Generator) -> Tensor:
    """Changed saturation, brightness and tint, with blotches of colour such as imperfect latents give."""
    count = len(x)
    spread = _spread(count, 3, draw)[:, :, None, None, None]
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * (1 + 0.3 * spread[:, 0])
    x = x * (1 + 0.08 * torch.randn(count, 3, 1, 1, generator=draw)) + 0.08 * spread[:, 1]
    blotches = torch.randn(count, 3, 6, 6, generator=draw) * (0.10 * spread[:, 2].abs())
    return x + F.interpolate(blotches, size=x.shape[2:], mode="bicubic", align_corners=False)


def _softened(x: Tensor, draw: torch.Generator) -> Tensor:
    """Every picture mixed with a coarser copy of itself. The coarseness is drawn once per batch."""
    side = int(torch.randint(20, 56, (1,), generator=draw))
    small = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    coarse = F.interpolate(small, size=x.shape[2:], mode="bilinear", align_corners=False)
    share = (1.6 * torch.rand(len(x), 1, 1, 1, generator=draw) - 0.3).clamp(0, 1)
    return x + share * (coarse - x)


def _cosines() -> Tensor:
    """The orthonormal DCT-II of 8 values, [8, 8]."""
    places = torch.arange(8)
    matrix = torch.cos(math.pi / 8 * (places + 0.5) * places[:, None]) / 2
    matrix[0] /= math.sqrt(2)
    return matrix


def _compressed(x: Tensor, draw: torch.Generator) -> Tensor:
    """A third of the pictures compressed as by JPEG: the waves of their 8x8 blocks rounded, fine ones more."""
    chosen = torch.rand(len(x), generator=draw) < 1 / 3
    if not chosen.any():
        return x
    waves = _cosines()
    blocks = x[chosen].unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4)  # [M, 3, rows, columns, 8, 8]
    spectrum = waves @ blocks @ waves.t()
    fineness = torch.arange(8)[:, None] + torch.arange(8)
    rounding = (0.02 + 0.03 * fineness) * (0.3 + 1.2 * torch.rand(int(chosen.sum()), 1, 1, 1, 1, 1, generator=draw))
    blocks = waves.t() @ (torch.round(spectrum / rounding) * rounding) @ waves
    result = x.clone()
    result[chosen] = blocks.transpose(3, 4).flatten(4, 5).flatten(2, 3)
    return result


def _with_gaps(x: Tensor, draw: torch.Generator) -> Tensor:
    """Half of the pictures with a patch of one colour, up to 30 % wide and high, often white."""
    count, side = len(x), x.shape[2]
    centre, half = torch.rand(count, 2, generator=draw), 0.03 + 0.12 * torch.rand(count, 2, generator=draw)
    half[torch.rand(count, generator=draw) < 0.5] = 0
    places = (torch.arange(side) + 0.5) / side
    inside = (places - centre[:, :, None]).abs() < half[:, :, None]  # [N, 2, S]
    colour = torch.rand(count, 3, 1, 1, generator=draw)
    colour[torch.rand(count, generator=draw) < 0.5] = 1
    return torch.where((inside[:, 0, :, None] & inside[:, 1, None, :])[:, None], colour, x)


def train(samples: int) -> None:
    """Train up to the budget, from the last checkpoint. The random draws of a step depend on its number alone."""
    torch.manual_seed(0)
    labels = [entry["label"] for entry in data.words()]
    originals = prepare(torch.from_numpy(data.pictures()))
    network = Namer(len(labels)).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.02)
    step, spent = 0, 0.0
    if saved := _saved(labels):
        network.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        step, spent = saved["step"], saved["spent"]
    watch, last_save, right = Stopwatch(spent), spent, []
    while step * BATCH < samples:
        fall = 0.005 + 0.995 * math.cos(math.pi / 2 * step * BATCH / samples) ** 2
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1, (step + 1) / 100) * fall
        right.append(_learn(network, optimiser, originals, torch.Generator().manual_seed(step)))
        step += 1
        done = step * BATCH >= samples
        if step % 100 == 0 or done:
            log(NAME, f"{step * BATCH} samples, {watch.spent / 60:.1f} min, right {sum(right) / len(right):.3f}")
            right.clear()
        if done or watch.spent - last_save > SAVE_EVERY:
            last_save = watch.spent
            state = {"model": network.state_dict(), "optimiser": optimiser.state_dict(), "labels": labels}
            save_checkpoint(NAME, state | {"step": step, "spent": watch.spent, "done": done})


def _learn(network: Namer, optimiser: torch.optim.Optimizer, originals: Tensor, draw: torch.Generator) -> float:
    """One step on pictures drawn with `draw`. Returns the share that was named correctly before it."""
    network.train()
    targets = torch.randint(len(originals), (BATCH,), generator=draw)
    pictures = augment(originals[targets], draw).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        _, cosines = network(pictures)
    scores = SHARPNESS * (cosines.float() - MARGIN * F.one_hot(targets, cosines.shape[1]))
    loss = F.cross_entropy(scores, targets)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return (cosines.argmax(dim=1) == targets).float().mean().item()


def _saved(labels: list[str]) -> dict[str, Any] | None:
    """The checkpoint. Raises SystemExit if its concepts are not those of words.json."""
    saved = load_checkpoint(NAME)
    if saved and saved["labels"] != labels:
        raise SystemExit(
            f"the namer in training/work/checkpoints/{NAME}.pt knows {len(saved['labels'])} concepts, "
            f"others than the {len(labels)} of words.json: delete it and run python -m training.namer"
        )
    return saved


@dataclass(frozen=True)
class Named:
    """The namer's answer for N pictures: unit features [N, 192], and indexes of concepts, likeliest first."""

    features: Tensor
    ranking: Tensor

    def right(self, targets: Tensor, best: int) -> Tensor:
        """Whether the target is among the `best` likeliest, [N]."""
        return (self.ranking[:, :best] == targets[:, None]).any(dim=1)


@torch.no_grad()
def look(network: Namer, pictures: Tensor) -> Named:
    """The features and the ten likeliest concepts of pictures from `prepare`."""
    features, rankings = [], []
    for part in pictures.split(64):
        found, cosines = network(part)
        features.append(found)
        rankings.append(cosines.topk(min(10, cosines.shape[1]), dim=1).indices)
    return Named(torch.cat(features), torch.cat(rankings))


def load() -> Namer:
    """The finished namer, in evaluation mode."""
    labels = [entry["label"] for entry in data.words()]
    saved = _saved(labels)
    if not saved or not saved["done"]:
        raise SystemExit("no finished namer yet: run python -m training.namer")
    network = Namer(len(labels))
    network.load_state_dict(saved["model"])
    return network.eval().requires_grad_(False)


def accuracy(network: Namer, pictures: Tensor, chosen: Tensor) -> str:
    """Top-1 and top-5 in words for pictures in the order of words.json, over all and over the `chosen`."""
    named, targets = look(network, pictures), torch.arange(len(pictures))
    parts = []
    for name, which in (("all", torch.ones_like(chosen)), ("common", chosen)):
        first, fifth = (named.right(targets, best)[which].float().mean().item() for best in (1, 5))
        parts.append(f"{name} {int(which.sum())}: top-1 {first:.3f}, top-5 {fifth:.3f}")
    return "; ".join(parts)


def report() -> None:
    """Log the accuracy on originals, on fresh augmentations and on reconstructions, which it has never seen."""
    from training import decoder, sampling, vae  # a test set only

    network = load()
    common = torch.tensor([entry["common"] for entry in data.words()])
    pictures = data.pictures()
    originals = prepare(torch.from_numpy(pictures))
    log(NAME, f"originals: {accuracy(network, originals, common)}")
    augmented = augment(originals, torch.Generator().manual_seed(FRESH))
    log(NAME, f"freshly augmented originals: {accuracy(network, augmented, common)}")
    if not load_checkpoint("vae"):
        log(NAME, "reconstructions: left out, there is no autoencoder (python -m training.vae)")
        return
    autoencoder = decoder.load()
    decoded = sampling.decode(autoencoder, vae.encode(autoencoder, vae.to_tensor(pictures)))
    log(NAME, f"reconstructions: {accuracy(network, prepare(decoded), common)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=SAMPLES)
    torch.set_num_threads(1)
    train(parser.parse_args().samples)
    report()
