"""The operator's limits for visitors: one table, from which flags, variables and defaults follow.

docs/limits.md repeats the table, and a test compares the two. A page that strangers reach has stricter defaults. The
commands of the command line have none of these limits.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bksdm_demo.errors import DemoError
from bksdm_demo.records import CELLS_LIMIT, PROMPT_LIMIT, STEPS_RANGE
from bksdm_demo.runs.allowance import Allowance
from bksdm_demo.runs.fairness import read_rates

NONE = "none"  # the word for no limit
MEGABYTE = 1_000_000


def _whole(low: int, high: int, word: str = "") -> Callable[[str], int | None]:
    """Return a reader of whole numbers in this range; `word` means None. It raises ValueError."""

    def read(text: str) -> int | None:
        if word and text.lower() == word:
            return None
        if not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"it must be a whole number from {low} to {high}{f', or {word}' if word else ''}")
        return int(text)

    return read


def _rate(text: str) -> str:
    rate = "" if text.lower() == NONE else text
    try:
        read_rates(rate)
    except ValueError as error:
        raise ValueError(f"it must be a rate such as 20/minute; 200/hour, or {NONE}") from error
    return rate


@dataclass(frozen=True)
class Limit:
    """One limit. `own` and `public` are the defaults of a page for oneself and of a page that strangers reach."""

    name: str
    read: Callable[[str], Any]
    own: Any
    public: Any
    meaning: str

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        return f"BKSDM_{self.name.upper()}"


_STEPS, _BUDGET = _whole(*STEPS_RANGE), _whole(1, 10**9, NONE)
LIMITS = (
    Limit("min_steps", _STEPS, STEPS_RANGE[0], STEPS_RANGE[0], "fewest steps of a picture"),
    Limit("max_steps", _STEPS, STEPS_RANGE[1], 50, "most steps of a picture"),
    Limit("max_pictures", _whole(1, CELLS_LIMIT), CELLS_LIMIT, 16, "most pictures of one comparison"),
    Limit("max_prompt", _whole(1, PROMPT_LIMIT), PROMPT_LIMIT, 1000, "most characters of each prompt"),
    Limit("max_seconds", _BUDGET, None, 1800, "longest drawing time of one comparison, in seconds"),
    Limit("visitor_budget", _BUDGET, None, 1000, "most U-Net evaluations that wait and run for one visitor"),
    Limit("address_budget", _BUDGET, None, 4000, "most U-Net evaluations that wait and run for one address"),
    Limit("queue_budget", _BUDGET, None, 20_000, "most U-Net evaluations that wait and run for everybody together"),
    Limit("visitor_rate", _rate, "", "20/minute; 200/hour", "how often one visitor may start a comparison"),
    Limit("address_rate", _rate, "", "60/minute; 600/hour", "how often visitors of one address may start one"),
    Limit("visitor_vote_rate", _rate, "", "20/minute; 300/hour", "how often one visitor may vote blindly"),
    Limit("address_vote_rate", _rate, "", "60/minute; 600/hour", "how often visitors of one address may vote"),
    Limit("max_body", _whole(1, 64), 8, 8, "largest body of a request, in megabytes"),
)
BY_NAME = {limit.name: limit for limit in LIMITS}


@dataclass(frozen=True)
class OperatorLimits:
    """The limits that the operator has chosen, by name; all others keep their defaults."""

    chosen: tuple[tuple[str, Any], ...] = ()

    def override(self, texts: Mapping[str, str | None]) -> OperatorLimits:
        """Return a copy in which flags replace earlier values; None replaces nothing. Raises DemoError."""
        read = {
            name: _read(BY_NAME[name], BY_NAME[name].flag, text) for name, text in texts.items() if text is not None
        }
        return OperatorLimits(tuple((dict(self.chosen) | read).items()))

    def values(self, public: bool) -> dict[str, Any]:
        """Return every limit by its name. Raises DemoError if the fewest steps are more than the most."""
        values = {limit.name: limit.public if public else limit.own for limit in LIMITS} | dict(self.chosen)
        if values["min_steps"] > values["max_steps"]:
            raise DemoError(
                f"min_steps is {values['min_steps']} and max_steps is {values['max_steps']}; "
                "the fewest steps must not be more than the most."
            )
        return values

    def allowance(self, public: bool) -> Allowance:
        """Return the limits of requests. Raises DemoError as `values`."""
        values = self.values(public)
        return Allowance(
            steps=(values["min_steps"], values["max_steps"]),
            pictures=values["max_pictures"],
            prompt=values["max_prompt"],
            seconds=values["max_seconds"],
            visitor=values["visitor_budget"],
            address=values["address_budget"],
            queue=values["queue_budget"],
            visitor_rate=values["visitor_rate"],
            address_rate=values["address_rate"],
        )

    def body_bytes(self, public: bool) -> int:
        """Return the largest body of a request in bytes."""
        return int(self.values(public)["max_body"]) * MEGABYTE


DEFAULTS = OperatorLimits()
UNLIMITED = OperatorLimits(tuple((limit.name, limit.own) for limit in LIMITS))


def from_variables(environ: Mapping[str, str]) -> OperatorLimits:
    """Return the limits that environment variables set. Raises DemoError naming a variable that cannot be read."""
    texts = {limit: environ.get(limit.variable, "").strip() for limit in LIMITS}
    return OperatorLimits(
        tuple((limit.name, _read(limit, limit.variable, text)) for limit, text in texts.items() if text)
    )


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every limit; its value stays text, for OperatorLimits.override."""
    group = parser.add_argument_group(
        "limits for visitors", 'The second default is that of a public page. "none" switches a limit off.'
    )
    for limit in LIMITS:
        defaults = shown(limit.own) + (f"; {shown(limit.public)}" if limit.own != limit.public else "")
        group.add_argument(limit.flag, metavar="LIMIT", help=f"{limit.meaning} (default: {defaults})")


def take_flags(flags: dict[str, Any]) -> dict[str, str | None]:
    """Remove the limits' flags from the parsed ones and return them by name."""
    return {limit.name: flags.pop(limit.name) for limit in LIMITS}


def shown(value: Any) -> str:
    """Return a default as a person would type it."""
    return str(value) if value else NONE


def accounts(text: str) -> list[tuple[str, str]]:
    """Return the users and passwords of "USER:PASSWORD", or of a file with one such line each. Raises DemoError."""
    path = Path(text).expanduser()
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else [text]
    except (OSError, UnicodeDecodeError) as error:
        raise DemoError(f"The file of users {path} cannot be read: {error}.") from error
    found = []
    for number, line in enumerate(lines, start=1):
        user, colon, password = line.strip().partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        if not (user and colon and password):  # the line may be a password, so it is not repeated
            raise DemoError(f"Line {number} of --auth is not USER:PASSWORD. Give that, or a file with such lines.")
        found.append((user, password))
    if not found:
        raise DemoError("--auth names a file without a line USER:PASSWORD. Add one, or leave the setting out.")
    return found


def _read(limit: Limit, source: str, text: str) -> Any:
    try:
        return limit.read(text.strip())
    except ValueError as error:
        raise DemoError(f"{source} is {text!r:.60}; {error}.") from error
