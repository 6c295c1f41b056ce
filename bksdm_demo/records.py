"""The frozen records that all rooms share: request, step, timings, verdict, result, cell and job.

Records hold data and look things up. Only Request checks its values, so that no other room needs to.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from numpy.typing import NDArray

from bksdm_demo import scheduler_facts
from bksdm_demo.errors import RequestError

SEED_LIMIT = 2**32  # numpy.random.RandomState takes seeds in [0, 2**32)
STEPS_RANGE = (1, 150)
GUIDANCE_RANGE = (0.0, 30.0)
DEEP_EVERY_RANGE = (1, 10)  # steps
WHOLE = (0.0, 1.0)  # the interval of a guidance that acts in every step
PROMPT_LIMIT = 20_000  # characters
SEEDS_LIMIT = 16  # seeds in one comparison
CELLS_LIMIT = 64  # pictures in one comparison: seeds times models

SCHEDULERS = scheduler_facts.KEYS
GENERATORS = ("numpy", "torch")

EARLIER_STAYS = "The new run gave no result, so this is the earlier one. "


@dataclass(frozen=True)
class Request:
    """All settings that decide a picture, apart from the model.

    `seed` is an integer in [0, 2**32). `generator` names the source of the start noise: "numpy"
    (`numpy.random.RandomState`, as in Apple's Swift pipeline) or "torch" (`torch.manual_seed` on the CPU, as in
    diffusers). The two texts are kept as `repaired` returns them. Raises RequestError with the field, the value and the
    valid range.

    Three options save work of the U-Net (diffusion/plan.py). Guidance acts in the share of the steps between the ends
    of `guidance_interval`, and outside only the prompt's half runs. With `forecast`, some steps take the clean picture
    as the step before estimated it. The U-Net's deep layers run in every `deep_every`-th step; the steps between reuse
    what they gave.
    """

    prompt: str
    negative_prompt: str = ""
    seed: int = 0
    steps: int = 20
    guidance_scale: float = 7.5
    scheduler: str = "dpmpp-2m"
    generator: str = "numpy"
    guidance_interval: tuple[float, float] = WHOLE
    forecast: bool = False
    deep_every: int = 1

    def __post_init__(self) -> None:
        for name in ("prompt", "negative_prompt"):
            text = getattr(self, name)
            if not isinstance(text, str):
                raise RequestError(f"{name} must be text, not {type(text).__name__}.")
            if len(text) > PROMPT_LIMIT:
                raise RequestError(f"{name} has {len(text)} characters; the limit is {PROMPT_LIMIT}.")
            object.__setattr__(self, name, repaired(text))
        if not self.prompt.strip():
            raise RequestError("The prompt is empty. Type what the picture should show.")
        _check_whole("seed", self.seed, 0, SEED_LIMIT - 1)
        _check_whole("steps", self.steps, *STEPS_RANGE)
        low, high = GUIDANCE_RANGE
        if isinstance(self.guidance_scale, bool) or not isinstance(self.guidance_scale, (int, float)):
            raise RequestError(f"guidance_scale must be a number, not {self.guidance_scale!r:.60}.")
        if not low <= self.guidance_scale <= high:  # also refuses NaN
            raise RequestError(f"guidance_scale is {self.guidance_scale}; it must be between {low:g} and {high:g}.")
        _check_choice("scheduler", self.scheduler, SCHEDULERS)
        _check_choice("generator", self.generator, GENERATORS)
        object.__setattr__(self, "guidance_interval", _interval(self.guidance_interval))
        if not isinstance(self.forecast, bool):
            raise RequestError(f"forecast must be true or false, not {self.forecast!r:.60}.")
        _check_whole("deep_every", self.deep_every, *DEEP_EVERY_RANGE)

    @property
    def savings(self) -> dict[str, Any]:
        """The options that save evaluations, without those at their defaults."""
        return {name: getattr(self, name) for name, default in SAVINGS.items() if getattr(self, name) != default}

    def fields(self) -> dict[str, Any]:
        """Every field as data. Options that save evaluations are left out at their defaults, as in older records."""
        return {name: value for name, value in asdict(self).items() if name not in SAVINGS or name in self.savings}


SAVINGS: dict[str, Any] = {"guidance_interval": WHOLE, "forecast": False, "deep_every": 1}  # option -> default


def repaired(text: str) -> str:
    """Return the text as every file, database, terminal and browser can take it; most texts are that already.

    U+FFFD stands for half a surrogate pair, which no encoding can write, and for control characters other than tab and
    line breaks: NUL ends a text in C, and escape sequences move a terminal's cursor. Two halves become their character.
    Nothing else changes, so accents stay composed or not, as they were typed.
    """
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text if text.isprintable() else "".join(map(_readable, text))


def _readable(character: str) -> str:
    return "\ufffd" if unicodedata.category(character) == "Cc" and character not in "\t\n\r" else character


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise RequestError(f"{name} must be a whole number, not {value!r:.60}.")
    if not low <= value <= high:
        raise RequestError(f"{name} is {value}; it must be between {low} and {high}.")


def _interval(value: object) -> tuple[float, float]:
    ends = value if isinstance(value, (list, tuple)) and len(value) == 2 else ("", "")
    if any(isinstance(end, bool) or not isinstance(end, (int, float)) for end in ends):
        raise RequestError(f"guidance_interval must be two shares of the steps such as 0:0.5, not {value!r:.60}.")
    first, last = float(ends[0]), float(ends[1])
    if not 0 <= first < last <= 1:  # also refuses NaN
        raise RequestError(
            f"guidance_interval is {first:g}:{last:g}; both must be between 0 and 1, the first one below the second."
        )
    return first, last


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise RequestError(f"{name} is {value!r:.60}; choose one of {', '.join(choices)}.")


@dataclass(frozen=True)
class Step:
    """One finished denoising step. `index` counts from 1 to `count`; latents are float32 [1, C, h, w].

    `denoised` is the current estimate of the clean latents, in the same shape, if the pipeline gives one.
    """

    index: int
    count: int
    timestep: float
    latents: NDArray
    seconds: float
    denoised: NDArray | None = None


@dataclass(frozen=True)
class Timings:
    """Wall-clock seconds of each phase. `steps` are the seconds of the single denoising steps.

    `cold` is true if at least one part of the model had to be loaded. `preview` is the time of all previews. No other
    number includes it, so that runs with and without previews can be compared.
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

    @property
    def drew(self) -> bool:
        """Whether the run got as far as drawing. The gate on the request may block it before."""
        return self.denoise > 0


