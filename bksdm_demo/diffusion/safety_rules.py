"""The safety rules of a family of models: which prompts are blocked, and for which settings its checker was measured.

`safety_rules.json` stands beside the vocabulary. Its keys: `concepts`, each with its `name`, the `words` that name it,
and the `threshold` of the cosine between a prompt's text embedding and those of the words (null: only words count);
`harmless`, phrases that contain such a word and are no concept; and `measured`, boxes of settings. In a box, `steps`
and `guidance_scale` are [lowest, highest], `schedulers` and `generators` are lists; a missing key allows every value.
The options that save evaluations are allowed only where a box names them: `forecast` is true, `guidance_interval` holds
[lowest, highest] of its start and of its end, and `deep_every` is the largest one. Without boxes, every setting counts
as measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.files import read_json
from bksdm_demo.records import SAVINGS, Request

FILE_NAME = "safety_rules.json"
BOUNDLESS = (float("-inf"), float("inf"))
RANGES, CHOICES = ("steps", "guidance_scale"), ("schedulers", "generators")
EXAMPLE = '{"concepts": [{"name": "bomb", "words": ["bomb"], "threshold": null}], "harmless": ["bath bomb"]}'


@dataclass(frozen=True)
class Concept:
    """A listed concept. `threshold` is a cosine; None if only its words are compared."""

    name: str
    words: tuple[str, ...]
    threshold: float | None = None


@dataclass(frozen=True)
class Box:
    """A range of settings, bounds included; no choices means all.

    `guidance_start` and `guidance_end` are ranges of the ends of the guidance interval.
    """

    steps: tuple[float, float]
    guidance_scale: tuple[float, float]
    schedulers: tuple[str, ...] = ()
    generators: tuple[str, ...] = ()
    guidance_start: tuple[float, float] = (0.0, 0.0)
    guidance_end: tuple[float, float] = (1.0, 1.0)
    forecast: bool = False
    deep_every: int = 1

    def holds(self, request: Request) -> bool:
        return (
            self.steps[0] <= request.steps <= self.steps[1]
            and self.guidance_scale[0] <= request.guidance_scale <= self.guidance_scale[1]
            and (not self.schedulers or request.scheduler in self.schedulers)
            and (not self.generators or request.generator in self.generators)
            and self.guidance_start[0] <= request.guidance_interval[0] <= self.guidance_start[1]
            and self.guidance_end[0] <= request.guidance_interval[1] <= self.guidance_end[1]
            and (self.forecast or not request.forecast)
            and request.deep_every <= self.deep_every
        )


@dataclass(frozen=True)
class SafetyRules:
    concepts: tuple[Concept, ...] = ()
    harmless: tuple[str, ...] = ()
    measured: tuple[Box, ...] = ()

    def covers(self, request: Request) -> bool:
        """Whether the checker was measured at the settings of this request."""
        return not self.measured or any(box.holds(request) for box in self.measured)


def read_rules(path: Path) -> SafetyRules:
    """The rules in a file. Raises PackageError naming the file, the place and the form that is expected."""
    try:
        content = _mapping(read_json(path), "the file")
        unknown = content.keys() - {"about", "concepts", "harmless", "measured"}
        if unknown:
            raise ValueError(f"unknown keys {sorted(unknown)}")
        concepts = tuple(map(_concept, _list(content.get("concepts", []), "concepts")))
        if not concepts:
            raise ValueError("no concepts")
        return SafetyRules(
            concepts,
            _texts(content.get("harmless", []), "harmless"),
            tuple(map(_box, _list(content.get("measured", []), "measured"))),
        )
    except ValueError as error:
        raise PackageError(
            f"The safety rules {path} cannot be used: {error}. Expected, for example: {EXAMPLE}"
        ) from None


def _concept(value: Any) -> Concept:
    entry = _mapping(value, "a concept")
    name, threshold = entry.get("name"), entry.get("threshold")
    if not isinstance(name, str) or not name.strip():
        raise ValueError("a concept without a name")
    words = _texts(entry.get("words", [name]), f"words of {name!r}")
    if not words:
        raise ValueError(f"the concept {name!r} has no words")
    if threshold is not None and (not _is_number(threshold) or not -1 <= threshold <= 1):
        raise ValueError(f"the threshold of {name!r} is {threshold!r}, not a cosine")
    return Concept(name, words, None if threshold is None else float(threshold))


def _box(value: Any) -> Box:
    entry = _mapping(value, "a measured box")
    unknown = entry.keys() - {*RANGES, *CHOICES, *SAVINGS}
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)} in a measured box")
    steps, guidance_scale = (_bounds(entry[name], name) if name in entry else BOUNDLESS for name in RANGES)
    schedulers, generators = (_texts(entry.get(name, []), name) for name in CHOICES)
    forecast = entry.get("forecast", False)
    if not isinstance(forecast, bool):
        raise ValueError(f"forecast is {forecast!r}, not true or false")
    deep_every = entry.get("deep_every", 1)
    if isinstance(deep_every, bool) or not isinstance(deep_every, int):
        raise ValueError(f"deep_every is {deep_every!r}, not a whole number")
    return Box(steps, guidance_scale, schedulers, generators, *_interval(entry), forecast, deep_every)


def _interval(entry: Mapping[str, Any]) -> tuple[tuple[float, float], tuple[float, float]]:
    """The ranges of both ends of the guidance interval; only the whole interval where the box does not name it."""
    ends = _list(entry.get("guidance_interval", [[0, 0], [1, 1]]), "guidance_interval")
    if len(ends) != 2:
        raise ValueError(f"guidance_interval is {ends!r}, not the ranges of its start and its end")
    start, end = (_bounds(value, "guidance_interval") for value in ends)
    return start, end


def _bounds(value: Any, name: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_number, value)) or value[0] > value[1]:
        raise ValueError(f"{name} is {value!r}, not [lowest, highest]")
    return float(value[0]), float(value[1])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is not an object")
    return value


def _list(value: Any, what: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{what} is not a list")
    return value


def _texts(value: Any, what: str) -> tuple[str, ...]:
    texts = _list(value, what)
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(f"{what} is not a list of texts")
    return tuple(texts)
