"""What the commands do once their flags are read: choose systems, complete the request, draw or fetch, exit codes.

Knows nothing of flags and of the library that parses them (cli.py). Exit codes follow the shell's custom: 2 is wrong
usage, 128 + 2 is an interrupt.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from bksdm_demo.cli.progress import FetchProgress
from bksdm_demo.cli.tables import Progress
from bksdm_demo.downloads.download_queue import MemoryEstimate
from bksdm_demo.downloads.status import memory_words, origin_words
from bksdm_demo.engines.base import Engine
from bksdm_demo.environment import unet_precisions
from bksdm_demo.errors import CancelledError, DemoError, ModelUnavailableError, PackageError, RequestError
from bksdm_demo.library import published
from bksdm_demo.library.catalog import Availability, Catalog, System
from bksdm_demo.library.fetch import fetch
from bksdm_demo.library.inspection import Facts, inspect_package, write_listing
from bksdm_demo.library.record import read_record
from bksdm_demo.mil.model import user_metadata
from bksdm_demo.records import SEED_LIMIT, Job, Phase, Request
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.wording.comparison import truncation_words

try:
    from bksdm_demo.translate.registry import missing_operations
except ModuleNotFoundError as absent:
    if absent.name != "openvino":
        raise
    missing_operations = None  # type: ignore[assignment]  # on a Mac there is Core ML, which tells at loading

OK, FAILED, USAGE, BLOCKED, UNAVAILABLE, INTERRUPTED = 0, 1, 2, 3, 4, 130
ROUNDED = "The U-Net ran in int8: these are not the pictures of the published numerics."
HEARTBEAT = 1.0  # seconds between two looks at a job, so that Ctrl-C is heard on every system


OpenPart = Callable[[Path, bool], Engine]


class UsageError(DemoError):
    """A value that the command line should not have been given."""


@dataclass(frozen=True)
class Wish:
    """A request with gaps: None means what the model recommends, and for the seed a number drawn by chance."""

    prompt: str
    negative: str = ""
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    scheduler: str | None = None
    rng: str = "numpy"

    def request(self, system: System) -> Request:
        """The request with its gaps filled; raises RequestError for a value out of range."""
        return Request(
            prompt=self.prompt,
            negative_prompt=self.negative,
            seed=secrets.randbelow(SEED_LIMIT) if self.seed is None else self.seed,
            steps=system.steps if self.steps is None else self.steps,
            guidance_scale=system.guidance_scale if self.guidance is None else self.guidance,
            scheduler=system.scheduler if self.scheduler is None else self.scheduler,
            generator=self.rng,
        )


def chosen_systems(catalog: Catalog, keys: str | None) -> list[System]:
    """The systems of a comma-separated list, each once; without a list the embedded family's available ones.

    Raises RequestError for an empty list, ModelUnavailableError for a system that is not here.
    """
    if keys is None:
        found = [system for system in catalog.systems() if system.availability is Availability.EMBEDDED]
        if not found:
            raise ModelUnavailableError("The embedded family is not there; name models with --models.")
        return found
    wanted = dict.fromkeys(key.strip() for key in keys.split(",") if key.strip())
    if not wanted:
        raise RequestError("--models names no model; give keys with commas between them, as `models` lists them.")
    return [catalog.get(key) for key in wanted]


def chosen_seeds(text: str | None, seed: int | None) -> tuple[int, ...]:
    """The whole numbers of a comma-separated list; () without one. Raises UsageError beside a single seed."""
    if text is None:
        return ()
    if seed is not None:
        raise UsageError("--seed and --seeds are both given; one of them is enough.")
    words = [word.strip() for word in text.split(",") if word.strip()]
    try:
        seeds = tuple(int(word) for word in words)
    except ValueError as error:
        raise UsageError(f"--seeds is {text!r}; give whole numbers with commas between them, such as 1,2,3.") from error
    if not seeds:
        raise UsageError("--seeds names no seed; give whole numbers with commas between them, such as 1,2,3.")
    return seeds


def draw(
    comparisons: Comparisons,
    request: Request,
    keys: Sequence[str],
    names: Mapping[str, str],
    stream: TextIO,
    seeds: Sequence[int] = (),
) -> Job:
    """Run a comparison to its end, telling its progress on `stream`; the job comes with its pictures in memory.

    KeyboardInterrupt stops it after the present step and is raised again then; a second one at once.
    """
    submitted = comparisons.submit(request, keys, seeds=seeds)
    drawn = submitted.seeds
    print(f"{'Seeds' if len(drawn) > 1 else 'Seed'} {', '.join(map(str, drawn))}", file=stream)
    progress = Progress(stream, names)
    try:
        finished = _follow(comparisons, submitted, progress)
    except KeyboardInterrupt:
        progress.say("Stopping after the present step; Ctrl-C again stops at once.")
        _follow(comparisons, comparisons.cancel(submitted.id), progress)
        raise
    if truncated := truncation_words(finished):
        print(truncated, file=stream)
    if "int8" in unet_precisions(finished.environment):
        print(ROUNDED, file=stream)
    return comparisons.with_pictures(finished)


def _follow(comparisons: Comparisons, job: Job, progress: Progress) -> Job:
    newest = job
    for newest in comparisons.watch(job.id, HEARTBEAT):
        progress.show(newest)
    return newest


def bring(
    key: str, models_dir: Path, attention: str | None, stream: TextIO, need: MemoryEstimate | None = None
) -> System:
    """Download a published system into `models_dir` with progress on `stream`, and see that it is whole.

    Raises CancelledError for an interrupt, which keeps what has come, ModelUnavailableError and PackageError.
    """
    offer = published.published_system(key)
    print(f"{offer.name}: {offer.licence}, {offer.licence_url}; model card {offer.card_url}", file=stream)
    if need is not None:
        print(f"{offer.name}: {memory_words(need)}", file=stream)
    progress = FetchProgress(stream, offer.name)
    try:
        folder = fetch(offer, models_dir, attention=attention, report=progress)
    except KeyboardInterrupt as interrupt:
        raise CancelledError(
            f"Stopped. What has come of {offer.name} is kept; fetching it again goes on from there."
        ) from interrupt
    finally:
        progress.end()
    if (record := read_record(folder)) is not None:
        print(f"{offer.name}: {origin_words(record)}", file=stream)
    catalog = Catalog(models_dir, models_dir, read_metadata=user_metadata, published=published.PUBLISHED)
    system = next((system for system in catalog.systems() if system.folder == folder), None)
    if system is None:
        raise ModelUnavailableError(f"{offer.name} is in {folder}, with several systems in it; `models` lists them.")
    if not system.available:
        raise ModelUnavailableError(f"{offer.name} is in {folder}, but it cannot be used: {system.reason}")
    return system


@dataclass(frozen=True)
class Inspection:
    """A package's facts, and how a trial load went: None not tried, "" well, else why it failed."""

    facts: Facts
    refusal: str | None = None

    @property
    def runs(self) -> bool:
        """False once something is known that this machine cannot run."""
        return not self.facts.missing and not self.refusal

    def as_json(self) -> dict[str, Any]:
        """The facts with `runs_here`, True only after a trial load, None while nothing speaks against it."""
        tried = self.refusal is not None
        runs = (True if tried else None) if self.runs else False
        return {**self.facts.as_json(), "runs_here": runs, "refusal": self.refusal or None}


