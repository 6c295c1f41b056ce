"""A finished sheet over the fake family for tests of reports: a picture, a blocked one, a failed one, hostile texts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bksdm_demo.errors import EngineError
from bksdm_demo.evaluation.sheet_reader import read_sheet
from bksdm_demo.evaluation.sheet_results import SheetResults, gather_results
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.runs.fairness import NOBODY
from tests.fakes import BLOCKED_WORD, fake_comparisons

BASE, SMALL, TINY = "emoji-base", "emoji-small", "emoji-tiny"
HOSTILE = "<script>alert('x')</script> & =1+1"
TABLE = f"""prompt,label,category,seed,max_seconds,min_psnr,not_blocked
red apple,fruit,food,1,1000,,yes
a {BLOCKED_WORD},,things,1,,,yes
"{HOSTILE}","<b>=cmd",,2,,90,
"""


@contextmanager
def finished_sheet(folder: Path, text: str = TABLE) -> Iterator[tuple[Sheets, SheetResults]]:
    """The service and the results of base (the baseline), small (which fails) and tiny."""
    service = fake_comparisons(folder, {"small_unet": {"failure": EngineError("out of <memory>")}})
    sheets = Sheets(service, {"engine": "fake"})
    sheet = read_sheet(text).complete([BASE, SMALL, TINY], service.catalog.get(BASE))
    record = sheets.create(sheet)
    sheets.run(record.id, NOBODY)
    yield sheets, gather_results(sheets, sheets.get(record.id))
    service.close()
