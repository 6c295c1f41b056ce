"""The family's GenEval: how often a system's picture shows what the prompt says, by kind of prompt.

    python -m training.scenes.evaluate [--systems original tiny] [--packages DIR ...] [--steps 20 13] [--checkpoints]

The systems draw through the app's own pipeline, from their packages; `--checkpoints` adds the trained original through
torch. The detector judges scenes, the namer single pictures. They first judge the rendered scenes of the same prompts,
and what the autoencoder makes of them: these are the ceilings. Intervals are percentile bootstraps over the prompts.
`--every 3` takes a third of the six hundred. `--steps 20 13` adds every system with 13 steps, so that the original with
fewer steps stands beside a student that takes as long. Seconds are those of warm pictures of one prompt, as the app
draws them, by all systems in turns. Everything goes to training/work/scenes-evaluation: report.json,
report.md, a sheet and the pictures.
"""

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bksdm_demo.library.system import System
from training import data, sampling
from training.bootstrap import Interval, mean_interval
from training.drawing import Album, Drawer, Drawn, Order, album_path, embedded, fill_all, in_folder
from training.evaluation_report import table
from training.evaluation_sheet import BAD, GOOD, Tile, sheet
from training.pairs import Pair
from training.scenes import autoencoder, machine, original, render
from training.scenes.judges import Judges, Pictures
from training.scenes.prompts import COUNTS, NEVER, SINGLE, TRAINED, Asked, every, prompts
from training.workspace import EMOJI, WORK, load_checkpoint, log

STAGE = "scenes-evaluation"
OUT = WORK / STAGE
STEPS = 20
GUIDANCE = 3.0
BATCH = 15  # pictures that torch draws together
NAMES = ("original", "base", "small", "tiny")
COST_NAMES = ("U-Net parameters, M", "seconds a picture", "blocked, %")
ROUNDS = 9  # timed pictures a system
TIMED = Pair("red apple", 7)


def rendered(asked: Sequence[Asked]) -> Pictures:
    """What the prompts mean, as the renderer draws it, [N, 128, 128, 3]."""
    originals = {entry["label"]: picture for entry, picture in zip(data.words(), data.pictures(), strict=True)}
    return np.stack(
        [render.draw(one.scene, random.Random(one.seed))[0] if one.scene else originals[one.label] for one in asked]
    )


