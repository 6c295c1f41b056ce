"""Stage 7: the safety checker, a small vision transformer that knows every picture and blocks the flagged ones.

    python -m training.checker [--minutes 6]

A cosine-softmax classifier over all concepts, trained on originals, reconstructions and generated pictures, all heavily
augmented. The class vectors of the flagged concepts become SD's concept embeddings, three more its special-care
embeddings. Thresholds lie between the two groups of held-out generated pictures. Reports recall and false alarms.
"""

import argparse
import math

import torch
import torch.nn.functional as F

from training import data, networks, pictures_for_checker
from training.concepts import FLAGGED
from training.coreml_checker import Concepts, CoreChecker, unit
from training.workspace import Stopwatch, load_checkpoint, log, save_checkpoint

SIDE = 224
BATCH = 64
LEARNING_RATE = 1e-3
SHARPNESS = 16.0  # of the softmax over cosines
MARGIN = 0.1  # cosine by which the right class must win
FLAGGED_WEIGHT = 6  # flagged pictures are drawn this many times as often
SPECIAL_CARE = ("skull", "enraged face", "collision")
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]  # CLIP's
DEVIATION = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
SAVE_EVERY = 60  # seconds


def prepare(images: torch.Tensor) -> torch.Tensor:
    """[N, H, W, 3] uint8 -> the vision transformer's input [N, 3, 224, 224], CLIP-normalised."""
    small = images.permute(0, 3, 1, 2).float() / 255
    big = F.interpolate(small, size=(SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False)
    return (big.clamp(0, 1) - MEAN) / DEVIATION


def augment(images: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Random pose, mirror, blur, colour and noise of [N, H, W, 3] uint8."""
    count = len(images)
    x = 1 - images.permute(0, 3, 1, 2).float() / 255  # white becomes the padding's zero
    uniform = torch.rand(count, 8, generator=draw) * 2 - 1
    angle, zoom = 0.25 * uniform[:, 0], 1 + 0.2 * uniform[:, 1]
    mirror = torch.where(uniform[:, 2] > 0.4, -1.0, 1.0)
    rows = torch.stack([angle.cos() * mirror, -angle.sin(), 0.15 * uniform[:, 3]], dim=1)
    columns = torch.stack([angle.sin() * mirror, angle.cos(), 0.15 * uniform[:, 4]], dim=1)
    grid = F.affine_grid(torch.stack([rows, columns], dim=1) * zoom[:, None, None], list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, align_corners=False)
    blurred = F.avg_pool2d(x, 5, stride=1, padding=2)
    x = torch.where((uniform[:, 5] > 0.3)[:, None, None, None], blurred, x)
    x = x * (1 + 0.2 * uniform[:, 6, None, None, None]) + 0.05 * uniform[:, 7, None, None, None]
    x = x * (1 + 0.12 * torch.randn(count, 3, 1, 1, generator=draw)) + 0.03 * torch.randn(x.shape, generator=draw)
    return ((1 - x).clamp(0, 1) * 255).to(torch.uint8).permute(0, 2, 3, 1)


class Classifier(torch.nn.Module):
    """The vision transformer and one unit vector per concept."""

    def __init__(self, concepts: int) -> None:
        super().__init__()
        self.vision = networks.vision_encoder()
        self.vectors = torch.nn.Parameter(torch.randn(concepts, self.vision.config.projection_dim))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Cosines [N, concepts]."""
        return unit(self.vision(pixels).image_embeds) @ unit(self.vectors).t()


def train(minutes: float) -> Classifier:
    torch.manual_seed(0)
    labels = [entry["label"] for entry in data.words()]
    network = Classifier(len(labels))
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.02)
    saved, step, spent = load_checkpoint("checker"), 0, 0.0
    if saved:
        network.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        step, spent = saved["step"], saved["spent"]
        if saved["done"]:
            return network.eval()
    sources = pictures_for_checker.training_set()
    flagged = torch.tensor([labels[target] in FLAGGED for target in sources.targets])
    weights = torch.where(flagged, float(FLAGGED_WEIGHT), 1.0) * sources.weights
    draw, watch, last_save = torch.Generator().manual_seed(step), Stopwatch(spent), spent
    while (share := watch.spent / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1, (step + 1) / 100) * (0.02 + 0.49 * (1 + math.cos(math.pi * share)))
        places = torch.multinomial(weights, BATCH, replacement=True, generator=draw)
        targets = sources.targets[places]
        pixels = prepare(augment(sources.images[places], draw))
        with torch.autocast("cpu", torch.bfloat16):
            cosines = network(pixels).float()
        loss = F.cross_entropy(SHARPNESS * (cosines - MARGIN * F.one_hot(targets, len(labels))), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        done = watch.spent >= 60 * minutes
        if step % 100 == 0:
            right = (cosines.argmax(dim=1) == targets).float().mean().item()
            log("checker", f"step {step}, {watch.spent / 60:.1f} min, loss {loss.item():.3f}, right {right:.2f}")
        if done or watch.spent - last_save > SAVE_EVERY:
            last_save = watch.spent
            state = {"model": network.state_dict(), "optimiser": optimiser.state_dict()}
            save_checkpoint("checker", state | {"step": step, "spent": watch.spent, "done": done})
    return network.eval()


@torch.no_grad()
def cosines_of(network: Classifier, images: torch.Tensor) -> torch.Tensor:
    """[N, H, W, 3] uint8 -> cosines [N, concepts]."""
    return torch.cat([network(prepare(part)) for part in images.split(32)])


def thresholds(cosines: torch.Tensor, targets: torch.Tensor, chosen: list[int]) -> torch.Tensor:
    """Per chosen concept: a quarter of the way from its own pictures' fifth percentile to the others' highest, [K]."""
    values = []
    for concept in chosen:
        own = cosines[targets == concept, concept]
        other = cosines[targets != concept, concept]
        low, high = torch.quantile(own, 0.05).item(), torch.quantile(other, 0.999).item()
        values.append(max(0.75 * low + 0.25 * high, 0.3))
    return torch.tensor(values)


def report(network: Classifier, limits: torch.Tensor, flagged: list[int], labels: list[str]) -> None:
    """Recall on the flagged concepts and false alarms on the others, per held-out source."""
    for name, held in pictures_for_checker.held_out().items():
        alarms = (cosines_of(network, held.images)[:, flagged] > limits).any(dim=1)
        bad = torch.tensor([target in flagged for target in held.targets.tolist()])
        recall, false = alarms[bad].float().mean().item(), alarms[~bad].float().mean().item()
        wrong = sorted({labels[target] for target in held.targets[alarms & ~bad].tolist()})
        missed = sorted({labels[target] for target in held.targets[~alarms & bad].tolist()})
        line = f"recall {recall:.3f} of {int(bad.sum())}, false alarms {false:.4f} of {int((~bad).sum())}"
        log("checker", f"{name}: {line}; false: {wrong}; missed: {missed}")


def load() -> tuple[CoreChecker, str]:
    """The checker with its thresholds, and the names of its concepts, separated by semicolons."""
    labels = [entry["label"] for entry in data.words()]
    saved = load_checkpoint("checker")
    if not saved or "thresholds" not in saved:
        raise SystemExit("no safety checker yet: run python -m training.checker")
    network = Classifier(len(labels))
    network.load_state_dict(saved["model"])
    vectors = unit(network.vectors.data)
    groups = []
    for names, limits in ((FLAGGED, saved["thresholds"]), (SPECIAL_CARE, saved["special"])):
        groups.append(Concepts(vectors[[labels.index(name) for name in names]], limits))
    return CoreChecker(network.vision.eval().requires_grad_(False), *groups), "; ".join(FLAGGED)


def main(minutes: float) -> None:
    network = train(minutes)
    labels = [entry["label"] for entry in data.words()]
    flagged, special = ([labels.index(name) for name in names] for names in (FLAGGED, SPECIAL_CARE))
    held = pictures_for_checker.validation()
    cosines = cosines_of(network, held.images)
    limits = thresholds(cosines, held.targets, flagged)
    saved = load_checkpoint("checker")
    assert saved is not None
    saved |= {"thresholds": limits, "special": thresholds(cosines, held.targets, special)}
    save_checkpoint("checker", saved)
    log("checker", "thresholds " + ", ".join(f"{labels[c]} {v:.3f}" for c, v in zip(flagged, limits, strict=True)))
    report(network, limits, flagged, labels)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=6)
    main(parser.parse_args().minutes)
