"""A sheet: rows of requests times models. sheet_reader.py reads it, sheet_record.py stores it, sheet_run.py runs it.

A cell of a sheet is a row with a model. It is drawn as a cell of a comparison, so a place names that comparison and the
index in it. Equal cells have equal keys (sheet_keys.py) and share one place, also across sheets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation.assertions import NONE, Assertions
from bksdm_demo.records import CELLS_LIMIT, Request, repaired

ROWS_LIMIT = 2_000
SHEET_CELLS_LIMIT = 8_000  # rows times models
NAME_LIMIT = 200  # characters of a name, a label or a category


@dataclass(frozen=True)
class Row:
    """One request of a sheet. `label` and `category` are for people; a label may be ""."""

    request: Request
    label: str = ""
    category: str = ""
    assertions: Assertions = NONE

    def __post_init__(self) -> None:
        for name in ("label", "category"):
            object.__setattr__(self, name, repaired(" ".join(getattr(self, name).split())[:NAME_LIMIT]))


@dataclass(frozen=True)
class Sheet:
    """Rows times models, in order. `baseline` is the model that the others are compared with, one of `models`.

    Raises RequestError for a sheet without rows or models, for one that is too large, and for another baseline.
    """

    rows: tuple[Row, ...]
    models: tuple[str, ...]
    baseline: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", repaired(" ".join(self.name.split())[:NAME_LIMIT]))
        if not self.rows:
            raise RequestError("The sheet has no row. Give it at least one prompt.")
        if not self.models or len(set(self.models)) < len(self.models):
            raise RequestError("Choose at least one model for the sheet, and each only once.")
        if len(self.models) > CELLS_LIMIT:
            raise RequestError(f"The sheet has {len(self.models)} models; it takes at most {CELLS_LIMIT}.")
        if len(self.rows) > ROWS_LIMIT:
            raise RequestError(f"The sheet has {len(self.rows):,} rows; it takes at most {ROWS_LIMIT:,}.")
        if self.cells > SHEET_CELLS_LIMIT:
            raise RequestError(
                f"{len(self.rows):,} rows with {len(self.models)} models make {self.cells:,} pictures; a sheet takes "
                f"at most {SHEET_CELLS_LIMIT:,}. Choose fewer rows or models."
            )
        object.__setattr__(self, "baseline", self.baseline or self.models[0])
        if self.baseline not in self.models:
            raise RequestError(
                f"The baseline {self.baseline!r:.60} is not one of the sheet's models: {', '.join(self.models)}."
            )

    @property
    def cells(self) -> int:
        """How many cells the sheet has."""
        return len(self.rows) * len(self.models)

    def with_baseline(self, model: str) -> Sheet:
        """The sheet with another baseline. Raises RequestError for a model that the sheet does not have."""
        return replace(self, baseline=model)


@dataclass(frozen=True)
class Place:
    """Where a cell is drawn: the key of its content, the comparison and the index of the cell in it.

    `outcome` is the phase in which it was last seen at an end, "" before; the comparison itself has the truth.
    """

    key: str
    job: str
    index: int
    outcome: str = ""


Places = tuple[tuple[Place | None, ...], ...]  # by row, then by model


def no_places(sheet: Sheet) -> Places:
    """A place for no cell."""
    return ((None,) * len(sheet.models),) * len(sheet.rows)


class Marked(StrEnum):
    """Whether a run was under way when the record was stored: that of a server, which goes on at the next start."""

    NO = ""
    YES = "running"
    AGAIN = "again"  # it went on after a restart and has drawn nothing since


@dataclass(frozen=True)
class SheetRecord:
    """A sheet and the places of its cells. `owner` is a digest (store.owner_digest); `created` is in epoch seconds."""

    id: str
    sheet: Sheet
    places: Places
    created: float = 0.0
    owner: str = ""
    marked: Marked = Marked.NO

    def placed(self, row: int, places: Sequence[Place | None]) -> SheetRecord:
        """The record with the places of one row."""
        return replace(self, places=(*self.places[:row], tuple(places), *self.places[row + 1 :]))

    @property
    def outcomes(self) -> dict[str, int]:
        """How many cells are in each outcome; "" counts those that no run has finished yet."""
        counts: dict[str, int] = {}
        for row in self.places:
            for place in row:
                outcome = "" if place is None else place.outcome
                counts[outcome] = counts.get(outcome, 0) + 1
        return counts
