"""The sheets that ship with the demo, in `assets/sheets/`: where to begin, by name."""

from __future__ import annotations

from pathlib import Path

from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation.sheet_draft import Draft
from bksdm_demo.evaluation.sheet_reader import read_sheet
from bksdm_demo.languages import marked

FOLDER = Path(__file__).parents[2] / "assets" / "sheets"
STARTERS = {  # name -> what it is for
    "emoji": marked("16 prompts for the embedded emoji models"),
    "photos": marked("32 prompts in eight categories for the published models"),
}


def starter_text(name: str) -> str:
    """The text of a starter sheet, as one may paste it. Raises RequestError for an unknown name."""
    if name not in STARTERS:
        raise RequestError(f"There is no starter sheet {name[:60]!r}; choose one of {', '.join(STARTERS)}.")
    return (FOLDER / f"{name}.csv").read_text(encoding="utf-8")


def starter(name: str) -> Draft:
    """A starter sheet. Raises RequestError for an unknown name."""
    return read_sheet(starter_text(name).encode(), f"{name}.csv")
