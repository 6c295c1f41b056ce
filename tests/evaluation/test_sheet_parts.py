"""Models that do not fit into memory together: each loads once per block of rows, and a row stays one comparison."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from bksdm_demo.evaluation import sheet_parts
from bksdm_demo.evaluation.sheet_parts import parts_of
from bksdm_demo.evaluation.sheet_reader import read_sheet
from bksdm_demo.evaluation.sheet_run import Progress
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.records import Phase
from bksdm_demo.runs.cells import memory_groups
from bksdm_demo.runs.fairness import NOBODY
from bksdm_demo.store.contract import Retention
from bksdm_demo.store.sqlite import SqliteStore
from tests.fakes import FAMILY, fake_catalog, fake_comparisons, fake_parts

MODELS = FAMILY[:3]
TEXT = "red apple\nblue car\ngreen hat\nred apple\nmoon"


def test_rows_go_block_by_block_and_a_block_begins_with_what_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_parts, "BLOCK", 2)
    one, other = (0, 1), (2,)
    assert list(parts_of(2, [(0, 1, 2)])) == [(0, (0, 1, 2)), (1, (0, 1, 2))]
    assert list(parts_of(3, [one, other])) == [(0, one), (1, one), (0, other), (1, other), (2, other), (2, one)]


@pytest.mark.parametrize("cut_off", [None, 1, 4, 9])
def test_each_model_loads_once_per_block_and_no_cell_is_drawn_twice(tmp_path: Path, cut_off: int | None) -> None:
    service = fake_comparisons(
        tmp_path, store=SqliteStore(tmp_path / "data", Retention()), expected_memory=lambda system: 600_000
    )
    with closing(service), closing(Sheets(service, {"engine": "fake"})) as sheets:
        record = sheets.create(read_sheet(TEXT).complete(MODELS))
        order: list[str] = []
        seen: list[Progress] = []

        def watch(progress: Progress) -> None:
            seen.append(progress)
            cells = progress.job.cells if progress.job is not None else ()
            order.extend(cell.model for cell in cells if cell.phase is Phase.DENOISING)

        if cut_off is not None:
            sheets.run(record.id, NOBODY, watch, lambda: bool(seen) and seen[-1].drawn >= cut_off)
        sheets.run(record.id, NOBODY, watch)
        assert sheets.get(record.id).outcomes == {"done": 15}
        runs = [fake_parts(service).engine(f"{model.partition('-')[2]}_unet").runs for model in MODELS]
        assert runs == [4 * 20] * 3  # four different rows of 20 steps
        assert service.gallery().total == 4
        assert all(len(job.cells) == 3 for job in service.gallery().jobs)
        if cut_off is None:
            assert list(dict.fromkeys(order)) == list(MODELS)
            assert sheets.run(record.id, NOBODY).drawn == 0


def test_models_are_grouped_by_what_fits_into_memory(tmp_path: Path) -> None:
    systems = fake_catalog(tmp_path).by_key()
    assert memory_groups(MODELS, systems, 1000, lambda system: 300) == (tuple(MODELS),)
    assert memory_groups(MODELS, systems, 1000, lambda system: 400) == (tuple(MODELS[:2]), tuple(MODELS[2:]))
    assert memory_groups(MODELS, systems, 1000, lambda system: 2000) == tuple((model,) for model in MODELS)
    assert memory_groups(("unknown", MODELS[0]), systems, 1000, lambda system: 900) == (("unknown", MODELS[0]),)
