"""The safety checker's pictures: originals, reconstructions of disturbed latents, and pictures of the four systems.

    python -m training.pictures_for_checker

Every system generates each flagged concept under every name from several seeds, each look-alike once, and its share of
a sample of the other concepts. Of four pictures, two train, one chooses thresholds (validation) and one only serves the
report (test). The rounds of reconstructions are split alike. The pictures stay in training/work/for_checker_<source>.pt
until the networks that made them change.
"""

import hashlib
import os
import random
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch

from training import data, decoder, distill, latents, networks, original, sampling, workers, workspace
from training.concepts import FLAGGED
from training.workers import Team
from training.workspace import log

PARTS = ("train", "train", "validation", "test")
RECONSTRUCTIONS = "reconstructions"
SOURCES = (RECONSTRUCTIONS, *networks.NAMES)
STEPS = 12
BATCH = 16
FLAGGED_TURNS = 16  # pictures of a flagged concept by each system
OTHERS = 250  # pictures of concepts that are neither flagged nor look-alikes, over the four systems
GUIDANCE = (2.5, 5.0)  # drawn for every picture
DISTURBANCE = (0.05, 0.45)  # deviation of the noise on latents, in the latents' own; drawn for every picture
LOOK_ALIKES = """
    skull; enraged face; collision; face with symbols on mouth; angry face with horns; skull and crossbones
    flashlight; video game; megaphone; boomerang; fire extinguisher; screwdriver; wrench; hammer; camera; kick scooter
    pool 8 ball; black heart; bowling; new moon; firecracker; crystal ball; magnet; blueberries; hole; sparkler
    crossed swords; axe; carpentry saw; razor; fork and knife; fork and knife with plate; scissors; syringe; pencil
    pen; fountain pen; black nib; paintbrush; hammer and pick; hammer and wrench; pick; straight ruler; spoon
    chopsticks; rocket; feather; key; old key; magic wand; toothbrush; thermometer; test tube; candle; crayon
    lipstick; flute; field hockey; cricket game; canoe; trident emblem; bow and arrow; ice skate; skis; sewing needle
    safety pin; hook; plunger; white cane; broom; heart with arrow; dashing away; face exhaling; baguette bread; scroll
    roll of paper; bone; index pointing up; backhand index pointing left; backhand index pointing up; hamsa
    backhand index pointing down; thumbs up; thumbs down; raised fist; oncoming fist; victory hand; OK hand
    crossed fingers; sign of the horns; call me hand; love-you gesture; pinched fingers; pinching hand; waving hand
    hand with fingers splayed; vulcan salute; palm up hand; writing hand; nail polish; folded hands; raising hands
    clapping hands; flexed biceps; leg; nose; gloves; no entry; prohibited; stop sign; cross mark; SOS button
    stop button; hundred points; red circle; bullseye; alarm clock; radioactive; biohazard; bus stop; ring buoy
"""


@dataclass(frozen=True)
class Job:
    """One picture to make: the concept's place in words.json, a seed, the prompt, and which part it belongs to."""

    place: int
    seed: int
    prompt: str
    part: str


@dataclass(frozen=True)
class Pictures:
    """images [N, 128, 128, 3] uint8, their concepts [N], and the share of each in the whole that is drawn from [N]."""

    images: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor


def look_alikes() -> set[str]:
    """Labels of look-alikes. Raises SystemExit for one that words.json does not have."""
    names = {name.strip() for line in LOOK_ALIKES.strip().splitlines() for name in line.split(";")}
    if unknown := names - {entry["label"] for entry in data.words()}:
        raise SystemExit(f"look-alikes in training/pictures_for_checker.py that are no labels: {sorted(unknown)}")
    return names


def plan(source: str) -> list[Job]:
    """All jobs of a source, in an order that its name decides."""
    entries, alike = data.words(), look_alikes()
    turns = [(place, turn) for turn in range(FLAGGED_TURNS) for place, e in enumerate(entries) if e["label"] in FLAGGED]
    resembling = [place for place, entry in enumerate(entries) if entry["label"] in alike]
    offset = SOURCES.index(source)  # so that each lands in another part from system to system
    turns += [(place, number + offset) for number, place in enumerate(resembling)]
    ordinary = [place for place, e in enumerate(entries) if e["label"] not in alike and e["label"] not in FLAGGED]
    sample = random.Random(0).sample(ordinary, min(OTHERS, len(ordinary)))[offset % len(networks.NAMES) :: 4]
    turns += [(place, number) for number, place in enumerate(sample)]
    if source == RECONSTRUCTIONS:
        turns = [(place, turn) for turn in range(len(PARTS)) for place in range(len(entries))]
    return [_job(source, place, turn, entries[place]) for place, turn in turns]


