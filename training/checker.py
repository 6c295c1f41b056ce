"""Stage 7: the safety checker, a small vision transformer that knows every picture and blocks the flagged ones.

    python -m training.checker

A cosine-softmax classifier over all concepts, trained on augmented originals and on the pictures of checker_runs.py:
finished pictures, estimates and disturbed latents over the whole range of settings. A second term pushes flagged
pictures above, and all others below, a gap of cosines to the flagged concepts. Compositions of harmless concepts have
no class and take part in that term only. A second round varies the colours, because strong guidance does, and gives the
names less weight. A third leaves out what nobody can recognise. The class vectors of the flagged concepts become SD's
concept embeddings, three more its special-care embeddings.

Thresholds come from runs that the training did not see. They catch most of the flagged pictures while all concepts
together block at most ALLOWED of the others. Missing pictures are drawn first.
"""

import argparse
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from training import checker_runs, data, networks, workers
from training.concepts import FLAGGED
from training.coreml_checker import Concepts, CoreChecker, unit
from training.look_alikes import look_alikes
from training.workers import Team
from training.workspace import Stopwatch, load_checkpoint, log, save_checkpoint

SIDE = 224
BATCH = 64
SHARPNESS = 16.0  # of the softmax over cosines, and of the gap's two slopes
MARGIN = 0.1  # cosine by which the right class must win
GAP = (0.35, 0.65)  # cosines to a flagged concept: of other pictures below, of its own above
BLOB = 8  # pixels of one grain of added noise
TIMES = 3  # the originals of flagged concepts and their look-alikes are seen this many times as often
ORIGINALS = 0.15  # share of the originals in what is seen
CHOOSING = 900  # the last runs choose thresholds and do not train
CAREFUL = 0.002  # share of the other pictures that each special-care concept may claim
ALLOWED = 0.006  # share of the other pictures, over all settings, that all concepts together may block
SPECIAL_CARE = ("skull", "enraged face", "collision")
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]  # CLIP's
DEVIATION = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
SAVE_EVERY = 60  # seconds
LOG_EVERY = 100  # steps


@dataclass(frozen=True)
class Round:
    """Samples, the highest learning rate, the weight of the cross entropy, and whether colours are varied.

    `trimmed` leaves out flagged pictures that nobody can recognise, and shows the others twice as often.
    """

    samples: int
    learning_rate: float
    naming: float
    vivid: bool
    trimmed: bool = False


ROUNDS = (Round(320_000, 1e-3, 1.0, False), Round(160_000, 6e-4, 0.3, True), Round(110_000, 5e-4, 0.15, True, True))
HOPELESS = 0.2  # cosine to its own concept below which a flagged picture counts as unrecognisable
SAMPLES = sum(each.samples for each in ROUNDS)


def round_at(seen: int) -> tuple[Round, float]:
    """The round after `seen` samples, and the share of it that is over."""
    for each in ROUNDS[:-1]:
        if seen < each.samples:
            return each, seen / each.samples
        seen -= each.samples
    return ROUNDS[-1], min(seen / ROUNDS[-1].samples, 1.0)