@torch.no_grad()
def reconstructed(pictures: Pictures) -> Pictures:
    """What the autoencoder makes of pictures."""
    network, found = autoencoder.load(), []
    for part in machine.to_images(pictures).split(16):
        with machine.half():
            decoded = network.decode(autoencoder.encode(network, part)).sample.float()
        found.append(((decoded.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu())
    return torch.cat(found).numpy()


def through_torch(asked: Sequence[Asked], out: Path, steps: int) -> Pictures:
    """What the trained original draws, by the numbers of its checkpoint; goes on where it was stopped."""
    saved = load_checkpoint(original.NAME)
    path = out / "pictures" / f"checkpoint-{saved['samples'] if saved else 0}-{steps}.npz"
    album = Album(path)
    lacking = [one for one in asked if one.pair not in album]
    if lacking:
        pair, vae = original.load().cpu(), autoencoder.load().cpu()
        for first in range(0, len(lacking), BATCH):
            some = lacking[first : first + BATCH]
            texts, seeds = [one.prompt for one in some], [one.seed for one in some]
            latents = sampling.latents(pair["unet"], pair["text"], texts, seeds, steps, GUIDANCE)
            for one, image in zip(some, sampling.decode(vae, latents).numpy(), strict=True):
                album[one.pair] = Drawn(image, False, (), 0.0)
            album.save()
            log(STAGE, f"checkpoint: {first + len(some)} of {len(lacking)} pictures")
    return np.stack([album[one.pair].image for one in asked])


def by_kind(asked: Sequence[Asked], good: NDArray[np.bool_]) -> dict[str, dict[str, Interval]]:
    """Kind -> part -> share of right pictures; the difficulties as further kinds."""
    found: dict[str, dict[str, Interval]] = {}
    for kind in (*COUNTS, "easy", "medium", "hard"):
        for part in (TRAINED, NEVER):
            mine = [kind in (one.kind, one.difficulty) and one.part == part for one in asked]
            if any(mine):
                found.setdefault(kind, {})[part] = mean_interval(good[np.array(mine)])
    return found


def seconds_of(systems: Sequence[System], steps: Sequence[int]) -> dict[tuple[str, int], float]:
    """The median seconds of a warm picture by key and steps; all take turns, so a slow spell affects all of them."""
    drawers = {count: Drawer(systems, count) for count in steps}
    found: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for count, drawer in drawers.items():
            for key, seconds in drawer.seconds(TIMED, 1).items():
                found.setdefault((key, count), []).extend(seconds)
    return {which: float(np.median(seconds)) for which, seconds in found.items()}


@dataclass(frozen=True)
class Cost:
    """What a system's pictures take: U-Net parameters (None: unknown) and the median of their seconds.

    `blocked`: the share of pictures that the gates block; they count as wrong.
    """

    parameters: int | None
    seconds: float
    blocked: float

    def texts(self) -> tuple[str, ...]:
        """In the order of COST_NAMES."""
        parameters = f"{self.parameters / 1e6:.1f}" if self.parameters else ""
        return parameters, f"{self.seconds:.2f}", f"{100 * self.blocked:.0f}"


def markdown(shares: Mapping[str, Mapping[str, Mapping[str, Interval]]], count: int, costs: Mapping[str, Cost]) -> str:
    """A table: kinds and parts by systems, in percent with intervals, below what a picture costs."""
    texts = {system: costs[system].texts() if system in costs else [""] * len(COST_NAMES) for system in shares}
    rows = [[name, *(texts[system][place] for system in shares)] for place, name in enumerate(COST_NAMES)]
    for kind, parts in next(iter(shares.values())).items():
        for part in parts:
            name = f"{kind}, {part}" if kind != SINGLE else kind
            rows.append([name, *(shares[system][kind][part].text(0, 100) for system in shares)])
    return f"{count} prompts, % right with 95 % intervals\n\n" + table(["", *shares], rows) + "\n"


def contact_sheet(asked: Sequence[Asked], pictures: Mapping[str, Pictures], good: Mapping[str, NDArray]) -> Any:
    """A few prompts of every kind and part, one system a column; red frames are wrong."""
    chosen = [place for place, one in enumerate(asked) if one in every(asked, 8)]
    rows = [
        [
            Tile(images[place], GOOD if good[system][place] else BAD, (asked[place].prompt,))
            for system, images in pictures.items()
        ]
        for place in chosen
    ]
    return sheet(rows, 100, blocks=-(-len(rows) // 12), title=tuple(pictures))


def evaluate(
    asked: Sequence[Asked],
    pictures: Mapping[str, Pictures],
    blocked: Mapping[str, NDArray],
    costs: Mapping[str, Cost],
    out: Path,
) -> None:
    """Judge everything and write the report."""
    judges, shares, good = Judges(), {}, {}
    for system, images in pictures.items():
        right = np.array([not fault for fault in judges.faults(asked, images)])
        good[system] = right & ~blocked.get(system, np.zeros(len(asked), bool))
        shares[system] = by_kind(asked, good[system])
    report = {
        "prompts": [{"prompt": one.prompt, "seed": one.seed, "kind": one.kind, "part": one.part} for one in asked],
        "costs": {system: asdict(one) for system, one in costs.items()},
        "right": {system: [bool(value) for value in values] for system, values in good.items()},
        "shares": {
            system: {kind: {part: each.as_json() for part, each in parts.items()} for kind, parts in kinds.items()}
            for system, kinds in shares.items()
        },
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(report, indent=1))
    text = f"{markdown(shares, len(asked), costs)}\n{judges.scrutiny(asked, pictures)}"
    (out / "report.md").write_text(text)
    contact_sheet(asked, pictures, good).save(out / "sheet.png")
    print(text)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--systems", nargs="*", choices=NAMES, default=list(NAMES), help="of the shipped family")
    parser.add_argument("--packages", nargs="*", type=Path, default=[], metavar="DIR", help="folders of more systems")
    parser.add_argument("--steps", nargs="+", type=int, default=[STEPS], help="the first is also the checkpoint's")
    parser.add_argument("--checkpoints", action="store_true", help="also the trained original, through torch")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take each Nth prompt only")
    parser.add_argument("--seed", type=int, default=0, help="decides the prompts")
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    machine.prepare()
    asked = every(prompts(data.words(), chosen.seed), chosen.every)
    pictures: dict[str, Pictures] = {"rendered": rendered(asked)}
    if load_checkpoint(autoencoder.NAME):
        pictures["reconstructed"] = reconstructed(pictures["rendered"])
    blocked: dict[str, NDArray] = {}
    systems = embedded(chosen.systems, EMOJI.parent)
    systems += [one for folder in chosen.packages for one in in_folder(folder.resolve(), EMOJI / "shared")]
    if len({system.key for system in systems}) < len(systems):
        parser.error("two systems have the same name: leave the shipped ones out with an empty --systems")
    costs: dict[str, Cost] = {}
    pairs, seconds = tuple(one.pair for one in asked), seconds_of(systems, chosen.steps)
    for steps in chosen.steps:
        orders = [Order(system, pairs, album_path(chosen.out / "pictures", system, steps), steps) for system in systems]
        albums = fill_all(orders, lambda text: log(STAGE, text))
        for system in systems:
            drawn = [albums[system.key][pair] for pair in pairs]
            name = system.key if steps == chosen.steps[0] else f"{system.key}, {steps} steps"
            pictures[name] = np.stack([one.image for one in drawn])
            blocked[name] = np.array([one.blocked for one in drawn])
            took, stopped = seconds[system.key, steps], float(blocked[name].mean())
            costs[name] = Cost(system.unet_parameters, took, stopped)
    if chosen.checkpoints:
        pictures["checkpoint"] = through_torch(asked, chosen.out, chosen.steps[0])
    evaluate(asked, pictures, blocked, costs, chosen.out)


if __name__ == "__main__":
    main()
