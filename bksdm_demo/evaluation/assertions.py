"""What a row of a sheet must hold: at most so many seconds, at least so similar to the baseline, not blocked.

An assertion about one cell holds, fails, or cannot be checked: a failed cell has no picture to judge, and a baseline
without a picture judges no other. A cell without a picture whose baseline has one fails, because nothing says that it
would hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from bksdm_demo.errors import RequestError
from bksdm_demo.records import Cell, Phase
from bksdm_demo.reports.similarity import Similarity
from bksdm_demo.wording.timing import drawing_seconds, timings_of

LONGEST = 1e6  # seconds, dB
WORDS = {"yes": True, "true": True, "1": True, "x": True, "no": False, "false": False, "0": False, "": False}


class Answer(StrEnum):
    HOLDS = "holds"
    FAILS = "fails"
    UNKNOWN = "cannot be checked"


@dataclass(frozen=True)
class Assertions:
    """The limits of one row; None and False ask for nothing.

    `max_seconds` limits the drawing time, without loading. The similarities compare with the baseline's picture of the
    same row: PSNR in dB, infinite for equal pictures; SSIM and HaarPSI, 1 for equal ones. Raises RequestError for a
    value that is no limit.
    """

    max_seconds: float | None = None
    min_psnr_to_baseline: float | None = None
    min_ssim_to_baseline: float | None = None
    min_haarpsi_to_baseline: float | None = None
    not_blocked: bool = False

    def __post_init__(self) -> None:
        for name, low, high in (
            ("max_seconds", 0.0, LONGEST),
            ("min_psnr_to_baseline", 0.0, LONGEST),
            ("min_ssim_to_baseline", -1.0, 1.0),
            ("min_haarpsi_to_baseline", 0.0, 1.0),
        ):
            value = getattr(self, name)
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high
            ):
                raise RequestError(f"{name} is {value!r:.60}; it must be a number between {low:g} and {high:g}.")
        if not isinstance(self.not_blocked, bool):
            raise RequestError(f"not_blocked is {self.not_blocked!r:.60}; it must be yes or no.")

    def report(self) -> dict[str, Any]:
        """The limits that are set, by their names."""
        return {name: value for name in NAMES if (value := getattr(self, name)) not in (None, False)}

    @property
    def compare(self) -> bool:
        """Whether a limit needs a baseline."""
        return any(getattr(self, name) is not None for name, _, _ in SIMILARITIES)


NAMES = tuple(field.name for field in fields(Assertions))
SIMILARITIES = (  # assertion, measure, unit
    ("min_psnr_to_baseline", "psnr", " dB"),
    ("min_ssim_to_baseline", "ssim", ""),
    ("min_haarpsi_to_baseline", "haarpsi", ""),
)
NONE = Assertions()


@dataclass(frozen=True)
class Checked:
    """One assertion about one cell; `sentence` says what was measured, or why nothing was."""

    name: str
    answer: Answer
    sentence: str


def read_assertions(values: Mapping[str, Any]) -> Assertions:
    """The assertions of these values, which may be texts. Raises RequestError for a name or a value that is none."""
    unknown = [name for name in values if name not in NAMES]
    if unknown:
        raise RequestError(f"There is no assertion {unknown[0][:60]!r}; choose from {', '.join(NAMES)}.")
    return Assertions(
        **{name: _flag(value) if name == "not_blocked" else _limit(name, value) for name, value in values.items()}
    )


def _flag(value: Any) -> Any:
    return WORDS.get(value.strip().lower(), value) if isinstance(value, str) else value


def _limit(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        number = float(value.strip().replace(",", "."))
    except ValueError as error:
        raise RequestError(f"{name} is {value[:60]!r}; it must be a number.") from error
    return number


def check(
    assertions: Assertions, cell: Cell | None, similarity: Similarity | None, baseline_shown: bool, is_baseline: bool
) -> tuple[Checked, ...]:
    """Check one cell, None for one that is not drawn.

    `similarity` compares its picture with the baseline's, None where one of them is missing; `baseline_shown` says
    whether the baseline has a picture.
    """
    found = []
    if assertions.max_seconds is not None:
        found.append(_seconds(assertions.max_seconds, cell))
    if assertions.not_blocked:
        found.append(_not_blocked(cell))
    for name, measure, unit in SIMILARITIES:
        limit = getattr(assertions, name)
        if limit is not None and not is_baseline:
            value = None if similarity is None else getattr(similarity, measure)
            found.append(_similar(name, limit, value, unit, cell, baseline_shown))
    return tuple(found)


def _undecided(cell: Cell | None) -> bool:
    return cell is None or cell.phase not in (Phase.DONE, Phase.BLOCKED)


def _seconds(limit: float, cell: Cell | None) -> Checked:
    timings = None if cell is None else timings_of(cell)
    if timings is None:
        return Checked("max_seconds", Answer.UNKNOWN, "It was not drawn.")
    seconds = drawing_seconds(timings)
    answer = Answer.HOLDS if seconds <= limit else Answer.FAILS
    return Checked("max_seconds", answer, f"It took {seconds:.3f} s; the limit is {limit:g} s.")


def _not_blocked(cell: Cell | None) -> Checked:
    if cell is None or _undecided(cell):
        return Checked("not_blocked", Answer.UNKNOWN, "It was not drawn.")
    if cell.phase is Phase.BLOCKED:
        return Checked("not_blocked", Answer.FAILS, f"It was blocked: {cell.message}")
    return Checked("not_blocked", Answer.HOLDS, "It was not blocked.")


def _similar(
    name: str, limit: float, value: float | None, unit: str, cell: Cell | None, baseline_shown: bool
) -> Checked:
    if _undecided(cell):
        return Checked(name, Answer.UNKNOWN, "It was not drawn.")
    if not baseline_shown:
        return Checked(name, Answer.UNKNOWN, "The baseline has no picture in this row.")
    if value is None or math.isnan(value):
        return Checked(name, Answer.FAILS, "It has no picture that can be compared with the baseline's.")
    answer = Answer.HOLDS if value >= limit else Answer.FAILS
    return Checked(name, answer, f"It is {value:.4g}{unit}; the limit is {limit:g}{unit}.")
