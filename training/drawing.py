"""Draws the evaluator's pictures with the shipped Core ML packages and the app's own pipeline, each picture once.

A system is a folder of packages as the app's library finds them. Missing parts come from a folder beside it, or from
the family. Its album stores the pictures under a digest of all parts and settings. So an unchanged system draws only
what is new, and an interrupted run resumes.
"""

import hashlib
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bksdm_demo import environment
from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.engines.base import Engine, EngineOptions
from bksdm_demo.engines.registry import open_engine
from bksdm_demo.library.catalog import EMBEDDED, SHARED, Availability, Catalog, System
from bksdm_demo.library.layout import Parts, find_parts, find_systems
from bksdm_demo.mil.identity import content_identity
from bksdm_demo.mil.model import user_metadata
from bksdm_demo.mil.package import package_bytes
from bksdm_demo.records import Request, Step
from bksdm_demo.runs.generation import generate
from bksdm_demo.runs.pipeline_cache import PipelineCache
from bksdm_demo.runs.previews import PreviewObserver
from training.pairs import Pair

BUDGET = 4 << 30  # bytes of loaded parts
SAVE_EVERY = 25  # pictures
SIDE = 128  # pixels of a picture of the family
COLUMNS = ("prompts", "seeds", "images", "withheld", "scores", "seconds")  # arrays of a file; "withheld": blocked
NO_SAVINGS: Mapping[str, Any] = MappingProxyType({})
Say = Callable[[str], None]


def embedded(names: Sequence[str], assets: Path) -> list[System]:
    """Systems of the shipped family by their short names: original, base, small, tiny."""
    catalog = Catalog(assets, read_metadata=user_metadata)
    return [catalog.get(f"emoji-{name}") for name in names]


def in_folder(folder: Path, shared: Path) -> list[System]:
    """Every system in a folder of the family's layout, with the family's settings. Missing parts come from `shared`."""
    places = find_systems(folder)
    if not places:
        raise SystemExit(f"{folder} holds no system: no *_unet.mlpackage in it or in the folders below")
    own = folder / SHARED
    return [_local(place, own if own.is_dir() else shared) for place in places]


def _local(folder: Path, shared: Path) -> System:
    parts = find_parts(folder, shared)
    parts.checker()  # the app refuses a system without one
    counts = [user_metadata(path).get("parameters", "") for path in parts.unet]
    family = EMBEDDED[0]
    return System(
        key=folder.name,
        name=folder.name,
        family=family.family,
        summary=f"Found in {folder.name}.",
        folder=folder,
        shared=shared,
        availability=Availability.ON_DISK,
        parts=parts,
        unet_parameters=sum(map(int, counts)) if all(count.isdecimal() for count in counts) else None,
        steps=family.steps,
        guidance_scale=family.guidance_scale,
        scheduler=family.scheduler,
    )


def parts_of(system: System) -> Parts:
    """The parts of an available system."""
    assert system.parts is not None, f"{system.key} was found without parts"
    return system.parts


def unet_bytes(system: System) -> int:
    return sum(package_bytes(path) for path in parts_of(system).unet)


