"""The embedded family through start(): several seeds, previews that its own checker passed, and a restart."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bksdm_demo.records import Phase, Request
from bksdm_demo.settings import Settings
from bksdm_demo.start import start

MODEL = "emoji-tiny"
STEPS = 6


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")


def test_pictures_and_timings_survive_a_restart(settings: Settings) -> None:
    services = start(settings)
    comparisons = services.comparisons
    system = services.catalog.get(MODEL)
    request = Request("red apple", steps=STEPS, guidance_scale=system.guidance_scale, scheduler=system.scheduler)
    submitted = comparisons.submit(request, [MODEL], seeds=(7, 8), preview_every=2)
    previews = []
    for job in comparisons.watch(submitted.id):
        previews += [cell.preview for cell in job.cells if cell.preview is not None]
    services.close()
    assert comparisons.problem == job.note == ""
    assert [cell.phase for cell in job.cells] == [Phase.DONE] * 2
    assert previews
    assert {preview.dtype for preview in previews} == {np.dtype(np.uint8)}
    again = start(settings)
    kept = again.comparisons.get(job.id)
    assert kept.environment["parts"]  # how each part ran is known only after it was opened
    for index, (before, after) in enumerate(zip(job.cells, kept.cells, strict=True)):
        assert before.result is not None
        assert after.result is not None
        assert before.result.image is not None
        assert after.result.timings == before.result.timings
        assert before.result.timings.preview > 0
        with Image.open(io.BytesIO(again.comparisons.picture(job.id, index))) as picture:
            assert np.array_equal(np.asarray(picture), before.result.image)
    again.close()