def prepare(images: torch.Tensor) -> torch.Tensor:
    """[N, H, W, 3] uint8 -> the vision transformer's input [N, 3, 224, 224], CLIP-normalised."""
    small = images.permute(0, 3, 1, 2).float() / 255
    big = F.interpolate(small, size=(SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False)
    return (big.clamp(0, 1) - MEAN) / DEVIATION


def recolour(x: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """What strong guidance does to half of the pictures [N, 3, H, W] in [0, 1]: mixed channels, contrast, grain."""
    count, _, height, width = x.shape
    mix = torch.rand(count, 1, 1, generator=draw) * torch.randn(count, 3, 3, generator=draw)
    mixed = torch.einsum("nij,njhw->nihw", torch.eye(3) + 0.6 * mix, x - 0.7) + 0.7
    gain = torch.exp(0.5 * torch.randn(count, 1, 1, 1, generator=draw))
    shift = 0.15 * torch.randn(count, 3, 1, 1, generator=draw)
    grain = torch.randn(count, 3, height // BLOB, width // BLOB, generator=draw)
    grain = F.interpolate(grain, size=(height, width), mode="bicubic", align_corners=False)
    strength = (0.3 * torch.rand(count, 1, 1, 1, generator=draw) - 0.1).clamp(min=0)
    changed = (mixed - 0.7) * gain + 0.7 + shift + strength * grain
    return torch.where(torch.rand(count, 1, 1, 1, generator=draw) < 0.5, changed, x).clamp(0, 1)


def augment(images: torch.Tensor, draw: torch.Generator, vivid: bool) -> torch.Tensor:
    """Random pose, mirror, blur, colour and noise of [N, H, W, 3] uint8; `vivid` also recolours."""
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
    x = (1 - x).clamp(0, 1)
    x = recolour(x, draw) if vivid else x
    return (x * 255).to(torch.uint8).permute(0, 2, 3, 1)


class Classifier(torch.nn.Module):
    """The vision transformer and one unit vector per concept."""

    def __init__(self, concepts: int) -> None:
        super().__init__()
        self.vision = networks.vision_encoder()
        self.vectors = torch.nn.Parameter(torch.randn(concepts, self.vision.config.projection_dim))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Cosines [N, concepts]."""
        return unit(self.vision(pixels).image_embeds) @ unit(self.vectors).t()


def labels() -> list[str]:
    return [entry["label"] for entry in data.words()]


def places(names: tuple[str, ...]) -> torch.Tensor:
    """The indexes of those labels in words.json."""
    known = labels()
    return torch.tensor([known.index(name) for name in names])


def loss_of(cosines: torch.Tensor, targets: torch.Tensor, flagged: torch.Tensor, weight: float = 1.0) -> torch.Tensor:
    """Cross entropy with a margin, plus a penalty for what reaches into the gap from the wrong side.

    `weight` is that of the cross entropy. A target of -1 has no class: it is only none of the flagged.
    """
    classed = targets >= 0
    right = F.one_hot(targets.clamp(min=0), cosines.shape[1]) * classed[:, None]
    each = F.cross_entropy(SHARPNESS * (cosines - MARGIN * right), targets.clamp(min=0), reduction="none")
    naming = (each * classed).sum() / classed.sum().clamp(min=1)
    toward, own = cosines[:, flagged], right[:, flagged].bool()
    inside = torch.where(own, GAP[1] - toward, toward - GAP[0])  # above zero: on the wrong side
    return weight * naming + F.softplus(SHARPNESS * inside).sum(dim=1).mean() / SHARPNESS


@dataclass(frozen=True)
class Pictures:
    """images [N, 128, 128, 3] uint8, their concepts [N] (-1: none), how often each is seen [N], and their runs."""

    images: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    runs: tuple[checker_runs.Run, ...] = ()


def drawn(part: str, count: int) -> Pictures:
    """The pictures of the runs that train, or of those that choose thresholds.

    Leaves out pictures of flagged prompts below guidance 1, because they show the negative prompt as much.
    """
    album, known = checker_runs.load("learn", count), {label: place for place, label in enumerate(labels())}
    chosen = [
        at
        for at, place in enumerate(album.places.tolist())
        if (place >= count - CHOOSING) == (part == "choose")
        if not (album.runs[place].flagged and album.runs[place].guidance_scale < 1)
    ]
    runs = tuple(album.runs[album.places[at]] for at in chosen)
    targets = torch.tensor([known.get(run.label, -1) for run in runs])
    return Pictures(torch.from_numpy(album.images[chosen]), targets, torch.ones(len(chosen)), runs)


def seen(count: int) -> Pictures:
    """What the training sees: drawn pictures and the originals, whose poses it varies."""
    made, images, known = drawn("train", count), torch.from_numpy(data.pictures()), labels()
    often = {*FLAGGED, *look_alikes()}
    factors = torch.tensor([float(TIMES) if label in often else 1.0 for label in known])
    share = ORIGINALS / (1 - ORIGINALS) * len(made.images) / factors.sum()
    return Pictures(
        torch.cat([made.images, images]),
        torch.cat([made.targets, torch.arange(len(images))]),
        torch.cat([made.weights, factors * share]),
    )


def trim(network: Classifier, pictures: Pictures, flagged: torch.Tensor) -> torch.Tensor:
    """The weights with recognisable flagged pictures doubled and the others left out, [N]."""
    weights, places = pictures.weights.clone(), torch.isin(pictures.targets, flagged).nonzero()[:, 0]
    own = cosines_of(network, pictures.images[places]).gather(1, pictures.targets[places, None])[:, 0]
    weights[places] *= torch.where(own > HOPELESS, 2.0, 0.0)
    return weights


def train(team: Team, samples: int, count: int) -> None:
    """Train on the pictures of `count` runs."""
    torch.manual_seed(0)
    network, flagged = Classifier(len(labels())), places(FLAGGED)
    optimiser = torch.optim.AdamW(network.parameters(), lr=ROUNDS[0].learning_rate, weight_decay=0.02, fused=True)
    step, spent = 0, 0.0
    if saved := load_checkpoint("checker"):
        network.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        step, spent = saved["step"], saved["spent"]
    pictures, watch, last_save, right = seen(count), Stopwatch(spent), spent, []
    draw = torch.Generator()
    trimmed = pictures.weights
    while step * BATCH < samples:
        draw.manual_seed(team.size * step + team.rank)
        present, share = round_at(step * BATCH)
        if present.trimmed and trimmed is pictures.weights:
            trimmed = trim(network, pictures, flagged)
        for group in optimiser.param_groups:
            falling = 0.01 + 0.495 * (1 + math.cos(math.pi * share))
            group["lr"] = present.learning_rate * min(1, (step + 1) / 100) * falling
        chosen = torch.multinomial(
            trimmed if present.trimmed else pictures.weights, BATCH // team.size, replacement=True, generator=draw
        )
        targets = pictures.targets[chosen]
        pixels = prepare(augment(pictures.images[chosen], draw, present.vivid))
        with torch.autocast("cpu", torch.bfloat16):
            cosines = network(pixels).float()
        optimiser.zero_grad()
        loss_of(cosines, targets, flagged, present.naming).backward()
        team.average_gradients(network.parameters())
        optimiser.step()
        step += 1
        right.append((cosines.argmax(dim=1) == targets).float().mean().item())
        if not team.leads:
            continue
        if step % LOG_EVERY == 0:
            log("checker", f"{step * BATCH} samples, {watch.spent / 60:.1f} min, right {sum(right) / len(right):.3f}")
            right.clear()
        done = step * BATCH >= samples
        if done or watch.spent - last_save > SAVE_EVERY:
            last_save = watch.spent
            state = {"model": network.state_dict(), "optimiser": optimiser.state_dict(), "labels": labels()}
            state |= {"step": step, "samples": step * BATCH, "spent": watch.spent, "done": done}
            save_checkpoint("checker", state | {"pictures": checker_runs.folder_of("learn", count).name, "runs": count})


@torch.no_grad()
def cosines_of(network: Classifier, images: torch.Tensor) -> torch.Tensor:
    """[N, H, W, 3] uint8 -> cosines [N, concepts]."""
    return torch.cat([network(prepare(part)) for part in images.split(32)])


def thresholds(cosines: torch.Tensor, targets: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """One threshold per chosen concept, as the opening of this file describes, [K]."""
    others = cosines[~torch.isin(targets, chosen)][:, chosen]
    candidates = [cosines[targets == concept, concept].sort().values for concept in chosen.tolist()]

    def at(price: float) -> torch.Tensor:
        """Each concept's threshold of the best balance: own pictures caught less `price` times others blocked."""
        best = []
        for place, own in enumerate(candidates):
            caught = 1 - torch.arange(len(own)) / len(own)
            blocked = (others[:, place, None] >= own).float().mean(dim=0)
            best.append(own[(caught - price * blocked).argmax()] - 1e-4)
        return torch.stack(best)

    low, high = 0.0, 1e4
    for _ in range(40):  # the lowest price whose thresholds block no more than ALLOWED
        price = (low * high) ** 0.5 if low else high / 10
        if (others > at(price)).any(dim=1).float().mean() > ALLOWED:
            low = price
        else:
            high = price
    return at(high)


def report(held: Pictures, cosines: torch.Tensor, limits: torch.Tensor) -> None:
    """Recall on the flagged concepts and false alarms on the others, over the runs that chose the thresholds."""
    known, flagged = labels(), places(FLAGGED)
    alarms = (cosines[:, flagged] > limits).any(dim=1)
    bad = torch.isin(held.targets, flagged)
    wrong = Counter(known[target] for target in held.targets[alarms & ~bad].tolist() if target >= 0)
    missed = Counter(known[target] for target in held.targets[~alarms & bad].tolist())
    recall, false = alarms[bad].float().mean().item(), alarms[~bad].float().mean().item()
    log("checker", f"recall {recall:.4f} of {int(bad.sum())}, false alarms {false:.4f} of {int((~bad).sum())}")
    log("checker", f"most false alarms: {wrong.most_common(12)}; missed: {missed.most_common()}")


def _saved() -> dict[str, Any] | None:
    """The checkpoint. Raises SystemExit if its concepts are not those of words.json."""
    saved = load_checkpoint("checker")
    if saved and saved.get("labels") != labels():
        raise SystemExit(
            "the safety checker in training/work/checkpoints/checker.pt knows other concepts than words.json: "
            "delete it and run python -m training.checker"
        )
    return saved


def _network(saved: dict[str, Any]) -> Classifier:
    network = Classifier(len(saved["labels"]))
    network.load_state_dict(saved["model"])
    return network.eval().requires_grad_(False)


def load() -> tuple[CoreChecker, str]:
    """The checker with its thresholds, and the names of its concepts, separated by semicolons."""
    saved = _saved()
    if not saved or "thresholds" not in saved:
        raise SystemExit("no safety checker yet: run python -m training.checker")
    network, groups = _network(saved), []
    for names, limits in ((FLAGGED, saved["thresholds"]), (SPECIAL_CARE, saved["special"])):
        groups.append(Concepts(unit(network.vectors.data)[places(names)], limits))
    return CoreChecker(network.vision, *groups), "; ".join(FLAGGED)


def finish() -> None:
    """Choose the thresholds and report what they do."""
    saved = _saved()
    if not saved or not saved["done"]:
        raise SystemExit("the training of the safety checker was stopped: run python -m training.checker again")
    network, held = _network(saved), drawn("choose", saved["runs"])
    cosines = cosines_of(network, held.images)
    limits, careful = thresholds(cosines, held.targets, places(FLAGGED)), places(SPECIAL_CARE)
    special = torch.quantile(cosines[~torch.isin(held.targets, careful)][:, careful], 1 - CAREFUL, dim=0)
    save_checkpoint("checker", saved | {"thresholds": limits, "special": special})
    told = ", ".join(f"{name} {value:.3f}" for name, value in zip(FLAGGED, limits.tolist(), strict=True))
    log("checker", f"thresholds {told}")
    report(held, cosines, limits)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=SAMPLES, help="in all, those of an interrupted run included")
    parser.add_argument("--runs", type=int, default=checker_runs.RUNS["learn"], help="whose pictures it learns from")
    options = parser.parse_args()
    pictures = checker_runs.make("learn", options.runs).name
    saved = _saved()
    if saved and (saved["pictures"], saved["runs"]) != (pictures, options.runs):
        raise SystemExit("the safety checker learned from other pictures: delete its checkpoint to train it again")
    if not saved or saved["samples"] < options.samples:
        workers.run(train, networks.parameters(Classifier(len(labels()))), options.samples, options.runs)
    finish()


if __name__ == "__main__":
    main()
