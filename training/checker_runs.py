"""The safety checker's pictures: runs of the shipped packages over the whole range of settings that a request may have.

    python -m training.checker_runs learn|judge|recommended [--runs N]

A run is one prompt drawn by one system at settings drawn at random: 1 to 150 steps, guidance 0 to 30, every scheduler,
both generators, bf16/f32 and int8, with and without a negative prompt. It gives the finished picture, the decoded
estimates of a few steps (what a preview shows), and for `learn` sometimes a decoding of disturbed latents.

Settings in HELD_STEPS or HELD_GUIDANCE never occur in `learn`, and the two kinds draw their seeds from ranges of their
own. So `judge` measures on seeds, and partly on settings, that the checker has not seen. Pictures go to
training/work/checker_runs/<kind>-<digest>, in files of BOOK runs, each written whole: a stopped command goes on where
it was. The digest covers the packages and the plan.
"""

import argparse
import hashlib
import multiprocessing
import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bksdm_demo import environment
from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.library.catalog import EMBEDDED
from bksdm_demo.library.system import System
from bksdm_demo.mil.identity import content_identity
from bksdm_demo.records import GENERATORS, GUIDANCE_RANGE, SCHEDULERS, STEPS_RANGE, Request
from training import data
from training.concepts import FLAGGED
from training.drawing import BUDGET, embedded, parts_of, pipelines
from training.look_alikes import look_alikes
from training.scenes import grammar
from training.workspace import ASSETS, WORK, log

NAMES = ("original", "base", "small", "tiny")
RUNS = {"learn": 4900, "judge": 6000, "recommended": 1584}
HARMLESS_SCENES = 264  # of the recommended runs
FIRST_SEED = {"learn": 0, "judge": 2**31, "recommended": 2**31 + 2**30}
SEEDS = 2**30  # of each kind, from its first on
BOOK = 100  # runs in a file
STEP_GROUPS = (
    (1, 1),
    (2, 2),
    (3, 3),
    (4, 4),
    (5, 6),
    (7, 9),
    (10, 14),
    (15, 19),
    (20, 24),
    (25, 34),
    (35, 49),
    (50, 99),
    (100, 150),
)
STEP_WEIGHTS = {
    "learn": (1, 1, 1, 1, 1, 1.5, 1.5, 1, 1, 0.4, 0.2, 0.12, 0.06),
    "judge": (1, 1, 1, 1, 1, 1, 0.8, 0.5, 0.5, 0.25, 0.1, 0.06, 0.03),
}
HELD_STEPS = frozenset((3, 9, 13, 18, 22, *range(30, 37), *range(60, 76), *range(120, 136)))
HELD_GUIDANCE = ((4.0, 4.5), (8.0, 9.5), (14.0, 17.0), (24.0, 27.0))  # low <= guidance < high
ESTIMATES = {"learn": 3, "judge": 2, "recommended": 2}  # steps of a run whose estimates are decoded
COMPOSED = 0.35  # share of the runs whose prompts put a thing into a scene
JOINED = 0.05  # share of the harmless ones whose prompts join the names of any two
DISTURBED = 0.35  # share of the `learn` runs that also give disturbed latents
DISTURBANCE = (0.05, 0.6)  # deviation of the noise on latents, in the latents' own
FINISHED, LATENTS_DISTURBED = 0, -1  # in place of a step


@dataclass(frozen=True)
class Run:
    """One prompt at one setting.

    `label` is the concept that it names, "" where it names several harmless ones. `composed` prompts ask for a scene.
    """

    system: str
    prompt: str
    negative_prompt: str
    label: str
    composed: bool
    seed: int
    steps: int
    guidance_scale: float
    scheduler: str
    generator: str
    precision: str

    @property
    def flagged(self) -> bool:
        return self.label in FLAGGED

    @property
    def held_out(self) -> bool:
        """Whether `learn` has no run with these steps, or none with this guidance."""
        return self.steps in HELD_STEPS or any(low <= self.guidance_scale < high for low, high in HELD_GUIDANCE)

    def request(self) -> Request:
        names = ("prompt", "negative_prompt", "seed", "steps", "guidance_scale", "scheduler", "generator")
        return Request(**{name: getattr(self, name) for name in names})


def _steps(kind: str, draw: random.Random) -> int:
    low, high = draw.choices(STEP_GROUPS, STEP_WEIGHTS[kind])[0]
    return draw.randint(low, min(high, STEPS_RANGE[1]))


