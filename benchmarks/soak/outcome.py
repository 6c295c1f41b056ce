"""What a check asks and finds, and the table of several.

The rows of a run are kept in a JSON file, so that checks can run one by one and still make one table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HEAD = "| check | asked | measured | ok |\n|---|---|---|---|"


@dataclass(frozen=True)
class Effort:
    """How much of a check is run, and from which seed. With `scale` 1 it is all that is asked."""

    seed: int = 1
    scale: float = 1.0

    def of(self, count: int, least: int = 1) -> int:
        """The scaled count, at least `least`."""
        return max(least, round(count * self.scale))


@dataclass(frozen=True)
class Outcome:
    """What one check asked, with the numbers that were really run, and what it found."""

    asked: str
    measured: str
    ok: bool


@dataclass(frozen=True)
class Row:
    """One line of the table. `load` is the machine's load average (1 minute) before and after, `minutes` its length."""

    check: str
    outcome: Outcome
    effort: Effort
    minutes: float
    load: tuple[float, float]


def render(rows: Iterable[Row]) -> str:
    """The table in Markdown, and a line about the conditions."""
    rows = list(rows)
    lines = [HEAD, *(_line(row) for row in rows)]
    if rows:
        loads = [load for row in rows for load in row.load]
        seeds = ", ".join(str(seed) for seed in sorted({row.effort.seed for row in rows}))
        minutes = sum(row.minutes for row in rows)
        load = f"load average {min(loads):.1f} to {max(loads):.1f}"
        lines += ["", f"{minutes:.0f} minutes together, {load}, seed {seeds}."]
    return "\n".join(lines)


def _line(row: Row) -> str:
    cells = (row.check, row.outcome.asked, row.outcome.measured, "yes" if row.outcome.ok else "**no**")
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def load_rows(path: Path) -> dict[str, Row]:
    """The rows of earlier runs by check; {} without a file."""
    if not path.exists():
        return {}
    return {row.check: row for row in map(_row, json.loads(path.read_text(encoding="utf-8")))}


def save_rows(path: Path, rows: Iterable[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")


def _row(data: Mapping[str, Any]) -> Row:
    outcome, effort = Outcome(**data["outcome"]), Effort(**data["effort"])
    return Row(data["check"], outcome, effort, data["minutes"], tuple(data["load"]))
