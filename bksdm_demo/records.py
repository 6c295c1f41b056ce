"""Frozen records that the rooms hand to each other: the request, a step, timings, a verdict, a result, a job.

Nothing here computes; `Request` checks its own ranges so that no later room has to.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from numpy.typing import NDArray

from bksdm_demo.errors import RequestError

SEED_LIMIT = 2**32  # numpy.random.RandomState takes seeds in [0, 2**32)
STEPS_RANGE = (1, 150)
GUIDANCE_RANGE = (0.0, 30.0)
PROMPT_LIMIT = 20_000  # characters

SCHEDULERS = ("pndm", "ddim", "dpmpp-2m", "dpmpp-2m-karras", "euler", "euler-ancestral")
GENERATORS = ("numpy", "torch")


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
    """One finished denoising step: `index` counts from 1 to `count`; latents are float32 [1, C, h, w]."""

    index: int
    count: int
    timestep: float
    latents: NDArray
    seconds: float


@dataclass(frozen=True)
class Timings:
    """Wall-clock seconds of each phase; `steps` are the single denoising steps inside `denoise`.

    `cold` says that at least one part of the model had to be loaded for this picture.
    """

    load: float = 0.0
    encode: float = 0.0
    denoise: float = 0.0
    decode: float = 0.0
    safety: float = 0.0
    total: float = 0.0
    steps: tuple[float, ...] = ()
    cold: bool = False


@dataclass(frozen=True)
class Verdict:
    """What the safety checker said. `blocked` is True also when the checker failed: safety fails closed."""

    blocked: bool
    reason: str = ""
    scores: tuple[float, ...] = ()


class Phase(StrEnum):
    """Where one column of a comparison stands; the last five are final."""

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
    """One finished picture. `image` is uint8 [H, W, 3] in RGB, or None when the verdict blocks it."""

    model: str
    request: Request
    verdict: Verdict
    timings: Timings
    image: NDArray | None = None
    cut_off: tuple[str, ...] = ()  # words of the prompt beyond the text encoder's length
    engine: str = ""
    size_bytes: int = 0  # of the model's files on disk


@dataclass(frozen=True)
class Column:
    """The state of one model inside a job; a snapshot, never changed in place."""

    model: str
    phase: Phase = Phase.QUEUED
    step: int = 0
    steps: int = 0
    result: Result | None = None
    message: str = ""  # for FAILED, BLOCKED, CANCELLED: a sentence for the visitor

    def at(self, phase: Phase, **changes: object) -> Column:
        """A copy of this column in another phase."""
        return replace(self, phase=phase, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Job:
    """A snapshot of a comparison: the request, one column per model, and its place in the queue.

    `position` is 0 while running or finished, else 1 for the next in line. `version` grows with every change.
    """

    id: str
    request: Request
    columns: tuple[Column, ...]
    position: int = 0
    version: int = 0
    created: float = 0.0  # seconds since the epoch
    cancelled: bool = field(default=False)

    @property
    def finished(self) -> bool:
        return all(column.phase.final for column in self.columns)
