"""What a visitor chose to see of a sheet: the baseline, a filter, an order, one model; in fields and in a link.

`?sheet=ID&baseline=KEY&filter=blocked&sort=difference&only=KEY` opens the same view. A value that this sheet does not
have is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from bksdm_demo.evaluation.sheet import Sheet
from bksdm_demo.evaluation.sheet_measures import ASSERTION, BLOCKED, DIFFERENCE, DIFFERS, FAILED, SLOW, SPEED, Wanted
from bksdm_demo.languages import marked, say
from bksdm_demo.parameters.links import BASELINE, FILTER, ONLY, SHEET, SORT

FILTER_CHOICES = (  # label, value
    (marked("All rows"), ""),
    (marked("With a blocked picture"), BLOCKED),
    (marked("With a failed or missing picture"), FAILED),
    (marked("With a picture unlike the baseline's"), DIFFERS),
    (marked("With a failed assertion"), ASSERTION),
)
SORT_CHOICES = (
    (marked("The sheet's order"), ""),
    (marked("Largest difference"), DIFFERENCE),
    (marked("Longest drawing"), SLOW),
    (marked("Smallest gain in speed"), SPEED),
)
ALL_MODELS = (marked("All models"), "")


@dataclass(frozen=True)
class Choice:
    """The values of the four fields; "" for the sheet's own baseline, all rows, its order, all models."""

    baseline: str = ""
    filter: str = ""
    sort: str = ""
    only: str = ""

    def of(self, sheet: Sheet) -> Choice:
        """The choice without what this sheet does not have."""
        return Choice(
            self.baseline if self.baseline in sheet.models and self.baseline != sheet.baseline else "",
            self.filter if self.filter in dict(FILTER_CHOICES).values() else "",
            self.sort if self.sort in dict(SORT_CHOICES).values() else "",
            self.only if self.only in sheet.models else "",
        )

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.filter, self.sort, self.only)

    def query(self, sheet_id: str) -> str:
        """ "sheet=ID&sort=difference", for a link."""
        fields = {BASELINE: self.baseline, FILTER: self.filter, SORT: self.sort, ONLY: self.only}
        return urlencode({SHEET: sheet_id, **{name: value for name, value in fields.items() if value}})


def read_choice(values: Mapping[str, str]) -> Choice:
    """The choice of an address."""
    return Choice(*(str(values.get(name, "")) for name in (BASELINE, FILTER, SORT, ONLY)))


def in_words(choices: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The choices of a field with their labels in the visitor's language."""
    return [(say(label), value) for label, value in choices]