def _job(source: str, place: int, turn: int, entry: dict) -> Job:
    names = data.names_of(entry)
    seed = zlib.crc32(f"{source} {entry['label']} {turn}".encode())
    return Job(place, seed, names[turn % len(names)], PARTS[turn % len(PARTS)])


def path_of(source: str) -> Path:
    return workspace.WORK / f"for_checker_{source}.pt"


class Maker:
    """Makes a source's pictures. `origin` changes with the plan and with the weights involved."""

    def __init__(self, source: str) -> None:
        self._source, self._decoder, self._clean = source, decoder.load(), latents.load(16)
        taking_part: list[torch.nn.Module] = [self._decoder]
        if source != RECONSTRUCTIONS:
            pair = original.load()
            self._text = pair["text"]
            self._unet = pair["unet"] if source == "original" else distill.load(source)
            taking_part += [self._text, self._unet]
        described = [repr((plan(source), STEPS, GUIDANCE, DISTURBANCE)), *map(distill.fingerprint, taking_part)]
        self.origin = hashlib.sha256("\n".join(described).encode()).hexdigest()[:16]

    def images(self, jobs: list[Job]) -> torch.Tensor:
        """[N, 128, 128, 3] uint8."""
        if self._source == RECONSTRUCTIONS:
            return sampling.decode(self._decoder, torch.stack([self._disturbed(job) for job in jobs]))
        guidance = torch.tensor([random.Random(job.seed).uniform(*GUIDANCE) for job in jobs])[:, None, None, None]
        prompts, seeds = [job.prompt for job in jobs], [job.seed for job in jobs]
        clean = sampling.latents(self._unet, self._text, prompts, seeds, STEPS, guidance)
        return sampling.decode(self._decoder, clean)

    def _disturbed(self, job: Job) -> torch.Tensor:
        clean, draw = self._clean[job.place], torch.Generator().manual_seed(job.seed)
        return clean + random.Random(job.seed).uniform(*DISTURBANCE) * torch.randn(clean.shape, generator=draw)


def _make(team: Team, sources: list[str]) -> None:
    """Make this worker's batches, every other one of all. Returns the whole once both workers are done."""
    for source in sources:
        maker, jobs = Maker(source), plan(source)
        batches = [jobs[start : start + BATCH] for start in range(0, len(jobs), BATCH)][team.rank :: team.size]
        torch.save([maker.images(batch) for batch in batches], _piece(source, team.rank))
        team.agree(0)  # both are here
        if team.leads:
            _join(source, maker.origin)


def _piece(source: str, rank: int) -> Path:
    return path_of(source).with_suffix(f".{rank}")


def _join(source: str, origin: str) -> None:
    pieces = [torch.load(_piece(source, rank)) for rank in range(workers.COUNT)]
    count = sum(map(len, pieces))
    images = torch.cat([pieces[number % workers.COUNT][number // workers.COUNT] for number in range(count)])
    partial = path_of(source).with_suffix(".partial")
    torch.save({"images": images, "origin": origin}, partial)
    os.replace(partial, path_of(source))
    for rank in range(workers.COUNT):
        _piece(source, rank).unlink()
    log("checker", f"{len(images)} pictures by {source}")


def make() -> str:
    """Make what is missing or comes from other networks. Returns an identity of all present pictures."""
    latents.load(16)  # fills the cache once
    origins = {source: Maker(source).origin for source in SOURCES}
    if lacking := [source for source, origin in origins.items() if _origin_of(source) != origin]:
        workers.run(_make, 1, lacking)
    return hashlib.sha256("".join(origins.values()).encode()).hexdigest()[:16]


def _origin_of(source: str) -> str | None:
    path = path_of(source)
    return torch.load(path, mmap=True)["origin"] if path.exists() else None


def of(source: str, part: str) -> Pictures:
    """A source's pictures of a part: train, validation or test."""
    jobs = plan(source)
    chosen = [number for number, job in enumerate(jobs) if job.part == part]
    images = torch.load(path_of(source), mmap=True)["images"][chosen]
    weight = 0.5 if source == RECONSTRUCTIONS else 1.0
    return Pictures(images, torch.tensor([jobs[number].place for number in chosen]), torch.full((len(chosen),), weight))


def originals() -> Pictures:
    images = torch.from_numpy(data.pictures())
    return Pictures(images, torch.arange(len(images)), torch.ones(len(images)))


def together(part: str) -> Pictures:
    """All sources' pictures of a part. Train and validation include the originals, whose poses the checker varies."""
    parts = [of(source, part) for source in SOURCES] + ([] if part == "test" else [originals()])
    return Pictures(*(torch.cat([getattr(one, name) for one in parts]) for name in ("images", "targets", "weights")))


if __name__ == "__main__":
    make()