def digest_of(system: System, steps: int) -> str:
    """A digest of the content of all parts and of every setting that decides a picture."""
    parts = parts_of(system)
    words = [content_identity(path) for path in (*parts.models, parts.vocab, parts.merges)]
    words += [str(steps), repr(system.guidance_scale), system.scheduler]
    return hashlib.blake2b("\0".join(words).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Drawn:
    """One picture uint8 [H, W, 3], whether the app blocks it, the checker's scores, and seconds without loading."""

    image: NDArray[np.uint8]
    blocked: bool
    scores: tuple[float, ...]
    seconds: float


class _Keeper:
    """An observer that stores the picture even if the app blocks it."""

    seconds = 0.0

    def __init__(self) -> None:
        self.image: NDArray[np.uint8] | None = None

    def observe(self, pipeline: Pipeline, step: Step) -> None:
        """Ignore previews."""

    def learn_from(self, pipeline: Pipeline, latents: NDArray, image: NDArray, seconds: float) -> None:
        self.image = image.copy()


class _Systems:
    """The part of a catalogue that a pipeline cache needs, for systems anywhere on disk."""

    def __init__(self, systems: Iterable[System]) -> None:
        self._systems: dict[str, System] = {}
        for system in systems:
            if system.key in self._systems:
                raise SystemExit(f"two systems are called {system.key}: rename one of their folders")
            self._systems[system.key] = system

    def get(self, key: str) -> System:
        return self._systems[key]


@contextmanager
def pipelines(systems: Sequence[System], options: EngineOptions, budget: int = BUDGET) -> Iterator[PipelineCache]:
    """A cache of these systems' pipelines, to draw with no gate in between. All parts are unloaded at the end."""
    cache = PipelineCache(
        cast(Catalog, _Systems(systems)), lambda path, exact: open_engine(path, options, exact), budget
    )
    try:
        yield cache
    finally:
        cache.clear()


class Drawer:
    """Draws pictures by any of its systems with the app's engine, at the app's own precision.

    If `threads` is None, the engine chooses their number, as in the app. `savings` are options of the requests that
    save evaluations.
    """

    def __init__(
        self,
        systems: Sequence[System],
        steps: int,
        threads: int | None = None,
        savings: Mapping[str, Any] = NO_SAVINGS,
    ) -> None:
        self.systems, self.steps, self._options = tuple(systems), steps, EngineOptions(threads=threads)
        self._savings = savings
        self._opened: dict[Path, Engine] = {}
        self._cache = PipelineCache(cast(Catalog, _Systems(systems)), self._open, BUDGET)

    def _open(self, path: Path, exact: bool) -> Engine:
        self._opened[path] = open_engine(path, self._options, exact)
        return self._opened[path]

    def draw(self, system: System, pair: Pair) -> Drawn:
        """The picture of a pair, with the settings that the app recommends for the system.

        A prompt that the app's gate on the request stops gives a white picture that counts as blocked.
        """
        request = Request(
            prompt=pair.prompt,
            seed=pair.seed,
            steps=self.steps,
            guidance_scale=system.guidance_scale,
            scheduler=system.scheduler,
            **self._savings,
        )
        keeper = _Keeper()
        result = generate(self._cache, system.key, request, observer=cast(PreviewObserver, keeper))
        seconds = result.timings.total - result.timings.load
        if keeper.image is None:
            return Drawn(np.full((SIDE, SIDE, 3), 255, np.uint8), True, (), seconds)
        if not result.verdict.scores:
            raise SystemExit(f"{system.key}: the safety checker failed on {pair.prompt!r}: {result.verdict.reason}")
        return Drawn(keeper.image, result.image is None, result.verdict.scores, seconds)

    def precision(self, system: System) -> str:
        """The arithmetic of the U-Net; "" before the first picture."""
        engine = next((self._opened[path] for path in parts_of(system).unet if path in self._opened), None)
        return str(getattr(engine, "precision", ""))

    def seconds(self, pair: Pair, rounds: int) -> dict[str, list[float]]:
        """End-to-end seconds of warm pictures. The systems take turns, so a slow spell affects all of them."""
        for system in self.systems:
            self.draw(system, pair)
        found: dict[str, list[float]] = {system.key: [] for system in self.systems}
        for _ in range(rounds):
            for system in self.systems:
                found[system.key].append(self.draw(system, pair).seconds)
        return found


class Album:
    """The pictures of one system, by prompt and seed, in one file that is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._drawn: dict[tuple[str, int], Drawn] = {}
        if path.exists():
            with np.load(path) as saved:
                columns = {name: saved[name] for name in saved.files}
            rows = zip(*(columns[name] for name in COLUMNS), strict=True)
            for prompt, seed, image, blocked, scores, seconds in rows:
                drawn = Drawn(image, bool(blocked), tuple(map(float, scores)), float(seconds))
                self._drawn[str(prompt), int(seed)] = drawn

    def __contains__(self, pair: Pair) -> bool:
        return (pair.prompt, pair.seed) in self._drawn

    def __getitem__(self, pair: Pair) -> Drawn:
        return self._drawn[pair.prompt, pair.seed]

    def __setitem__(self, pair: Pair, drawn: Drawn) -> None:
        self._drawn[pair.prompt, pair.seed] = drawn

    def save(self) -> None:
        if not self._drawn:
            return
        drawn = list(self._drawn.values())
        width = max(len(one.scores) for one in drawn)  # a prompt stopped at the gate has none
        scores = [(*one.scores, *[math.nan] * (width - len(one.scores))) for one in drawn]
        columns: dict[str, Any] = {
            "prompts": np.array([prompt for prompt, _ in self._drawn]),
            "seeds": np.array([seed for _, seed in self._drawn], dtype=np.int64),
            "images": np.stack([one.image for one in drawn]),
            "withheld": np.array([one.blocked for one in drawn]),
            "scores": np.array(scores, dtype=np.float64),
            "seconds": np.array([one.seconds for one in drawn]),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, **columns)
        os.replace(partial, self.path)


@dataclass(frozen=True)
class Order:
    """The pairs that one system has to draw, and the file for the pictures; `savings` as in Drawer."""

    system: System
    pairs: tuple[Pair, ...]
    path: Path
    steps: int
    savings: Mapping[str, Any] = field(default_factory=dict)


def album_path(folder: Path, system: System, steps: int) -> Path:
    return folder / system.key / f"{digest_of(system, steps)}.npz"


def fill(order: Order, threads: int | None = None) -> None:
    """Draw the pairs that are missing from the album, and save regularly."""
    album, key = Album(order.path), order.system.key
    lacking = [pair for pair in order.pairs if pair not in album]
    drawer, started = Drawer([order.system], order.steps, threads, order.savings), time.monotonic()
    for number, pair in enumerate(lacking, start=1):
        album[pair] = drawer.draw(order.system, pair)
        if number % SAVE_EVERY == 0 or number == len(lacking):
            album.save()
            print(f"{key}: {number} of {len(lacking)} pictures, {time.monotonic() - started:.0f} s", flush=True)


def fill_all(orders: Sequence[Order], say: Say) -> dict[str, Album]:
    """The albums of all orders by system, drawn by one single-threaded process per core."""
    lacking = {order.system.key: sum(pair not in Album(order.path) for pair in order.pairs) for order in orders}
    say("to draw: " + ", ".join(f"{count} by {key}" for key, count in lacking.items()))
    needed = [order for order in orders if lacking[order.system.key]]
    if needed:
        started, context = time.monotonic(), multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(environment.cpu_count(), context) as pool:
            for done in [pool.submit(fill, order, 1) for order in needed]:
                done.result()
        say(f"{sum(lacking.values())} pictures in {time.monotonic() - started:.0f} s")
    return {order.system.key: Album(order.path) for order in orders}