def inspect_all(path: Path, open_part: OpenPart | None = None) -> list[Inspection]:
    """The model at `path`, or every model below it; each is loaded once where `open_part` is given.

    Raises PackageError for one that cannot be read, and where there is none.
    """
    inspections = []
    for package in _packages(path):
        facts = inspect_package(package, missing_operations)
        inspections.append(Inspection(facts, None if open_part is None else _refusal(package, open_part)))
    return inspections


def list_programs(path: Path, stream: TextIO) -> None:
    """The program of the model at `path`, or of every model below it, as MIL text on `stream`."""
    write_listing(_packages(path), stream)


def _packages(path: Path) -> list[Path]:
    if path.suffix in (".mlpackage", ".mlmodelc") or (path / "Manifest.json").exists():
        return [path]
    return sorted(found for kind in ("mlpackage", "mlmodelc") for found in path.rglob(f"*.{kind}")) or [path]


def _refusal(package: Path, open_part: OpenPart) -> str:
    try:
        engine = open_part(package, False)
        engine.load()
    except DemoError as error:
        return str(error)
    engine.unload()
    return ""


def job_code(job: Job) -> int:
    """The exit code of a finished job: its worst outcome decides."""
    phases = {cell.phase for cell in job.cells}
    if phases <= {Phase.DONE}:
        return OK
    return BLOCKED if phases <= {Phase.DONE, Phase.BLOCKED} else FAILED


def error_code(error: DemoError) -> int:
    """The exit code of an error that ended a command."""
    if isinstance(error, (RequestError, UsageError)):
        return USAGE
    if isinstance(error, (ModelUnavailableError, PackageError)):
        return UNAVAILABLE
    return INTERRUPTED if isinstance(error, CancelledError) else FAILED
