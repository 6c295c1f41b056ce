"""A comparison while its model loads: the cell shows the part, and a cancel stops between two parts."""

from __future__ import annotations

import threading
from pathlib import Path

from bksdm_demo.records import Job, Phase, Request
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.present import cell_detail, cell_progress
from tests.fakes import fake_comparisons

REQUEST = Request("red apple", steps=2)
PATIENCE = 20.0  # seconds until a test that hangs fails


def job_loading(service: Comparisons, part: str) -> Job:
    """Return the job as soon as its only cell loads that part."""
    job = service.submit(REQUEST, ["emoji-tiny"])
    for snapshot in service.watch(job.id, PATIENCE):
        loading = snapshot.cells[0].loading
        if loading is not None and loading.part == part:
            return snapshot
    raise AssertionError(f"{part} was never reported")


def test_the_cell_shows_part_place_and_seconds_while_it_loads(tmp_path: Path) -> None:
    gate = threading.Event()
    service = fake_comparisons(tmp_path, {"unet": {"load_gate": gate}})
    try:
        job = job_loading(service, "U-Net")
        (cell,) = job.cells
        assert cell.loading is not None
        assert cell_detail(job, 0, cell.loading.began + 12) == "U-Net, 1 of 4, 12 s"
        assert cell_progress(cell) == 0
        gate.set()
        *_, finished = service.watch(job.id, PATIENCE)
        assert finished.cells[0].phase is Phase.DONE
        assert finished.cells[0].loading is None
    finally:
        gate.set()
        service.close()


def test_a_cancel_stops_the_loading_after_the_current_part(tmp_path: Path) -> None:
    gate = threading.Event()
    service = fake_comparisons(tmp_path, {"unet": {"load_gate": gate}})
    try:
        job = job_loading(service, "U-Net")
        service.cancel(job.id)
        gate.set()
        *_, finished = service.watch(job.id, PATIENCE)
        assert finished.cells[0].phase is Phase.CANCELLED
        loaded = [name for name, _ in service.cache.state().parts]
        assert not any("vae" in name or "safety" in name for name in loaded)
    finally:
        gate.set()
        service.close()