@dataclass(frozen=True)
class Verdict:
    """The answer of the safety checker, or of the gate on the request. `blocked` is also true if either failed."""

    blocked: bool
    reason: str = ""
    scores: tuple[float, ...] = ()


class Phase(StrEnum):
    """The phase of one cell of a comparison; the last five are final."""

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
    """One finished picture. `image` is uint8 [H, W, 3] in RGB, or None if the verdict blocks it.

    A result from the store leaves its picture there: `image` is None and `stored_size` is (H, W).
    """

    model: str
    request: Request
    verdict: Verdict
    timings: Timings
    image: NDArray | None = None
    truncated: tuple[str, ...] = ()  # words of the prompt that the text encoder did not read
    engine: str = ""
    size_bytes: int = 0  # of the model's files on disk
    stored_size: tuple[int, int] | None = None
    negative_truncated: tuple[str, ...] = ()  # the same of the negative prompt
    machine: str = ""  # of a pool, which drew it; "" for the page's own

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) of the picture in pixels, in memory or stored; None if there is no picture to show."""
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
    """A snapshot of one model with one seed in a job; never changed in place.

    `preview` is uint8 [h, w, 3], a checked estimate of the picture in progress; final cells have none. `earlier` is the
    finished cell that a new run may replace. It comes back if the new run ends without a verdict. The message may quote
    a file or a library, so it is `repaired`.
    """

    model: str
    phase: Phase = Phase.QUEUED
    step: int = 0
    steps: int = 0
    result: Result | None = None
    message: str = ""  # for the visitor: why there is no picture, no preview, or no newer picture
    seed: int = 0
    preview: NDArray | None = None
    earlier: Cell | None = None
    loading: LoadProgress | None = None  # only while LOADING

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", repaired(self.message))

    @property
    def shown(self) -> bool:
        """Whether there is a finished picture that may be shown."""
        return self.phase is Phase.DONE and self.result is not None and self.result.size is not None

    @property
    def unfinished(self) -> bool:
        """Whether the run ended without a verdict, so that another run may help."""
        return self.phase in (Phase.FAILED, Phase.CANCELLED, Phase.INTERRUPTED)

    def at(self, phase: Phase, **changes: object) -> Cell:
        """Return a copy of this cell in another phase."""
        return replace(self, phase=phase, **changes)  # type: ignore[arg-type]

    def again(self) -> Cell:
        """Return the cell waiting for a new run. It remembers its verdict until there is a new one."""
        earlier = None if self.unfinished else replace(self, message="")
        return Cell(self.model, seed=self.seed, earlier=earlier)

    def verdict(self, phase: Phase, result: Result, message: str = "") -> Cell:
        """Return the cell after a run with a verdict: done or blocked."""
        return replace(self, phase=phase, result=result, message=message, preview=None, earlier=None, loading=None)

    def ended(self, phase: Phase, message: str) -> Cell:
        """Return the cell after a run without a verdict: in `phase`, or as it was before that run."""
        if self.earlier is not None:
            return replace(self.earlier, message=EARLIER_STAYS + message)
        return replace(self, phase=phase, message=message, result=None, preview=None, loading=None)


@dataclass(frozen=True)
class Job:
    """A snapshot of a comparison: the request, one cell per seed and model, and its place in the queue.

    Cells are ordered by seed, then by model: a table with a row per seed. A cell is known by its index. `request.seed`
    is the first seed. `position` is 0 for a running or finished job, else 1 for the next job in the queue; `starts` is
    when it is expected to begin, in seconds since the epoch, None if that cannot be said. It begins later if it is
    `passable` and others come: an earlier job of its visitor waits, too. `version` grows with every change.
    `preview_every` is in steps, 0 for no previews. `expires` is when the store may delete the job, in seconds since the
    epoch, None for never. `environment` describes the machine that ran it, {} until known. `note` says why the job
    cannot be stored, "" if it is stored. `by_seed` is true if the models take turns, seed by seed, so that a slow
    minute meets all of them alike.
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
    owner: str = ""  # a digest of the submitter's secret, "" for a job without an owner
    environment: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    by_seed: bool = False
    starts: float | None = None
    passable: bool = False

    @property
    def finished(self) -> bool:
        return all(cell.phase.final for cell in self.cells)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds in order: the rows of the table."""
        return tuple(dict.fromkeys(cell.seed for cell in self.cells))

    @property
    def models(self) -> tuple[str, ...]:
        """The models in order: the columns of the table."""
        return tuple(dict.fromkeys(cell.model for cell in self.cells))

    @property
    def order(self) -> tuple[int, ...]:
        """The indexes in running order: seed by seed, or model by model, so that each model loads once."""
        if self.by_seed:
            return tuple(range(len(self.cells)))
        models = self.models
        return tuple(sorted(range(len(self.cells)), key=lambda index: models.index(self.cells[index].model)))

    @property
    def resumable(self) -> tuple[int, ...]:
        """The indexes of the cells that ended without a verdict, once the job is finished."""
        return tuple(index for index, cell in enumerate(self.cells) if cell.unfinished) if self.finished else ()

    @property
    def current(self) -> int | None:
        """The index of the cell in progress, else of the first waiting cell; None for a finished job."""
        open_ones = [index for index in self.order if not self.cells[index].phase.final]
        active = [index for index in open_ones if self.cells[index].phase is not Phase.QUEUED]
        return next(iter([*active, *open_ones]), None)

    def index_of(self, model: str, seed: int) -> int:
        """Return the index of the cell of this model and seed. Raises RequestError if there is none."""
        for index, cell in enumerate(self.cells):
            if (cell.model, cell.seed) == (model, seed):
                return index
        raise RequestError(f"This comparison has no picture by {model!r} with seed {seed}.")

    def request_of(self, index: int) -> Request:
        """Return the request of the cell at `index`: the job's request with the cell's seed."""
        return replace(self.request, seed=self.cells[index].seed)