def _guidance(draw: random.Random) -> float:
    low, high = GUIDANCE_RANGE
    kind = draw.random()
    if kind < 0.05:
        return round(draw.uniform(low, 1), 1)
    if kind < 0.10:
        return draw.choice((1.0, 3.0, 7.5, high))
    bounds = (1.0, 6.0) if kind < 0.45 else (1.0, 12.0) if kind < 0.65 else (10.0, high)
    return round(draw.uniform(*bounds), 1)


@cache
def _entries() -> tuple[list[dict], list[dict], list[dict]]:
    """The entries of words.json: flagged, look-alikes, and the rest."""
    words, alike = data.words(), look_alikes()
    flagged = [entry for entry in words if entry["flagged"]]
    resembling = [entry for entry in words if entry["label"] in alike]
    rest = [entry for entry in words if not entry["flagged"] and entry["label"] not in alike]
    return flagged, resembling, rest


def _prompt(kind: str, number: int, draw: random.Random) -> tuple[str, str, bool]:
    """A prompt, its label and whether it is composed. One run in three is flagged."""
    flagged, resembling, rest = _entries()
    if number % 3 == 0:
        entry = flagged[number // 3 % len(flagged)]
    elif number % 9 in (1, 5):
        entry = resembling[(number // 9 * 2 + number % 9 // 5) % len(resembling)]
    else:
        entry = draw.choice(rest)
    name, composed = draw.choice(data.names_of(entry)), draw.random() < COMPOSED
    if composed and entry["flagged"]:
        return grammar.composed(name, draw), entry["label"], True
    if composed:
        return grammar.prompt(grammar.scene(draw) if kind == "learn" else grammar.any_scene(draw), draw), "", True
    if not entry["flagged"] and draw.random() < JOINED:
        two = [draw.choice(data.names_of(draw.choice(rest))) for _ in range(2)]
        return draw.choice((" ", " and ", " on ", " with ")).join(two), "", True
    if kind == "judge" or draw.random() < 0.6:
        return name, entry["label"], False
    return data.caption(entry, draw) or entry["label"], entry["label"], False


def plan(kind: str, count: int) -> Iterator[Run]:
    """The runs of a kind; a larger `count` keeps the first ones."""
    if kind == "recommended":
        yield from _recommended(count)
        return
    _, _, rest = _entries()
    for number in range(count):
        draw = random.Random(f"checker {kind} {number}")
        prompt, label, composed = _prompt(kind, number, draw)
        while True:
            run = Run(
                system=f"emoji-{NAMES[number // 3 % len(NAMES)]}",
                prompt=prompt,
                negative_prompt=draw.choice(data.names_of(draw.choice(rest))) if draw.random() < 0.1 else "",
                label=label,
                composed=composed,
                seed=FIRST_SEED[kind] + draw.randrange(SEEDS),
                steps=_steps(kind, draw),
                guidance_scale=_guidance(draw),
                scheduler=draw.choice(SCHEDULERS),
                generator=draw.choice(GENERATORS),
                precision="int8" if number // BOOK % 8 == 7 else "auto",
            )
            if kind == "judge" or not run.held_out:
                break
        yield run


def _recommended(count: int) -> Iterator[Run]:
    """The settings that the family recommends. The systems take turns.

    Flagged concepts come 24 times by their names and 12 times in scenes, all others once, and there are other scenes.
    """
    flagged, resembling, rest = _entries()
    turns = [(entry, False) for entry in flagged for _ in range(6 * len(NAMES))]
    turns += [(entry, False) for entry in (*resembling, *rest)]
    turns += [(entry, True) for entry in flagged for _ in range(3 * len(NAMES))] + [(None, True)] * HARMLESS_SCENES
    for number, (entry, composed) in enumerate(turns[:count]):
        draw, label = random.Random(f"recommended {number}"), entry["label"] if entry else ""
        names = data.names_of(entry) if entry else [""]
        name = names[number // len(NAMES) % len(names)]
        if composed:
            name = grammar.composed(name, draw) if entry else grammar.prompt(grammar.any_scene(draw), draw)
        yield Run(
            system=f"emoji-{NAMES[number % len(NAMES)]}",
            prompt=name,
            negative_prompt="",
            label=label,
            composed=composed,
            seed=FIRST_SEED["recommended"] + number,
            steps=EMBEDDED[0].steps,
            guidance_scale=EMBEDDED[0].guidance_scale,
            scheduler=EMBEDDED[0].scheduler,
            generator=GENERATORS[0],
            precision="auto",
        )


def estimated_steps(kind: str, run: Run, count: int) -> set[int]:
    """The steps, counted from 1, after which the estimate of the clean latents is decoded; never the last one."""
    draw = random.Random(f"estimates {run.seed}")
    return set(draw.sample(range(1, count), min(ESTIMATES[kind], count - 1)))


def pictures(kind: str, pipeline: Pipeline, run: Run) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(step or FINISHED or LATENTS_DISTURBED, picture) of a run. No gate takes part."""
    request, wanted = run.request(), None
    for step in pipeline.steps(request, pipeline.encode(request)):
        wanted = estimated_steps(kind, run, step.count) if wanted is None else wanted
        latents = step.latents
        if step.index in wanted and step.denoised is not None:
            yield step.index, pipeline.decode(step.denoised)
    yield FINISHED, pipeline.decode(latents)
    draw = np.random.default_rng(run.seed)
    if kind == "learn" and draw.random() < DISTURBED:
        noise = draw.uniform(*DISTURBANCE) * draw.standard_normal(latents.shape)
        yield LATENTS_DISTURBED, pipeline.decode((latents + noise).astype(np.float32))


def family_digest(systems: Sequence[System]) -> str:
    """A digest of all parts that draw; the safety checker takes no part."""
    words = []
    for system in systems:
        parts = parts_of(system)
        drawing = [path for path in parts.models if path != parts.checker()]
        words += [content_identity(path) for path in (*drawing, parts.vocab, parts.merges)]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:12]


def folder_of(kind: str, count: int) -> Path:
    described = repr([asdict(run) for run in plan(kind, min(count, 500))])
    digest = hashlib.sha256(f"{family_digest(embedded(NAMES, ASSETS))}\n{described}".encode()).hexdigest()[:12]
    return WORK / "checker_runs" / f"{kind}-{digest}"


def _draw_book(kind: str, number: int, runs: Sequence[Run], path: Path) -> None:
    """Draw the runs of one file. All of a book have the same precision."""
    options = EngineOptions(threads=1, precision=runs[0].precision, cache_dir=WORK / "compiled")
    systems, images, of, steps = embedded(NAMES, ASSETS), [], [], []
    with pipelines(systems, options, BUDGET) as cached:
        for place in sorted(range(len(runs)), key=lambda at: runs[at].system):
            with cached.lease(runs[place].system) as lease:
                for step, image in pictures(kind, lease.pipeline, runs[place]):
                    images.append(image)
                    of.append(number * BOOK + place)
                    steps.append(step)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, images=np.stack(images), runs=np.array(of), steps=np.array(steps))
    os.replace(partial, path)


def make(kind: str, count: int) -> Path:
    """Draw what is missing, one single-threaded process per core. Returns the folder."""
    folder, runs = folder_of(kind, count), list(plan(kind, count))
    folder.mkdir(parents=True, exist_ok=True)
    books = {number: folder / f"{number:04}.npz" for number in range(-(-count // BOOK))}
    lacking = {number: path for number, path in books.items() if not path.exists()}
    log("checker-runs", f"{kind}: {len(lacking)} of {len(books)} files to draw")
    with ProcessPoolExecutor(environment.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        waiting = [
            pool.submit(_draw_book, kind, number, runs[number * BOOK : (number + 1) * BOOK], path)
            for number, path in lacking.items()
        ]
        for done, future in enumerate(waiting, start=1):
            future.result()
            if done % 10 == 0:
                log("checker-runs", f"{kind}: {done} of {len(waiting)} files")
    return folder


@dataclass(frozen=True)
class Album:
    """Every picture of a kind: images [N, 128, 128, 3] uint8, the place of its run [N], its step [N], and the runs."""

    images: NDArray[np.uint8]
    places: NDArray[np.int64]
    steps: NDArray[np.int64]
    runs: tuple[Run, ...]


def load(kind: str, count: int) -> Album:
    """The pictures that `make` stored. Raises SystemExit if some are missing."""
    folder = folder_of(kind, count)
    paths = [folder / f"{number:04}.npz" for number in range(-(-count // BOOK))]
    if lacking := [path.name for path in paths if not path.exists()]:
        raise SystemExit(f"{len(lacking)} files of {kind} are missing: run python -m training.checker_runs {kind}")
    books = [np.load(path) for path in paths]
    images, places, steps = (np.concatenate([book[name] for book in books]) for name in ("images", "runs", "steps"))
    return Album(images, places, steps, tuple(plan(kind, count)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=tuple(RUNS))
    parser.add_argument(
        "--runs", type=int, help="else " + ", ".join(f"{count} to {kind}" for kind, count in RUNS.items())
    )
    options = parser.parse_args()
    make(options.kind, options.runs or RUNS[options.kind])


if __name__ == "__main__":
    main()
