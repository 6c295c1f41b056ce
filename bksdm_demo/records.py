"""Frozen records that the rooms hand to each other: the request, a step, timings, a verdict, a result, a job.

Nothing here computes beyond looking things up; `Request` checks its own ranges so that no later room has to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from numpy.typing import NDArray

from bksdm_demo import schedulers
from bksdm_demo.errors import RequestError

SEED_LIMIT = 2**32  # numpy.random.RandomState takes seeds in [0, 2**32)
STEPS_RANGE = (1, 150)
GUIDANCE_RANGE = (0.0, 30.0)
PROMPT_LIMIT = 20_000  # characters
SEEDS_LIMIT = 16  # seeds in one comparison
CELLS_LIMIT = 64  # pictures in one comparison: seeds times models

SCHEDULERS = schedulers.KEYS
GENERATORS = ("numpy", "torch")

EARLIER_STAYS = "Running it again brought nothing new, so this is the earlier outcome. "


@dataclass(frozen=True)
class Request:
    """Everything that decides a picture apart from the model.

    `seed` is an integer in [0, 2**32); `generator` names the start-noise contract: "numpy"
    (`numpy.random.RandomState`, Apple's Swift pipeline) or "torch" (`torch.manual_seed` on the CPU, diffusers).
    Raises RequestError naming the field, the value and the valid range.
    """

    prompt: str
    negative_prompt: str = ""
    seed: int = 0
    steps: int = 20
    guidance_scale: float = 7.5
    scheduler: str = "dpmpp-2m"
    generator: str = "numpy"

    def __post_init__(self) -> None:
        for name in ("prompt", "negative_prompt"):
            text = getattr(self, name)
            if not isinstance(text, str):
                raise RequestError(f"{name} must be text, not {type(text).__name__}.")
            if len(text) > PROMPT_LIMIT:
                raise RequestError(f"{name} has {len(text)} characters; at most {PROMPT_LIMIT} are taken.")
        if not self.prompt.strip():
            raise RequestError("The prompt is empty: type what the picture should show.")
        _check_whole("seed", self.seed, 0, SEED_LIMIT - 1)
        _check_whole("steps", self.steps, *STEPS_RANGE)
        low, high = GUIDANCE_RANGE
        if isinstance(self.guidance_scale, bool) or not isinstance(self.guidance_scale, (int, float)):
            raise RequestError(f"guidance_scale must be a number, not {self.guidance_scale!r}.")
        if not low <= self.guidance_scale <= high:  # also refuses NaN
            raise RequestError(f"guidance_scale is {self.guidance_scale}; it must be between {low:g} and {high:g}.")
        _check_choice("scheduler", self.scheduler, SCHEDULERS)
        _check_choice("generator", self.generator, GENERATORS)


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise RequestError(f"{name} must be a whole number, not {value!r}.")
    if not low <= value <= high:
        raise RequestError(f"{name} is {value}; it must be between {low} and {high}.")


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise RequestError(f"{name} is {value!r}; choose one of {', '.join(choices)}.")


@dataclass(frozen=True)
class Step:
    """One finished denoising step: `index` counts from 1 to `count`; latents are float32 [1, C, h, w].

    `denoised` is the present estimate of the clean latents, of the same shape, where the pipeline tells one.
    """

    index: int
    count: int
    timestep: float
    latents: NDArray
    seconds: float
    denoised: NDArray | None = None


@dataclass(frozen=True)
class Timings:
    """Wall-clock seconds of each phase; `steps` are the single denoising steps inside `denoise`.

    `cold` says that at least one part of the model had to be loaded for this picture. `preview` is what looking at the
    picture on its way took; it is in none of the other numbers, `total` included, so that a watched run and an
    unwatched one compare.
    """

    load: float = 0.0
    encode: float = 0.0
    denoise: float = 0.0
    decode: float = 0.0
    safety: float = 0.0
    total: float = 0.0
    steps: tuple[float, ...] = ()
    cold: bool = False
    preview: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """What the safety checker said. `blocked` is True also when the checker failed: safety fails closed."""

    blocked: bool
    reason: str = ""
    scores: tuple[float, ...] = ()


class Phase(StrEnum):
    """Where one cell of a comparison stands; the last five are final."""

    QUEUED = "queued"
    LOADING = "loading"
    ENCODING = "encoding"
    DENOISING = "denoising"
    DECODING = "decoding"
    CHECKING = "checking"
    DONE = "done"
    BLOCKED = "blocked"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def final(self) -> bool:
        return self in (Phase.DONE, Phase.BLOCKED, Phase.FAILED, Phase.CANCELLED, Phase.INTERRUPTED)


@dataclass(frozen=True)
class Result:
    """One finished picture. `image` is uint8 [H, W, 3] in RGB, or None when the verdict blocks it.

    A result that comes from the store has its picture there and only its size here: `stored_size` is (H, W).
    """

    model: str
    request: Request
    verdict: Verdict
    timings: Timings
    image: NDArray | None = None
    truncated: tuple[str, ...] = ()  # words of the prompt beyond the text encoder's length
    engine: str = ""
    size_bytes: int = 0  # of the model's files on disk
    stored_size: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) of the picture in pixels, in memory or stored; None when there is none to show."""
        if self.verdict.blocked:
            return None
        if self.image is not None:
            height, width = self.image.shape[:2]
            return height, width
        return self.stored_size


@dataclass(frozen=True)
class LoadProgress:
    """The part of a model that is being loaded: number `number` of `count`.

    `number` is 0 while the files are still read; parts that were loaded before are not counted. `began` is when the
    loading of the model began, in seconds since the epoch.
    """

    part: str
    number: int
    count: int
    began: float


@dataclass(frozen=True)
class Cell:
    """The state of one model with one seed inside a job; a snapshot, never changed in place.

    `preview` is uint8 [h, w, 3], an estimate of the picture on its way that the safety checker passed; it goes when the
    cell is final. `earlier` is the finished cell that a new run is to replace: it comes back
    when the new run brings no verdict.
    """

    model: str
    phase: Phase = Phase.QUEUED
    step: int = 0
    steps: int = 0
    result: Result | None = None
    message: str = ""  # a sentence for the visitor: why there is no picture, no preview, or no newer picture
    seed: int = 0
    preview: NDArray | None = None
    earlier: Cell | None = None
    loading: LoadProgress | None = None  # only while LOADING, once there is something to load

    @property
    def shown(self) -> bool:
        """Whether there is a finished picture that may be shown."""
        return self.phase is Phase.DONE and self.result is not None and self.result.size is not None

    @property
    def unfinished(self) -> bool:
        """Whether another run may bring what this one did not."""
        return self.phase in (Phase.FAILED, Phase.CANCELLED, Phase.INTERRUPTED)

    def at(self, phase: Phase, **changes: object) -> Cell:
        """A copy of this cell in another phase."""
        return replace(self, phase=phase, **changes)  # type: ignore[arg-type]

    def again(self) -> Cell:
        """The cell as it waits for a new run; a verdict it already has is remembered until there is another."""
        earlier = None if self.unfinished else replace(self, message="")
        return Cell(self.model, seed=self.seed, earlier=earlier)

    def verdict(self, phase: Phase, result: Result, message: str = "") -> Cell:
        """The cell after a run that came to a verdict: done or blocked."""
        return replace(self, phase=phase, result=result, message=message, preview=None, earlier=None, loading=None)

    def ended(self, phase: Phase, message: str) -> Cell:
        """The cell after a run that brought no verdict: in `phase`, or as it was before that run."""
        if self.earlier is not None:
            return replace(self.earlier, message=EARLIER_STAYS + message)
        return replace(self, phase=phase, message=message, result=None, preview=None, loading=None)


@dataclass(frozen=True)
class Job:
    """A snapshot of a comparison: the request, one cell per seed and model, and its place in the queue.

    Cells stand seed by seed, the models in the same order under each: a table with a row per seed. A cell is
    known by its index; `request.seed` is the first seed. `position` is 0 while running or finished, else 1 for the
    next in line. `version` grows with every change. `preview_every` is in steps, 0 for no previews. `expires` is when
    the store may drop the job, in seconds since the epoch, None for never. `environment` is the machine that ran it, {}
    until known. `note` tells what is wrong with keeping it, "" when all is well.
    """

    id: str
    request: Request
    cells: tuple[Cell, ...]
    position: int = 0
    version: int = 0
    created: float = 0.0  # seconds since the epoch
    cancelled: bool = field(default=False)
    preview_every: int = 0
    starred: bool = False
    expires: float | None = None
    owner: str = ""  # a digest of the submitter's secret, "" for anybody's
    environment: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def finished(self) -> bool:
        return all(cell.phase.final for cell in self.cells)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds in their order, the rows of the table."""
        return tuple(dict.fromkeys(cell.seed for cell in self.cells))

    @property
    def models(self) -> tuple[str, ...]:
        """The models in their order, the columns of the table."""
        return tuple(dict.fromkeys(cell.model for cell in self.cells))

    @property
    def order(self) -> tuple[int, ...]:
        """The indexes in the order of running: model by model, so that each is loaded once."""
        models = self.models
        return tuple(sorted(range(len(self.cells)), key=lambda index: models.index(self.cells[index].model)))

    @property
    def resumable(self) -> tuple[int, ...]:
        """Indexes of the cells that a finished job could run again because they ended without a verdict."""
        return tuple(index for index, cell in enumerate(self.cells) if cell.unfinished) if self.finished else ()

    @property
    def current(self) -> int | None:
        """The index of the cell that is being drawn, else of the first that waits; None once finished."""
        open_ones = [index for index in self.order if not self.cells[index].phase.final]
        active = [index for index in open_ones if self.cells[index].phase is not Phase.QUEUED]
        return next(iter([*active, *open_ones]), None)

    def index_of(self, model: str, seed: int) -> int:
        """Where that model's cell for that seed stands. Raises RequestError when there is none."""
        for index, cell in enumerate(self.cells):
            if (cell.model, cell.seed) == (model, seed):
                return index
        raise RequestError(f"This comparison has no picture by {model!r} with seed {seed}.")

    def request_of(self, index: int) -> Request:
        """The request that the cell at `index` draws: the job's, with the cell's own seed."""
        return replace(self.request, seed=self.cells[index].seed)
